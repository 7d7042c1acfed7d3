#include "syntax/toml.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace longshore {
namespace {

using Json = nlohmann::json;

Error too_large(const char* what, std::size_t limit) {
    return {Code::too_large,
            std::string("TOML: ") + what + " than " + std::to_string(limit)};
}

// Takes a string or a comment that `rest` starts with; false if it starts
// with neither.
bool skip_text(std::string_view& rest) noexcept {
    if (rest.front() == '#') {
        rest.remove_prefix(std::min(rest.find('\n'), rest.size()));
        return true;
    }
    const char quote = rest.front();
    if (quote != '"' && quote != '\'') {
        return false;
    }
    const std::string_view three = quote == '"' ? "\"\"\"" : "'''";
    const bool long_one = rest.starts_with(three);
    rest.remove_prefix(long_one ? 3 : 1);
    while (!rest.empty()) {
        if (long_one ? rest.starts_with(three) : rest.front() == quote) {
            rest.remove_prefix(long_one ? 3 : 1);
            return true;
        }
        if (!long_one && rest.front() == '\n') {
            return true;  // an error; the parser says which
        }
        const bool escape = quote == '"' && rest.front() == '\\';
        rest.remove_prefix(std::min<std::size_t>(escape ? 2 : 1, rest.size()));
    }
    return true;
}

// The parser makes a table of each part of a key, and takes those apart by
// calling itself; so what would be deep is refused before it is parsed.
Result<void> check_depth(std::string_view rest, const TomlLimits& limits) {
    std::size_t open = 0;
    std::size_t dots = 0;
    while (!rest.empty()) {
        if (skip_text(rest)) {
            continue;
        }
        switch (rest.front()) {
            case '[':
            case '{':
                ++open;
                dots = 0;
                break;
            case ']':
            case '}':
                open -= open > 0 ? 1 : 0;
                break;
            case '=':
            case ',':
            case '\n':
                dots = 0;
                break;
            case '.':
                ++dots;
                break;
            default:
                break;
        }
        if (open > limits.depth) {
            return too_large("deeper", limits.depth);
        }
        if (dots >= limits.parts) {
            return too_large("a key of more parts", limits.parts);
        }
        rest.remove_prefix(1);
    }
    return {};
}

template <typename Value>
std::string as_text(const Value& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

Result<Json> convert(const toml::node& node, std::size_t depth,
                     const TomlLimits& limits) {
    if (node.is_value()) {
        if (const auto* text = node.as_string()) {
            return Json(text->get());
        }
        if (const auto* whole = node.as_integer()) {
            return Json(whole->get());
        }
        if (const auto* flag = node.as_boolean()) {
            return Json(flag->get());
        }
        if (const auto* real = node.as_floating_point()) {
            return std::isfinite(real->get()) ? Json(real->get())
                                              : Json(as_text(real->get()));
        }
        if (const auto* date = node.as_date()) {
            return Json(as_text(date->get()));
        }
        if (const auto* time = node.as_time()) {
            return Json(as_text(time->get()));
        }
        return Json(as_text(node.as_date_time()->get()));
    }
    if (depth >= limits.depth) {
        return too_large("deeper", limits.depth);
    }
    if (const auto* table = node.as_table()) {
        Json object = Json::object();
        for (const auto& [key, member] : *table) {
            LS_TRY(value, convert(member, depth + 1, limits));
            object.emplace(std::string(key.str()), std::move(value));
        }
        return object;
    }
    Json list = Json::array();
    for (const auto& member : *node.as_array()) {
        LS_TRY(value, convert(member, depth + 1, limits));
        list.push_back(std::move(value));
    }
    return list;
}

}  // namespace

Result<Json> read_toml(std::string_view text, const TomlLimits& limits) {
    if (text.size() > limits.bytes) {
        return too_large("longer", limits.bytes);
    }
    LS_CHECK(check_depth(text, limits));
    const auto parsed = toml::parse(text);
    if (!parsed) {
        const auto& error = parsed.error();
        return Error{Code::invalid_argument,
                     "TOML: " + std::string(error.description()) + " in line " +
                         std::to_string(error.source().begin.line)};
    }
    return convert(parsed.table(), 0, limits);
}

}  // namespace longshore
