// May this request do what its route does? With `registry_auth on` nothing is
// looked up, read or written before a grant says so. The module never denies:
// who has no grant is a question to the daemon, whose decision brings one.
// Where grants come from: a decision, or an access token that this worker
// verifies itself.
#pragma once

#include "ngx_module/request.hpp"

namespace longshore {

/// True when the client's credential is known to allow what it `needs` on
/// the repository of the path.
bool is_granted(RequestCtx& ctx) noexcept;

/// True when it was known to until not long ago, and nobody took it back: good
/// for a pull while there is no daemon.
bool was_granted(RequestCtx& ctx) noexcept;

/// Keeps the grant that a decision brings, or forgets one that it belies.
void remember_grant(RequestCtx& ctx, const Decision& decision) noexcept;

/// Who asks, for the key of an answer that depends on it: hex, by the zone's
/// key; no secret. Empty when there is no zone or no memory.
std::string_view asker(RequestCtx& ctx) noexcept;

}  // namespace longshore
