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

/// The same for one file, which need not exist; it is left to the purge of the
/// spool.
void remove_file_later(ngx_thread_pool_t* threads,
                       std::string_view path) noexcept;

}  // namespace longshore
