// From a request to the Question that the daemon gets.
#pragma once

#include "common/protocol.hpp"
#include "ngx_module/headers.hpp"
#include "ngx_module/request.hpp"

namespace longshore {

/// The Ask (`received` null) or Received for a request. Views into the
/// request; `id` is the pending slot.
Question make_question(RequestCtx& ctx, std::uint64_t id,
                       const ReceivedBody* received);

/// SHA-256 in hex of the certificate that the client showed and nginx has
/// verified; else empty.
std::string_view client_cert(ngx_http_request_t* r) noexcept;

/// True for a request header that the daemon may take a credential from.
bool is_credential(std::string_view name) noexcept;

/// Calls `visit(name, value)` for each of them, in order.
template <typename Visit>
void for_each_credential(ngx_http_request_t* r, Visit&& visit) {
    for_each_header(r, [&](std::string_view name, std::string_view value) {
        if (is_credential(name)) {
            visit(name, value);
        }
        return true;
    });
}

/// Whether the client speaks TLS to this nginx.
bool is_tls(ngx_http_request_t* r) noexcept;

}  // namespace longshore
