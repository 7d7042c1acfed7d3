#include "archive/entry_name.hpp"

#include <array>
#include <cstdint>

namespace longshore {
namespace {

/// The next part of a path, which loses it.
std::string_view take_part(std::string_view& path) noexcept {
    auto part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size() < path.size() ? part.size() + 1
                                                 : path.size());
    return part;
}

/// Bytes of the UTF-8 sequence at the begin; 0 if there is none. Unicode 15,
/// table 3-7.
std::size_t sequence(std::string_view text) noexcept {
    struct Row {
        std::uint8_t first, last, second_first, second_last;
        std::size_t size;
    };
    constexpr std::array<Row, 9> kRows = {{
        {0x00, 0x7f, 0x00, 0x00, 1},
        {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    }};
    auto at = [text](std::size_t place) {
        return static_cast<std::uint8_t>(text[place]);
    };
    for (const auto& row : kRows) {
        if (at(0) < row.first || at(0) > row.last) {
            continue;
        }
        if (row.size > text.size()) {
            return 0;
        }
        for (std::size_t i = 1; i < row.size; ++i) {
            auto low = i == 1 ? row.second_first : std::uint8_t{0x80};
            auto high = i == 1 ? row.second_last : std::uint8_t{0xbf};
            if (at(i) < low || at(i) > high) {
                return 0;
            }
        }
        return row.size;
    }
    return 0;
}

Error bad(const std::string& how) {
    return {Code::invalid_argument, "archive entry's " + how};
}

/// Bytes that no name and no target has.
Result<void> check_bytes(std::string_view text, const std::string& what) {
    while (!text.empty()) {
        auto size = sequence(text);
        if (size == 0) {
            return bad(what + " is not UTF-8");
        }
        auto byte = static_cast<std::uint8_t>(text.front());
        if (byte < 0x20 || byte == 0x7f) {
            return bad(what + " has control bytes");
        }
        if (byte == '\\') {
            return bad(what + " has a backslash");
        }
        text.remove_prefix(size);
    }
    return {};
}

bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_absolute(std::string_view path) noexcept {
    bool drive = path.size() > 2 && is_letter(path[0]) && path[1] == ':' &&
                 path[2] == '/';
    return path.starts_with('/') || drive;
}

Error too_long(const char* what, std::size_t limit) {
    return {Code::too_large,
            std::string("archive entry's ") + what + std::to_string(limit)};
}

}  // namespace

Result<std::string> entry_name(std::string_view raw,
                               const ArchiveLimits& limits) {
    if (raw.size() > limits.max_path_bytes) {
        return too_long("name is longer than ", limits.max_path_bytes);
    }
    if (raw.empty()) {
        return bad("name is empty");
    }
    LS_CHECK(check_bytes(raw, "name"));
    if (is_absolute(raw)) {
        return bad("name is absolute");
    }
    std::string name;
    name.reserve(raw.size());
    std::size_t depth = 0;
    while (!raw.empty()) {
        auto part = take_part(raw);
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == "..") {
            return bad("name has \"..\"");
        }
        if (++depth > limits.max_path_depth) {
            return too_long("name is deeper than ", limits.max_path_depth);
        }
        if (!name.empty()) {
            name += '/';
        }
        name += part;
    }
    return name;
}

Result<void> link_text(std::string_view target, const ArchiveLimits& limits) {
    if (target.size() > limits.max_path_bytes) {
        return too_long("link is longer than ", limits.max_path_bytes);
    }
    if (target.empty()) {
        return bad("link is empty");
    }
    return check_bytes(target, "link");
}

bool leads_out(std::string_view path, std::string_view target) noexcept {
    if (is_absolute(target)) {
        return true;
    }
    std::size_t depth = 0;
    for (char c : path) {
        depth += c == '/' ? 1 : 0;
    }
    while (!target.empty()) {
        auto part = take_part(target);
        if (part == "..") {
            if (depth == 0) {
                return true;
            }
            --depth;
        } else if (!part.empty() && part != ".") {
            ++depth;
        }
    }
    return false;
}

}  // namespace longshore
