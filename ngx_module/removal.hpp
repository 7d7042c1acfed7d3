// Removal of a session's folder in the thread pool, tied to no request: a
// large file takes its time to be unlinked.
#pragma once

#include <string>

#include "ngx_module/ngx.hpp"

namespace longshore {

/// Removes `folder` soon. If the pool's queue is full, or memory out, it is
/// left to the purge of old sessions. @thread event loop
void remove_session_later(ngx_thread_pool_t* threads,
                          const std::string& folder) noexcept;

}  // namespace longshore
