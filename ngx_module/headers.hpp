// Request headers by name.
#pragma once

#include <string_view>

#include "ngx_module/ngx.hpp"
#include "ngx_module/str.hpp"

namespace longshore {

/// Calls `visit(name, value)` for each request header in order until it
/// returns false.
template <typename Visit>
void for_each_header(ngx_http_request_t* r, Visit&& visit) {
    for (ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr;
         part = part->next) {
        auto* fields = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; ++i) {
            if (!visit(view(fields[i].key), view(fields[i].value))) {
                return;
            }
        }
    }
}

/// Value of the first header `name` (case-insensitive), empty view with null
/// data if absent.
std::string_view find_header(ngx_http_request_t* r,
                             std::string_view name) noexcept;

}  // namespace longshore
