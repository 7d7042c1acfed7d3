// Request headers by name.
#pragma once

#include <string_view>

#include "ngx_module/ngx.hpp"

namespace longshore {

/// Value of the first header `name` (case-insensitive), empty view with null
/// data if absent.
std::string_view find_header(ngx_http_request_t* r,
                             std::string_view name) noexcept;

}  // namespace longshore
