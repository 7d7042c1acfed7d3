// A form from anybody. The first byte is how much is read at a time: what is
// found does not depend on it. Parts are bytes of the body, in their order.
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "http/header_value.hpp"
#include "http/multipart.hpp"

namespace longshore {
namespace {

using fuzz::require;

struct Part {
    PartHead head;
    std::string bytes;
    bool ended = false;

    bool operator==(const Part& other) const {
        return head.name == other.head.name &&
               head.filename == other.head.filename &&
               head.content_type == other.head.content_type &&
               bytes == other.bytes && ended == other.ended;
    }
};

class Collect : public MultipartReceiver {
public:
    Result<ByteSink> begin(const PartHead& head) override {
        require(parts.empty() || parts.back().ended, "one after the other");
        parts.push_back({head, "", false});
        if (!head.filename) {
            return ByteSink{};
        }
        return ByteSink([this](std::string_view bytes) {
            parts.back().bytes += bytes;
            return Result<void>{};
        });
    }
    Result<void> field(const PartHead&, std::string value) override {
        require(value.size() <= 64, "a field keeps its limit");
        parts.back().bytes = std::move(value);
        parts.back().ended = true;
        return {};
    }
    Result<void> end(const PartHead&) override {
        parts.back().ended = true;
        return {};
    }

    std::vector<Part> parts;
};

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    if (size == 0) {
        return 0;
    }
    const auto body = fuzz::text(data + 1, size - 1);
    MultipartLimits limits = {10, 256, 64, 128, data[0] + std::size_t{1}};
    Collect pieces;
    const auto done = read_multipart(MemorySource(body), "b", pieces, limits);
    limits.window = 64 * 1024;
    Collect whole;
    const auto again = read_multipart(MemorySource(body), "b", whole, limits);
    fuzz::require(static_cast<bool>(done) == static_cast<bool>(again) &&
                      (!done || pieces.parts == whole.parts),
                  "the same, however it is read");
    if (done) {
        std::size_t from = 0;
        for (const auto& part : whole.parts) {
            fuzz::require(part.ended, "complete");
            from = body.find(part.bytes, from);
            fuzz::require(from != std::string_view::npos, "bytes of the body");
            from += part.bytes.size();
            fuzz::require(part.bytes.find("\r\n--b\r\n") == std::string::npos,
                          "no boundary within a part");
        }
    }
    (void)multipart_boundary(body);
    return 0;
}
