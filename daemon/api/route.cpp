#include "api/route.hpp"

#include <algorithm>
#include <set>

#include "common/encoding.hpp"
#include "common/range.hpp"
#include "http/page.hpp"

namespace longshore::api {
namespace {

const std::string kNothing;

// The Right of a handler, by its place in Handler.
Right right_of(const Handler& handle) {
    constexpr std::array kRights = {Right::none,          Right::everybody,
                                    Right::self,          Right::administrator,
                                    Right::reader,        Right::repository,
                                    Right::administrator, Right::administrator};
    static_assert(kRights.size() == std::variant_size_v<Handler>);
    return kRights.at(handle.index());
}

bool is_null(const Handler& handle) {
    return std::visit(
        [](const auto& one) {
            if constexpr (std::is_same_v<std::decay_t<decltype(one)>,
                                         std::monostate>) {
                return true;
            } else {
                return one == nullptr;
            }
        },
        handle);
}

bool requires_text(const Schema* schema, std::string_view member) {
    return schema != nullptr &&
           std::any_of(schema->fields.begin(), schema->fields.end(),
                       [&](const Field& field) {
                           return field.name == member && field.required &&
                                  field.kind == FieldKind::text;
                       });
}

// Whoever names a repository says what is done to it, and the other way round.
bool is_of_repository(const Route& route) {
    auto in_path = path_parameters(route.pattern);
    bool named =
        std::find(in_path.begin(), in_path.end(), "repository") != in_path.end()
            ? route.named_by.empty()
            : requires_text(route.request, route.named_by);
    bool names = !in_path.empty() && in_path.front() == "repository";
    return route.right == Right::repository
               ? named && route.action != Action::none
               : !names && route.named_by.empty() &&
                     route.action == Action::none;
}

const char* fault(const Route& route) {
    if (route.right == Right::none) {
        return "declares no right";
    }
    if (is_null(route.handle) || right_of(route.handle) != route.right) {
        return "has no handler of its right";
    }
    if (!is_of_repository(route)) {
        return "does not say which repository it is about, or what it does "
               "to it";
    }
    bool read = route.method == Method::get;
    bool writes = route.method == Method::post || route.method == Method::put ||
                  route.method == Method::patch;
    if (!read && !writes && route.method != Method::remove) {
        return "has a method that is not known here";
    }
    if (route.request != nullptr && !writes) {
        return "takes a body where none is read";
    }
    // Only what a page of another site cannot send without being asked for:
    // a JSON body, or a method that it has to ask for.
    if (route.request == nullptr && route.method == Method::post) {
        return "is a POST without a body of JSON";
    }
    if ((route.status == 204) != (route.response == nullptr) &&
        route.pattern != "/openapi.json") {
        return "has a status that does not fit its answer";
    }
    return route.pattern.starts_with('/') && !route.summary.empty()
               ? nullptr
               : "has no pattern or summary";
}

// The request's own target, with another place to go on from.
std::string go_on(const Call& call, std::size_t n, std::string_view parameter,
                  const std::string& from) {
    auto query = "n=" + std::to_string(n) + "&" + std::string(parameter) + "=" +
                 percent_encode(from);
    for (const auto& [name, value] : call.query) {
        if (name != "n" && name != parameter) {
            query += "&" + std::string(name) + "=" + percent_encode(value);
        }
    }
    return next_link(call.base + call.target, query);
}

std::vector<Route> all_routes() {
    std::vector<Route> all;
    for (auto part : {fact_routes(), own_routes(), principal_routes(),
                      right_routes(), issuer_routes(), retention_routes(),
                      repository_routes(), package_routes()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace

const std::string& Call::in_path(std::string_view name) const {
    for (const auto& [key, value] : path) {
        if (key == name) {
            return value;
        }
    }
    return kNothing;
}

std::string Call::in_query(std::string_view name) const {
    for (const auto& [key, value] : query) {
        if (key == name) {
            return value;
        }
    }
    return {};
}

std::string Call::text(std::string_view member) const {
    auto found = body.is_object() ? body.find(member) : body.end();
    return found != body.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
}

Result<std::size_t> page_size(const Call& call) {
    auto text = call.in_query("n");
    if (text.empty()) {
        return kPage;
    }
    auto n = parse_decimal(text);
    if (!n || *n == 0 || *n > kMaxPage) {
        return Error{Code::invalid_argument,
                     "\"n\" is a number from 1 to " + std::to_string(kMaxPage),
                     {},
                     "/n"};
    }
    return static_cast<std::size_t>(*n);
}

std::string next_page(const Call& call, std::size_t n,
                      const std::string& last) {
    return go_on(call, n, "last", last);
}

std::string next_result(const Call& call, std::size_t n, std::size_t skip) {
    return go_on(call, n, "skip", std::to_string(skip));
}

std::span<const Route> routes() {
    static const std::vector<Route> kAll = all_routes();
    return kAll;
}

Result<void> check_routes(std::span<const Route> table) {
    std::set<std::pair<Method, std::string_view>> known;
    for (const auto& route : table) {
        const auto* why = fault(route);
        if (why == nullptr &&
            !known.emplace(route.method, route.pattern).second) {
            why = "is there twice";
        }
        if (why != nullptr) {
            return Error{Code::internal,
                         "route " + std::string(method_name(route.method)) +
                             " " + std::string(kMount) +
                             std::string(route.pattern) + " " + why};
        }
    }
    return {};
}

std::vector<std::string_view> path_parameters(std::string_view pattern) {
    std::vector<std::string_view> names;
    for (;;) {
        auto open = pattern.find('{');
        auto close = pattern.find('}', std::min(open, pattern.size()));
        if (close == std::string_view::npos) {
            return names;
        }
        names.push_back(pattern.substr(open + 1, close - open - 1));
        pattern.remove_prefix(close + 1);
    }
}

}  // namespace longshore::api
