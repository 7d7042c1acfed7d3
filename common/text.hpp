// Text as the protocols have it: ASCII without a locale, and UTF-8 checked
// the way RFC 3629 says (no overlong forms, no surrogates). Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace longshore {

constexpr char ascii_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Equal but for the case of ASCII letters.
constexpr bool equal_ignoring_case(std::string_view a,
                                   std::string_view b) noexcept {
    return std::equal(
        a.begin(), a.end(), b.begin(), b.end(),
        [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

/// Without the spaces and tabs at both ends.
constexpr std::string_view trimmed(std::string_view text) noexcept {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Length of the UTF-8 sequence that starts `text` (1 to 4), 0 if it is
/// broken, cut off or `text` is empty.
std::size_t utf8_length(std::string_view text) noexcept;

/// Bytes at the start of `text` that are whole UTF-8 sequences.
std::size_t utf8_prefix(std::string_view text) noexcept;

bool is_utf8(std::string_view text) noexcept;

/// The text if it is UTF-8; any other is taken for ISO-8859-1, as the metadata
/// of old packages is, so that what comes out is UTF-8 always.
std::string to_utf8(std::string_view text);

/// Appends a code point, at most 0x10ffff and no surrogate.
void append_utf8(char32_t code_point, std::string& out);

}  // namespace longshore
