// Which walk a request takes, decided from the raw target alone.
#pragma once

#include <optional>
#include <string_view>

#include "ngx_module/request.hpp"

namespace longshore {

/// The raw target below the mount: starts with "/", holds the query. nullopt
/// when the target is not below `prefix`. An absolute-form target has been
/// reduced to path and query by nginx.
std::optional<std::string_view> below_mount(std::string_view raw,
                                            std::string_view prefix) noexcept;

/// True for /v2, /v2/… of a target below the mount.
bool is_oci_target(std::string_view target) noexcept;

/// True for a target of packages in a location with `registry on`.
bool is_package_request(ngx_http_request_t* r) noexcept;

/// Value of Allow for a route: "GET, HEAD".
std::string_view allowed_methods(OciRoute route) noexcept;

/// Sends a request with a parsed path on its walk.
ngx_int_t route(RequestCtx& ctx) noexcept;

}  // namespace longshore
