#include "http/request.hpp"

#include <array>

#include "common/encoding.hpp"
#include "common/text.hpp"

namespace longshore {
namespace {

struct MethodRow {
    Method method;
    std::string_view name;
};

constexpr std::array kMethods = {
    MethodRow{Method::get, "GET"},       MethodRow{Method::head, "HEAD"},
    MethodRow{Method::post, "POST"},     MethodRow{Method::put, "PUT"},
    MethodRow{Method::patch, "PATCH"},   MethodRow{Method::remove, "DELETE"},
    MethodRow{Method::other, "(other)"},
};

}  // namespace

Method parse_method(std::string_view text) noexcept {
    for (const auto& row : kMethods) {
        if (row.name == text) {
            return row.method;
        }
    }
    return Method::other;
}

std::string_view method_name(Method method) noexcept {
    return kMethods[static_cast<std::size_t>(method)].name;
}

std::optional<std::string_view> Request::header(std::string_view name) const {
    for (const auto& field : headers) {
        if (equal_ignoring_case(field.name, name)) {
            return field.value;
        }
    }
    return std::nullopt;
}

const std::string& Request::parameter(std::string_view name) const noexcept {
    static const std::string kNone;
    for (const auto& [key, value] : parameters) {
        if (key == name) {
            return value;
        }
    }
    return kNone;
}

std::optional<std::string> Request::argument(std::string_view name) const {
    return query_argument(query, name);
}

std::vector<std::string> Request::arguments(std::string_view name) const {
    std::vector<std::string> values;
    auto rest = query;
    while (!rest.empty()) {
        auto end = rest.find('&');
        auto pair = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{}
                                             : rest.substr(end + 1);
        auto equals = pair.find('=');
        auto key = percent_decode(pair.substr(0, equals));
        if (!key || *key != name) {
            continue;
        }
        auto value = equals == std::string_view::npos
                         ? std::optional<std::string>("")
                         : percent_decode(pair.substr(equals + 1));
        // A broken escape stays as it is: whoever checks the value against a
        // grammar refuses it, and it is not silently left out.
        values.push_back(value ? *value : std::string(pair.substr(equals + 1)));
    }
    return values;
}

}  // namespace longshore
