// What a GET or HEAD makes its answer depend on. nginx's own filter takes
// If-Modified-Since for exact and does not let If-None-Match win, so it is
// kept away from what these have looked at.
// Specification: RFC 9110 sections 13.2.2 and 14.2.
#pragma once

#include <cstdint>
#include <string_view>

#include "ngx_module/ngx.hpp"

namespace longshore {

enum class Condition : std::uint8_t { go_on, not_modified, failed };

/// Against `etag` (empty: none) and headers_out.last_modified_time (-1: none,
/// and then no condition on a date counts).
Condition test_conditions(ngx_http_request_t* r,
                          std::string_view etag) noexcept;

/// The Range header if it is to be heeded, as If-Range has it.
std::string_view wanted_ranges(ngx_http_request_t* r,
                               std::string_view etag) noexcept;

}  // namespace longshore
