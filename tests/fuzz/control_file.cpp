// Stanzas and signed texts from anybody. The first byte is the dialect, the
// second how much is read at a time.
#include <string>
#include <vector>

#include "common/text.hpp"
#include "fuzz.hpp"
#include "syntax/control_file.hpp"

namespace longshore {
namespace {

using fuzz::require;

constexpr ControlDialect kDialects[] = {kDebianControl, kDcf, kPythonMetadata,
                                        kPkgInfo};

// All stanzas as one text; "-" if they are refused.
std::string read(std::string_view text, const ControlDialect& dialect,
                 std::size_t window) {
    const MemorySource source(text);
    StanzaReader reader(source, dialect, {50, 40, 500, window});
    std::string said;
    for (;;) {
        auto stanza = reader.next();
        if (!stanza) {
            return "-";
        }
        if (!*stanza) {
            return said;
        }
        require(!(*stanza)->fields().empty(), "a stanza has fields");
        said += '\0';
        for (const auto& field : (*stanza)->fields()) {
            require(is_utf8(field.value), "UTF-8");
            require(!field.name.empty(), "a name");
            require(trimmed(field.value) == field.value,
                    "no white space around it");
            said += field.name + '\0' + field.value + '\0';
        }
        said += (*stanza)->body();
    }
}

void check_written(std::string_view text) {
    auto stanza = read_stanza(text, kDebianControl);
    if (!stanza) {
        return;
    }
    const auto written = write_stanza(*stanza);
    auto again = read_stanza(written, kDebianControl);
    require(again && again->fields().size() == stanza->fields().size(),
            "what is written is read");
    require(write_stanza(*again) == written, "and the same");
}

void check_signed(std::string_view text) {
    const auto clear = strip_clear_signature(text);
    if (clear && !clear->signature.empty()) {
        require(text.find(clear->signature.substr(
                    0, clear->signature.size() - 1)) != std::string_view::npos,
                "the signature that was there");
    } else if (clear) {
        require(clear->text == text, "nothing was there to take off");
    }
}

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    if (size < 2) {
        return 0;
    }
    const auto text = fuzz::text(data + 2, size - 2);
    const auto& dialect = kDialects[data[0] % 4];
    fuzz::require(read(text, dialect, data[1] + std::size_t{1}) ==
                      read(text, dialect, 64 * 1024),
                  "the same, however it is read");
    check_written(text);
    check_signed(text);
    return 0;
}
