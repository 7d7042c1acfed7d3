// What Go knows of characters and needs for the names in a module's archive:
// letters and simple case folding (package unicode, Unicode 15.0). Pure
// functions.
#pragma once

#include <optional>
#include <string_view>

namespace longshore::go {

/// Category L.
bool is_letter(char32_t c) noexcept;

/// One for all characters that differ in case alone: the least of them, in
/// ASCII the lower-case one.
char32_t fold(char32_t c) noexcept;

/// The first character of UTF-8 text, which loses it; nullopt if there is
/// none.
std::optional<char32_t> take_character(std::string_view& text) noexcept;

}  // namespace longshore::go
