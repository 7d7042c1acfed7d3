// What OCI needs of nginx and an operator should not have to know: body size,
// header buffers, ranges, thread pool, log format. And the warnings for what
// parses but hurts. Configuration time only.
#pragma once

#include <sys/resource.h>

#include <string_view>

#include "ngx_module/conf.hpp"

namespace longshore {

/// Descriptors that a worker may open.
rlim_t file_limit(const ngx_cycle_t* cycle) noexcept;

/// The shared-memory zone `name`; null when nginx refuses it (it said why).
ngx_shm_zone_t* make_zone(ngx_conf_t* cf, std::string_view name,
                          size_t size) noexcept;

/// Adjusts a location with `registry on` after all merges, and warns.
void set_location_defaults(ngx_conf_t* cf, const LocationConf& conf,
                           ngx_http_core_loc_conf_t* core) noexcept;

/// Preconfiguration: $request_id, log_format registry_json.
ngx_int_t prepare(ngx_conf_t* cf) noexcept;

/// Postconfiguration: zone, daemon, thread pool, header buffers.
ngx_int_t complete(ngx_conf_t* cf) noexcept;

}  // namespace longshore
