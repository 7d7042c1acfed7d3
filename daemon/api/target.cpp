#include "api/target.hpp"

#include <algorithm>
#include <optional>

#include "common/encoding.hpp"

namespace longshore::api {
namespace {

constexpr std::size_t kMaxSegments = 8;

bool is_plain(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty() && parts.size() <= kMaxSegments) {
        path.remove_prefix(1);  // "/"
        auto end = std::min(path.find('/'), path.size());
        parts.push_back(path.substr(0, end));
        path.remove_prefix(end);
    }
    return parts;
}

// What the pattern takes from the segments; nullopt: it does not match. A
// name in the pattern goes before a parameter, which routes() sees to.
std::optional<std::vector<std::pair<std::string_view, std::string>>> match(
    std::string_view pattern, const std::vector<std::string_view>& segments) {
    auto wanted = split(pattern);
    if (wanted.size() != segments.size()) {
        return std::nullopt;
    }
    std::vector<std::pair<std::string_view, std::string>> values;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (!wanted[i].starts_with('{')) {
            if (wanted[i] != segments[i]) {
                return std::nullopt;
            }
            continue;
        }
        auto value = percent_decode(segments[i]);
        if (!value || value->empty() || !is_plain(*value)) {
            return std::nullopt;
        }
        values.emplace_back(wanted[i].substr(1, wanted[i].size() - 2),
                            std::move(*value));
    }
    return values;
}

Error bad(std::string_view name, const char* what) {
    return {Code::invalid_argument,
            "parameter \"" + std::string(name) + "\" " + what,
            {},
            "/" + std::string(name)};
}

}  // namespace

Found find_route(std::span<const Route> table, Method method,
                 std::string_view path) {
    Found found;
    auto segments = split(path);
    auto wanted = method == Method::head ? Method::get : method;
    for (const auto& route : table) {
        auto values = match(route.pattern, segments);
        if (!values) {
            continue;
        }
        bool better =
            found.route == nullptr || values->size() < found.call.path.size();
        if (route.method == wanted && better) {
            found.route = &route;
            found.call.path = std::move(*values);
        }
        auto word = std::string(method_name(route.method));
        if (found.allow.find(word) == std::string::npos) {
            found.allow += found.allow.empty() ? "" : ", ";
            found.allow += word == "GET" ? "GET, HEAD" : word;
        }
    }
    found.call.target = path;
    return found;
}

Result<void> read_query(const Route& route, std::string_view query,
                        Call& call) {
    while (!query.empty()) {
        auto end = std::min(query.find('&'), query.size());
        auto pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        auto equals = std::min(pair.find('='), pair.size());
        auto name = pair.substr(0, equals);
        const auto* field = std::find_if(
            route.query.data(), route.query.data() + route.query.size(),
            [&](const Field& one) { return one.name == name; });
        if (field == route.query.data() + route.query.size()) {
            return Error{Code::invalid_argument,
                         "there is a parameter that is not known here"};
        }
        auto value =
            percent_decode(pair.substr(std::min(equals + 1, pair.size())));
        if (!value || !is_plain(*value)) {
            return bad(field->name, "is no text");
        }
        if (field->max != 0 && value->size() > field->max) {
            return bad(field->name, "is too long");
        }
        if (!field->words.empty() &&
            std::find(field->words.begin(), field->words.end(), *value) ==
                field->words.end()) {
            return bad(field->name, "is none of the words that it may be");
        }
        bool twice = std::any_of(
            call.query.begin(), call.query.end(),
            [&](const auto& one) { return one.first == field->name; });
        if (twice) {
            return bad(field->name, "is there twice");
        }
        call.query.emplace_back(field->name, std::move(*value));
    }
    for (const auto& field : route.query) {
        if (field.required && call.in_query(field.name).empty()) {
            return bad(field.name, "is missing");
        }
    }
    return {};
}

}  // namespace longshore::api
