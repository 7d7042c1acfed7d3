// Range and Content-Range. Ranges are kept exactly as asked: order kept,
// nothing merged, because lazy pullers match parts to ranges by position.
// Specification: RFC 9110 section 14; upload chunks: OCI distribution-spec,
// "Pushing a blob in chunks".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace longshore {

/// Bytes first … last, both included.
struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;

    std::uint64_t size() const noexcept { return last - first + 1; }
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

enum class RangeVerdict : std::uint8_t {
    whole,          // no byte range (other unit, bad syntax): answer 200
    partial,        // answer 206 with the ranges found
    unsatisfiable,  // none of them lies in the blob: 416
    too_many,       // more ranges than `out` holds: 400
};

struct RangeResult {
    RangeVerdict verdict = RangeVerdict::whole;
    std::size_t count = 0;  // ranges written to `out`
};

/// Reads a Range header value for a body of `size` bytes. Ranges beyond the
/// end are clipped, unsatisfiable ones among others are left out, in order.
RangeResult parse_range(std::string_view value, std::uint64_t size,
                        std::span<ByteRange> out) noexcept;

/// Number of ranges that `value` asks for at most: what `out` of
/// parse_range() needs.
std::size_t count_ranges(std::string_view value) noexcept;

/// "<first>-<last>" as upload chunks carry it, or the RFC's own form
/// "bytes <first>-<last>/<size>" (size may be "*"); nullopt if malformed, if
/// last < first or if last lies beyond the size.
std::optional<ByteRange> parse_content_range(std::string_view value) noexcept;

/// Decimal without sign, space or overflow.
std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept;

}  // namespace longshore
