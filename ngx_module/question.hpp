// From a request to the Question that the daemon gets.
#pragma once

#include "common/protocol.hpp"
#include "ngx_module/request.hpp"

namespace longshore {

/// The Ask (`received` null) or Received for a request. Views into the
/// request; `id` is the pending slot.
Question make_question(RequestCtx& ctx, std::uint64_t id,
                       const ReceivedBody* received);

/// True when the client showed a certificate that nginx has verified.
bool has_client_cert(ngx_http_request_t* r) noexcept;

}  // namespace longshore
