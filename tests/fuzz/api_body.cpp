// A request to /api/v1 from anybody: what is taken of its target, query and
// body is bounded, has no control characters, and is read the same again.
#include <string>
#include <vector>

#include "api/body.hpp"
#include "api/documents.hpp"
#include "api/schema.hpp"
#include "api/target.hpp"
#include "common/problem.hpp"
#include "fuzz.hpp"

namespace longshore::api {
namespace {

using fuzz::require;

bool is_plain(std::string_view text) {
    for (char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

// Deeper, longer or dirtier than it may be?
void check_value(const Json& value, std::size_t depth, std::size_t& values) {
    require(++values <= kMaxValues, "few values");
    if (value.is_string()) {
        require(is_plain(value.get_ref<const std::string&>()), "plain texts");
    }
    if (value.is_structured()) {
        require(depth <= kMaxDepth, "not too deep");
    } else {
        require(!value.is_number_float() && !value.is_binary(), "no others");
        return;
    }
    for (const auto& [name, member] : value.items()) {
        require(is_plain(name), "plain names");
        check_value(member, depth + 1, values);
    }
}

void check_body(std::string_view text) {
    const auto body = parse_body(text);
    if (!body) {
        require(!body.error().message.empty() &&
                    (body.error().code == Code::too_large ||
                     body.error().reason == kMalformed),
                "refused with a reason");
        return;
    }
    require(body->is_object(), "an object");
    std::size_t values = 0;
    check_value(*body, 1, values);
    const auto again = parse_body(body->dump());
    require(static_cast<bool>(again) && *again == *body,
            "is read as it was written");
    for (const auto& route : routes()) {
        if (route.request == nullptr || !check(*body, *route.request)) {
            continue;
        }
        for (const auto& field : route.request->fields) {
            require(!field.required || body->contains(field.name),
                    "what is required is there");
        }
        require(body->size() <= route.request->fields.size(),
                "and nothing else");
    }
}

void check_target(std::string_view target) {
    if (!target.starts_with('/')) {
        return;
    }
    const auto question = std::min(target.find('?'), target.size());
    const auto query = target.substr(std::min(question + 1, target.size()));
    for (auto method : {Method::get, Method::post, Method::put, Method::patch,
                        Method::remove}) {
        auto found = find_route(routes(), method, target.substr(0, question));
        if (found.route == nullptr) {
            continue;
        }
        require(found.route->method == method && !found.allow.empty(),
                "a route of the method");
        for (const auto& [name, value] : found.call.path) {
            require(!value.empty() && is_plain(value), "a plain segment");
        }
        if (read_query(*found.route, query, found.call)) {
            require(found.call.query.size() <= found.route->query.size(),
                    "each parameter once");
            for (const auto& field : found.route->query) {
                const auto value = found.call.in_query(field.name);
                require(is_plain(value), "a plain parameter");
                require(field.max == 0 || value.size() <= field.max,
                        "not too long");
            }
        }
    }
}

void check_time(std::string_view text) {
    const auto time = parse_time(text);
    if (time) {
        require(*time > 0, "after 1970");
        const auto again = parse_time(time_json(*time).get<std::string>());
        require(static_cast<bool>(again) && *again == *time,
                "is read as it was written");
    }
}

}  // namespace
}  // namespace longshore::api

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    const auto input = fuzz::text(data, size);
    api::check_body(input);
    api::check_target(input);
    api::check_time(input);
    fuzz::require(
        nlohmann::json::accept(problem_body(400, "malformed", input, input)),
        "a problem is JSON whatever it quotes");
    return 0;
}
