// What the keys of versions are made of, and how their texts are read: for
// the files of the ecosystems, not for others. Pure functions, any thread.
//
// A key is a row of codes, each of which is the beginning of no other code
// that may stand in its place:
//
//     number   length, digits                first byte '0' to 't'
//     bytes    escaped, '!' at the end       bytes '"' to '}'
//     mark     one byte, chosen by the ecosystem where it sorts
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore::version {

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}
constexpr bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}
constexpr bool is_letter(char c) noexcept {
    return is_upper(c) || is_lower(c);
}
constexpr bool is_alphanumeric(char c) noexcept {
    return is_letter(c) || is_digit(c);
}

/// In ASCII; other bytes stay.
std::string lower(std::string_view text);

/// All of `text` are digits or letters or in `others`.
bool consists_of(std::string_view text, std::string_view others) noexcept;

/// Takes the longest beginning of `rest` whose characters all have `is`.
template <typename Predicate>
std::string_view take_while(std::string_view& rest, Predicate is) {
    std::size_t size = 0;
    while (size < rest.size() && is(rest[size])) {
        ++size;
    }
    auto taken = rest.substr(0, size);
    rest.remove_prefix(size);
    return taken;
}

/// Takes `beginning` if `rest` has it.
bool take(std::string_view& rest, std::string_view beginning) noexcept;

/// Digits without leading zeros; "0" for zero and for no digits.
std::string_view number(std::string_view digits) noexcept;

/// The value of `digits` is at most that of `limit`, which is a number().
bool at_most(std::string_view digits, std::string_view limit) noexcept;

/// Orders by value, whatever the leading zeros; zero is '0' alone.
void append_number(std::string& key, std::string_view digits);

/// A length of 0 to 256 as one or two bytes, '0' to 't' first.
void append_length(std::string& key, std::size_t length);

/// Orders as the bytes do, a beginning before what is longer.
void append_bytes(std::string& key, std::string_view bytes);

/// Mark at the end of bytes, below all that an escape begins with.
inline constexpr char kEnd = '!';

/// `text` is no version, for this reason.
Error refused(std::string_view text, std::string_view reason);

/// [EPOCH:]VERSION[-REVISION], as distributions have it.
struct Parts {
    std::string_view epoch;  // a number(), "0" without one
    std::string_view version;
    std::string_view revision;
    bool has_revision = false;
};

/// `most`: of the epoch. The revision begins after the last hyphen.
/// @errors invalid_argument
Result<Parts> split_parts(std::string_view text, std::string_view most);

/// The text of parts: an epoch of zero is not written, unless the version has
/// a colon and would begin with an epoch without it.
std::string parts_text(const Parts& parts);

}  // namespace longshore::version
