#include "http/header_value.hpp"

#include <algorithm>

#include "common/encoding.hpp"
#include "common/text.hpp"

namespace longshore {
namespace {

Error broken(const char* why) {
    return {Code::invalid_argument, std::string("a header's value: ") + why};
}

bool is_token_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) !=
               std::string_view::npos;
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), ascii_lower);
    return out;
}

bool has_controls(std::string_view text) noexcept {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return (c >= 0 && c < 32) || c == 127; });
}

// Takes the quoted string that `text` starts with, quotes and all.
Result<std::string> take_quoted(std::string_view& text) {
    std::string out;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') {
            text.remove_prefix(i + 1);
            return out;
        }
        if (text[i] == '\\' && i + 1 < text.size() &&
            (text[i + 1] == '"' || text[i + 1] == '\\')) {
            ++i;
        }
        out += text[i];
    }
    return broken("a quoted string without its end");
}

// What stands between two ';'. Browsers and .NET send names without quotes
// that are no tokens, such as a file's name with a space in it.
Result<std::string> take_bare(std::string_view& text) {
    const auto size = std::min(text.find(';'), text.size());
    const auto word = trimmed(text.substr(0, size));
    text.remove_prefix(size);
    if (word.empty() || word.find('"') != std::string_view::npos) {
        return broken("a parameter that is neither word nor quoted");
    }
    return std::string(word);
}

// charset'language'percent-encoded, RFC 8187 section 3.2.
Result<std::string> decode_extended(std::string_view text) {
    const auto first = text.find('\'');
    const auto second = first == std::string_view::npos
                            ? std::string_view::npos
                            : text.find('\'', first + 1);
    if (second == std::string_view::npos) {
        return broken("an extended parameter without its charset");
    }
    const auto charset = text.substr(0, first);
    auto bytes = percent_decode(text.substr(second + 1));
    if (!bytes) {
        return broken("an extended parameter with a broken escape");
    }
    if (equal_ignoring_case(charset, "utf-8")) {
        return std::move(*bytes);
    }
    if (!equal_ignoring_case(charset, "iso-8859-1")) {
        return broken("an extended parameter in an unknown charset");
    }
    std::string out;
    for (const char c : *bytes) {
        append_utf8(static_cast<unsigned char>(c), out);
    }
    return out;
}

Result<std::pair<std::string, std::string>> take_parameter(
    std::string_view& text) {
    std::size_t size = 0;
    while (size < text.size() && is_token_character(text[size])) {
        ++size;
    }
    auto name = lowered(text.substr(0, size));
    text = trimmed(text.substr(size));
    if (name.empty() || text.empty() || text.front() != '=') {
        return broken("a parameter without a name or a value");
    }
    text = trimmed(text.substr(1));
    const bool quoted = !text.empty() && text.front() == '"';
    LS_TRY(value, quoted ? take_quoted(text) : take_bare(text));
    if (name.back() == '*') {
        LS_TRY(decoded, decode_extended(value));
        value = std::move(decoded);
    }
    if (!is_utf8(value) || has_controls(value)) {
        return broken("a parameter that is not UTF-8 text");
    }
    return std::pair(std::move(name), std::move(value));
}

}  // namespace

std::optional<std::string> HeaderValue::parameter(std::string_view name) const {
    const auto find = [&](std::string_view wanted) {
        return std::find_if(
            parameters.begin(), parameters.end(),
            [&](const auto& pair) { return pair.first == wanted; });
    };
    auto found = find(std::string(name) + '*');
    if (found == parameters.end()) {
        found = find(name);
    }
    if (found == parameters.end()) {
        return std::nullopt;
    }
    return found->second;
}

Result<HeaderValue> parse_header_value(std::string_view text) {
    HeaderValue out;
    const auto end = std::min(text.find(';'), text.size());
    out.value = lowered(trimmed(text.substr(0, end)));
    if (!std::all_of(out.value.begin(), out.value.end(), [](char c) {
            return is_token_character(c) || c == '/';
        })) {
        return broken("not a word");
    }
    text = trimmed(text.substr(end));
    while (!text.empty()) {
        if (text.front() != ';') {
            return broken("text after a parameter");
        }
        text = trimmed(text.substr(1));
        if (text.empty() || text.front() == ';') {
            continue;  // nothing between two semicolons is allowed
        }
        LS_TRY(parameter, take_parameter(text));
        for (const auto& known : out.parameters) {
            if (known.first == parameter.first) {
                return broken("the same parameter twice");
            }
        }
        out.parameters.push_back(std::move(parameter));
        text = trimmed(text);
    }
    return out;
}

}  // namespace longshore
