// The callbacks of this module that nginx knows by address. All are noexcept
// and turn an escaped exception into an error: it must not unwind through C.
#pragma once

#include "ngx_module/ngx.hpp"

namespace longshore {

/// `registry on`: finds the route and sends the request on its walk.
ngx_int_t content_handler(ngx_http_request_t* r) noexcept;

/// `registry_status`: the counters of the zone.
ngx_int_t status_handler(ngx_http_request_t* r) noexcept;

/// Counts the finished request.
ngx_int_t log_handler(ngx_http_request_t* r) noexcept;

/// Puts the header and body filter for nginx's own errors before the others.
void install_error_filter() noexcept;

/// Adds the $registry_… variables.
ngx_int_t add_variables(ngx_conf_t* cf) noexcept;

}  // namespace longshore
