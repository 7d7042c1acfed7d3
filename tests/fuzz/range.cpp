// Input: size of the body and room for ranges, a line; then a Range or
// Content-Range value. "1000 4\nbytes=0-5,-1"
#include "common/range.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.hpp"

using namespace longshore;
using fuzz::require;

namespace {

void check_range(std::string_view value, std::uint64_t size, std::size_t room) {
    std::vector<ByteRange> out(room);
    auto result = parse_range(value, size, out);
    require(result.count <= room, "no more than there is room");
    require((result.verdict == RangeVerdict::partial) == (result.count > 0),
            "partial if and only if there are ranges");
    std::string rewritten = "bytes=";
    for (std::size_t i = 0; i < result.count; ++i) {
        require(out[i].first <= out[i].last && out[i].last < size,
                "ranges lie in the body");
        require(out[i].size() > 0, "sizes do not wrap");
        rewritten += (i > 0 ? "," : "") + std::to_string(out[i].first) + "-" +
                     std::to_string(out[i].last);
    }
    if (result.verdict == RangeVerdict::partial) {
        std::vector<ByteRange> same(room);
        auto again = parse_range(rewritten, size, same);
        require(again.verdict == result.verdict && again.count == result.count,
                "what was read, written out, is read the same");
        require(std::equal(out.begin(), out.end(), same.begin()), "order kept");
    }
    // With all the room that count_ranges() says it is never too_many.
    std::vector<ByteRange> all(count_ranges(value));
    require(parse_range(value, size, all).verdict != RangeVerdict::too_many,
            "count_ranges() is enough");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    const std::string input(fuzz::text(data, size));
    const std::string_view all(input);
    auto line = all.substr(0, all.find('\n'));
    auto value = all.substr(std::min(line.size() + 1, all.size()));
    auto space = line.find(' ');
    auto bytes = parse_decimal(line.substr(0, space)).value_or(UINT64_MAX);
    auto room = space == std::string_view::npos
                    ? 0
                    : parse_decimal(line.substr(space + 1)).value_or(0);
    check_range(value, bytes, static_cast<std::size_t>(room % 1025));

    if (auto range = parse_content_range(value)) {
        require(range->first <= range->last, "first <= last");
        require(range->size() > 0, "size does not wrap");
        auto text =
            std::to_string(range->first) + "-" + std::to_string(range->last);
        require(parse_content_range(text) == range, "round trip");
        require(parse_content_range("bytes " + text + "/*") == range,
                "both forms agree");
    }
    if (auto number = parse_decimal(value)) {
        auto zeros = std::min(value.find_first_not_of('0'), value.size() - 1);
        require(std::to_string(*number) == value.substr(zeros),
                "decimal is exact");
    }
    return 0;
}
