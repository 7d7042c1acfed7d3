#include "ngx_module/removal.hpp"

#include <new>

#include "ngx_module/session.hpp"
#include "ngx_module/task.hpp"

namespace longshore {
namespace {

// On the heap, from post to completion.
struct Removal {
    explicit Removal(const std::string& path)
        : task(this, run, on_complete), folder(path) {}

    static void run(void* data, ngx_log_t*) noexcept {
        Session::remove_folder(static_cast<Removal*>(data)->folder);
    }

    static void on_complete(ngx_event_t* event) noexcept {
        delete static_cast<Removal*>(event->data);
    }

    PoolTask task;
    std::string folder;
};

}  // namespace

void remove_session_later(ngx_thread_pool_t* threads,
                          const std::string& folder) noexcept {
    Removal* removal = nullptr;
    try {
        removal = new Removal(folder);
    } catch (const std::bad_alloc&) {
        return;
    }
    if (!removal->task.post(threads)) {
        delete removal;
    }
}

}  // namespace longshore
