// Hex, percent and base64url coding. Pure functions over caller's memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace longshore {

/// Writes 2 × bytes.size() lower-case hex characters to `out`.
void hex_encode(std::span<const std::uint8_t> bytes, char* out) noexcept;

/// Value of one hex character in either case, or -1.
int hex_value(char c) noexcept;

/// Bytes of hex text that hex_encode() made, or the like in upper case.
std::string hex_decode(std::string_view text);

/// Decodes %XX once into `out` (at least text.size() bytes) and returns the
/// number of bytes written; nullopt for a broken escape. '+' stays '+'.
/// RFC 3986 section 2.1.
std::optional<std::size_t> percent_decode(std::string_view text,
                                          char* out) noexcept;

/// The same into a string.
std::optional<std::string> percent_decode(std::string_view text);

/// Encodes all but unreserved characters and those in `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = {});

/// Characters that base64url without padding has for so many bytes.
constexpr std::size_t base64url_length(std::size_t bytes) noexcept {
    return bytes / 3 * 4 + (bytes % 3 == 0 ? 0 : bytes % 3 + 1);
}

/// Base64url without padding, as JOSE has it. RFC 7515 section 2.
std::string base64url_encode(std::string_view bytes);

/// Decodes the only spelling that base64url_encode() gives: no padding, no
/// white space, unused bits zero (RFC 4648 section 3.5). Writes to `out`, at
/// least 3 × (text.size() / 4) + 2 bytes, and returns the number of bytes;
/// nullopt for any other text.
std::optional<std::size_t> base64url_decode(std::string_view text,
                                            char* out) noexcept;

/// Decoded value of the first query argument `name` in `query` (the text
/// after '?'); nullopt when absent or its escape is broken.
std::optional<std::string> query_argument(std::string_view query,
                                          std::string_view name);

}  // namespace longshore
