#include "common/text.hpp"

#include <cstdint>
#include <cstring>

namespace longshore {
namespace {

// A sequence that starts with `first`; the bounds of the second byte keep
// overlong forms, surrogates and what is beyond 0x10ffff out.
struct Form {
    std::size_t size = 0;
    std::uint8_t second_from = 0x80;
    std::uint8_t second_to = 0xbf;
};

constexpr Form form_of(std::uint8_t first) noexcept {
    if (first < 0x80) {
        return {1};
    }
    if (first < 0xc2 || first > 0xf4) {
        return {};
    }
    if (first < 0xe0) {
        return {2};
    }
    Form form = {first < 0xf0 ? std::size_t{3} : std::size_t{4}};
    switch (first) {
        case 0xe0:
            form.second_from = 0xa0;
            break;
        case 0xed:
            form.second_to = 0x9f;
            break;
        case 0xf0:
            form.second_from = 0x90;
            break;
        case 0xf4:
            form.second_to = 0x8f;
            break;
        default:
            break;
    }
    return form;
}

}  // namespace

std::size_t utf8_length(std::string_view text) noexcept {
    if (text.empty()) {
        return 0;
    }
    const auto byte = [&](std::size_t i) {
        return static_cast<std::uint8_t>(text[i]);
    };
    const Form form = form_of(byte(0));
    if (form.size < 2) {
        return form.size;
    }
    if (form.size > text.size() || byte(1) < form.second_from ||
        byte(1) > form.second_to) {
        return 0;
    }
    for (std::size_t i = 2; i < form.size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    return form.size;
}

std::size_t utf8_prefix(std::string_view text) noexcept {
    auto rest = text;
    while (!rest.empty()) {
        // Mostly ASCII: eight bytes at once.
        std::uint64_t eight = 0;
        if (rest.size() >= sizeof eight) {
            std::memcpy(&eight, rest.data(), sizeof eight);
            if ((eight & 0x8080808080808080U) == 0) {
                rest.remove_prefix(sizeof eight);
                continue;
            }
        }
        const auto size = utf8_length(rest);
        if (size == 0) {
            break;
        }
        rest.remove_prefix(size);
    }
    return text.size() - rest.size();
}

bool is_utf8(std::string_view text) noexcept {
    return utf8_prefix(text) == text.size();
}

std::string to_utf8(std::string_view text) {
    if (is_utf8(text)) {
        return std::string(text);
    }
    std::string out;
    for (const char c : text) {
        append_utf8(static_cast<unsigned char>(c), out);
    }
    return out;
}

void append_utf8(char32_t code_point, std::string& out) {
    const auto tail = [&](int shift) {
        out += static_cast<char>(0x80 | (code_point >> shift & 0x3f));
    };
    if (code_point < 0x80) {
        out += static_cast<char>(code_point);
        return;
    }
    if (code_point < 0x800) {
        out += static_cast<char>(0xc0 | code_point >> 6);
    } else {
        if (code_point < 0x10000) {
            out += static_cast<char>(0xe0 | code_point >> 12);
        } else {
            out += static_cast<char>(0xf0 | code_point >> 18);
            tail(12);
        }
        tail(6);
    }
    tail(0);
}

}  // namespace longshore
