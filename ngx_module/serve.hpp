// Blobs from disk: link check, open-file cache, sendfile, conditional
// requests, exact ranges.
#pragma once

#include <string_view>
#include <vector>

#include "common/digest.hpp"
#include "ngx_module/request.hpp"

namespace longshore {

/// Content handler for GET and HEAD of /v2/<name>/blobs/<digest>: answers
/// from disk when the repository has the blob linked, else ask().
ngx_int_t handle_blob(RequestCtx& ctx) noexcept;

/// The same without asking: NGX_DECLINED when the repository does not have the
/// blob, or the store (nothing was sent). Headers set before are kept.
ngx_int_t serve_linked_blob(RequestCtx& ctx) noexcept;

/// Sends blob `digest` of the store with the given media type: 200, 206, 304
/// or 416; headers set before are kept. NGX_DECLINED when the file is not
/// there (nothing was sent). For handle_blob() and the Serve decision.
ngx_int_t serve_blob(RequestCtx& ctx, const Digest& digest,
                     std::string_view media_type) noexcept;

}  // namespace longshore
