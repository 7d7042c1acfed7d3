// Removal of files in the thread pool, tied to no request: a large one takes
// its time to be unlinked. @thread event loop
#pragma once

#include <string_view>

#include "ngx_module/ngx.hpp"

namespace longshore {

/// Removes a session's `folder` soon. If the pool's queue is full, or memory
/// out, it is left to the purge of old sessions.
void remove_session_later(ngx_thread_pool_t* threads,
                          std::string_view folder) noexcept;

/// Removes a spool file when the request is over, if it is still there then:
/// most often registryd has moved it away. False when memory is out.
bool remove_spool_file_at_end(ngx_http_request_t* r,
                              std::string_view path) noexcept;

}  // namespace longshore
