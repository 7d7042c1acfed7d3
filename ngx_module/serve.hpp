// Blobs and documents from disk: link check, open-file cache, sendfile,
// conditional requests, exact ranges.
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

/// Sends what `digest` names in an area of the store with the given media
/// type: 200, 206, 304, 412 or 416; headers set before are kept. NGX_DECLINED
/// when the file is not there (nothing was sent). For the Serve decision.
ngx_int_t serve_stored(RequestCtx& ctx, const Digest& digest, Area area,
                       std::string_view media_type) noexcept;

/// send_body() of an answer that lies in memory; of a read of a package also
/// 304 or 412, by the ETag and Last-Modified set before.
ngx_int_t serve_bytes(RequestCtx& ctx, ngx_uint_t status,
                      std::string_view media_type, std::string_view body,
                      bool in_pool = false) noexcept;

}  // namespace longshore
