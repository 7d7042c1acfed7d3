// From the target of a request to its route: path segments decoded once,
// query parameters that the route declares and no others. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "api/route.hpp"
#include "common/result.hpp"

namespace longshore::api {

struct Found {
    const Route* route = nullptr;  // null: no such path, or not this method
    std::string allow;             // of a path that there is
    Call call;                     // its path
};

/// `path` without query, below kMount. HEAD finds the route of GET.
Found find_route(std::span<const Route> table, Method method,
                 std::string_view path);

/// Adds the parameters of a query to the call.
/// @errors invalid_argument (unknown, twice, missing, broken, too long)
Result<void> read_query(const Route& route, std::string_view query, Call& call);

}  // namespace longshore::api
