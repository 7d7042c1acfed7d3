#include "common/range.hpp"

#include <algorithm>

namespace longshore {
namespace {

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

bool is_digits(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c >= '0' && c <= '9';
    });
}

// Numbers beyond 2^64 are legal in a Range header and mean "past the end".
std::uint64_t saturated(std::string_view digits) noexcept {
    return parse_decimal(digits).value_or(UINT64_MAX);
}

enum class Spec { bad, outside, inside };

Spec parse_spec(std::string_view text, std::uint64_t size,
                ByteRange& range) noexcept {
    auto dash = text.find('-');
    if (dash == std::string_view::npos) {
        return Spec::bad;
    }
    auto first = text.substr(0, dash);
    auto last = text.substr(dash + 1);
    if (first.empty()) {
        if (!is_digits(last)) {
            return Spec::bad;
        }
        std::uint64_t suffix = std::min(saturated(last), size);
        if (suffix == 0) {
            return Spec::outside;
        }
        range = {size - suffix, size - 1};
        return Spec::inside;
    }
    if (!is_digits(first) || (!last.empty() && !is_digits(last))) {
        return Spec::bad;
    }
    std::uint64_t begin = saturated(first);
    std::uint64_t end = last.empty() ? UINT64_MAX : saturated(last);
    // "500-0" is bad syntax by the RFC, but the conformance suite and nginx
    // itself answer 416, which a client can act on.
    if (begin >= size || end < begin) {
        return Spec::outside;
    }
    range = {begin, std::min(end, size - 1)};
    return Spec::inside;
}

}  // namespace

std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
    if (!is_digits(text)) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (char c : text) {
        auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return std::nullopt;
        }
        value = value * 10 + digit;
    }
    return value;
}

std::size_t count_ranges(std::string_view value) noexcept {
    return static_cast<std::size_t>(
               std::count(value.begin(), value.end(), ',')) +
           1;
}

RangeResult parse_range(std::string_view value, std::uint64_t size,
                        std::span<ByteRange> out) noexcept {
    constexpr std::string_view kUnit = "bytes";
    if (value.size() <= kUnit.size() || value[kUnit.size()] != '=' ||
        !std::equal(kUnit.begin(), kUnit.end(), value.begin(),
                    [](char a, char b) { return a == (b | 0x20); })) {
        return {};
    }
    value.remove_prefix(kUnit.size() + 1);
    std::size_t count = 0;
    bool more = true;
    bool any = false;
    while (more) {
        auto comma = value.find(',');
        auto text = trim(value.substr(0, comma));
        more = comma != std::string_view::npos;
        value = more ? value.substr(comma + 1) : std::string_view{};
        if (text.empty()) {
            continue;  // RFC 9110 5.6.1: empty list elements are skipped
        }
        any = true;
        ByteRange range;
        switch (parse_spec(text, size, range)) {
            case Spec::bad:
                return {};
            case Spec::outside:
                continue;
            case Spec::inside:
                break;
        }
        if (count == out.size()) {
            return {RangeVerdict::too_many, 0};
        }
        out[count++] = range;
    }
    if (!any) {
        return {};
    }
    return {count == 0 ? RangeVerdict::unsatisfiable : RangeVerdict::partial,
            count};
}

std::optional<ByteRange> parse_content_range(std::string_view value) noexcept {
    // Without a size behind it, last may be anything whose range has a size
    // that fits: 0 … 2^64-1 would not.
    std::uint64_t size = UINT64_MAX;
    if (value.starts_with("bytes ")) {
        value.remove_prefix(6);
        auto slash = value.find('/');
        if (slash == std::string_view::npos) {
            return std::nullopt;
        }
        auto text = value.substr(slash + 1);
        auto number = parse_decimal(text);
        if (!number && text != "*") {
            return std::nullopt;
        }
        size = number.value_or(size);
        value = value.substr(0, slash);
    }
    auto dash = value.find('-');
    if (dash == std::string_view::npos) {
        return std::nullopt;
    }
    auto first = parse_decimal(value.substr(0, dash));
    auto last = parse_decimal(value.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= size) {
        return std::nullopt;
    }
    return ByteRange{*first, *last};
}

}  // namespace longshore
