// A package from anybody. So that mutations get beyond the lead, an input that
// does not start with its magic is taken for a main header alone.
#include <string>

#include "common/text.hpp"
#include "fuzz.hpp"
#include "syntax/rpm_header.hpp"

namespace longshore {
namespace {

using fuzz::require;

void check_header(std::string_view bytes) {
    auto header = RpmHeader::read(MemorySource(bytes), 0, {100, 4096});
    if (!header) {
        return;
    }
    require(header->size() <= bytes.size(), "it lies in the package");
    for (std::uint32_t tag = 100; tag < 1120; ++tag) {
        const auto numbers = header->numbers(tag);
        const auto texts = header->texts(tag);
        require(numbers.empty() || texts.empty(), "a tag has one type");
        require(texts.empty() || header->text(tag, "de").data() != nullptr,
                "a text");
        require(header->binary(tag).size() <= 4096 && texts.size() <= 4096,
                "bounded");
    }
}

void check_package(std::string_view bytes) {
    const RpmLimits limits = {200, 16384, 100, 200, 2000, 100};
    auto package = read_rpm(MemorySource(bytes), limits);
    if (!package) {
        return;
    }
    require(package->header_start % 8 == 0 &&
                package->header_start < package->header_end &&
                package->header_end <= bytes.size(),
            "the header lies in the package");
    require(!package->name.empty() && is_utf8(package->description),
            "a name, and UTF-8");
    std::size_t paths = 0;
    for (const auto& file : package->files) {
        require(is_utf8(file.path), "UTF-8");
        paths += file.path.size();
    }
    require(paths <= 4000, "bounded");
    require(index_requirements(*package).size() <= package->requirements.size(),
            "no more than there are");
}

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    const auto bytes = fuzz::text(data, size);
    if (bytes.substr(0, 4) == "\xed\xab\xee\xdb") {
        check_package(bytes);
    } else {
        check_header(bytes);
    }
    return 0;
}
