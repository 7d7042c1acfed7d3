// Uploads: PATCH, PUT, status and cancel need only the disk. The body is
// received unbuffered into a ring of buffers which one strand in the thread
// pool hashes and writes; see docs/uploads.md.
#pragma once

#include "ngx_module/request.hpp"

namespace longshore {

/// Content handler for PATCH, PUT, GET, HEAD and DELETE of
/// /v2/<name>/blobs/uploads/<id> and /<mount>/<repository>/-/uploads/<id>.
ngx_int_t handle_upload(RequestCtx& ctx) noexcept;

/// Carries out Receive{upload}: takes the whole body into the session that
/// the daemon made, verifies decision.digest, commits and tell()s. Called
/// after ask(), so outside the content handler.
void receive_upload(RequestCtx& ctx, const Decision& decision) noexcept;

/// Carries out Receive{memory}: collects at most decision.max_bytes, then
/// tell()s with the bytes; 413 beyond.
void receive_memory(RequestCtx& ctx, const Decision& decision) noexcept;

/// Carries out Receive{spool}: writes the body to a file of its own in the
/// spool, with its digests, then tell()s. That file is gone when the request
/// is over, unless the daemon has moved it away.
void receive_spool(RequestCtx& ctx, const Decision& decision) noexcept;

/// Most bytes that a decision and the configuration let a body have.
std::uint64_t most_bytes(RequestCtx& ctx, const Decision& decision) noexcept;

}  // namespace longshore
