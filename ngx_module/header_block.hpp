// Response headers as the zone keeps them: looked at once, when they are put
// in, so that to send them takes neither a search nor a comparison.
#pragma once

#include <string>
#include <string_view>

#include "ngx_module/request.hpp"

namespace longshore {

/// Appends a header to `block`; leaves out what is not sendable, or too long
/// for a block (names of 64 KiB).
void append_header(std::string& block, std::string_view name,
                   std::string_view value);

/// Puts all headers of a block that lies in the request's pool into the
/// answer; notes the digest for the log. False when memory is out.
bool put_headers(RequestCtx& ctx, std::string_view block) noexcept;

}  // namespace longshore
