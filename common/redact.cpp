#include "common/redact.hpp"

#include <algorithm>

namespace longshore {
namespace {

constexpr std::size_t kPublic = 12;  // "lsr_" and 8 characters
constexpr std::size_t kShortest = 20;

bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

bool is_jws(char c) noexcept {
    return is_word(c) || c == '-' || c == '.';
}

std::size_t length_of(std::string_view text, bool (*part)(char)) noexcept {
    auto end = std::find_if_not(text.begin(), text.end(), part);
    return static_cast<std::size_t>(end - text.begin());
}

}  // namespace

std::string redact(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        std::size_t length = 0;
        std::size_t shown = 0;
        if (text.starts_with("lsr_") || text.starts_with("lsf_")) {
            length = length_of(text, is_word);
            shown = kPublic;
        } else if (text.starts_with("eyJ")) {
            length = length_of(text, is_jws);
            shown = 3;
        }
        if (length < kShortest) {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        out += text.substr(0, shown);
        out += "***";
        text.remove_prefix(length);
    }
    return out;
}

}  // namespace longshore
