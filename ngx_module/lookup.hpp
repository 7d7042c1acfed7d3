// Reads that may be answered from the zone instead of the daemon.
#pragma once

#include "ngx_module/request.hpp"

namespace longshore {

/// Content handler for GET and HEAD: from the cache, else ask().
ngx_int_t answer_or_ask(RequestCtx& ctx) noexcept;

/// Asks about a read or an upload that no grant is known for; the decision
/// brings it. `cacheable`: the answer may be kept.
ngx_int_t ask_for_grant(RequestCtx& ctx, bool cacheable) noexcept;

/// The daemon does not answer: what may be served without it, with a Warning.
/// NGX_DECLINED when there is nothing (nothing was sent).
ngx_int_t answer_without_daemon(RequestCtx& ctx) noexcept;

/// The daemon cannot answer this read: an answer whose time is over, with a
/// Warning. NGX_DECLINED when there is none (nothing was sent).
ngx_int_t answer_stale(RequestCtx& ctx) noexcept;

/// Keeps what the daemon decided, if it allowed that.
void remember(RequestCtx& ctx, const Decision& decision) noexcept;

}  // namespace longshore
