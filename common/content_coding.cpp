#include "common/content_coding.hpp"

#include <algorithm>
#include <optional>

namespace longshore {
namespace {

bool is_space(char c) noexcept {
    return c == ' ' || c == '\t';
}

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

// Up to the next `mark`, which goes too.
std::string_view pop(std::string_view& text, char mark) noexcept {
    auto size = std::min(text.find(mark), text.size());
    auto first = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    return trimmed(first);
}

bool is_same(std::string_view text, std::string_view lower) noexcept {
    return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                      [](char a, char b) {
                          return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) ==
                                 b;
                      });
}

// "q=0", "q=0.", "q=0.000"
bool excludes(std::string_view parameters) noexcept {
    while (!parameters.empty()) {
        auto parameter = pop(parameters, ';');
        auto name = pop(parameter, '=');
        if (is_same(name, "q")) {
            return !parameter.empty() && parameter.front() == '0' &&
                   parameter.find_first_not_of("0.") == std::string_view::npos;
        }
    }
    return false;
}

}  // namespace

ContentCodings accepted_codings(std::string_view accept_encoding) noexcept {
    std::optional<bool> gzip;
    std::optional<bool> zstd;
    bool others = false;
    while (!accept_encoding.empty()) {
        auto parameters = pop(accept_encoding, ',');
        auto name = pop(parameters, ';');
        bool allowed = !excludes(parameters);
        if (is_same(name, "gzip") || is_same(name, "x-gzip")) {
            gzip = allowed;
        } else if (is_same(name, "zstd")) {
            zstd = allowed;
        } else if (name == "*") {
            others = allowed;
        }
    }
    return {gzip.value_or(others), zstd.value_or(others)};
}

}  // namespace longshore
