#include "ngx_module/removal.hpp"

#include <new>

#include "ngx_module/session.hpp"

namespace longshore {
namespace {

constexpr ngx_msec_t kHoldMs = 60'000;

// On the heap, from post to completion.
struct Removal {
    explicit Removal(const std::string& path) : folder(path) {
        ngx_memzero(&task, sizeof task);
        task.ctx = this;
        task.handler = run;
        task.event.handler = on_complete;
        task.event.data = this;
        task.event.log = ngx_cycle->log;
        ngx_memzero(&hold, sizeof hold);
        hold.data = this;
        hold.handler = on_hold;
        hold.log = ngx_cycle->log;
    }

    static void run(void* data, ngx_log_t*) noexcept {
        Session::remove_folder(static_cast<Removal*>(data)->folder);
    }

    static void on_complete(ngx_event_t* event) noexcept {
        auto* self = static_cast<Removal*>(event->data);
        if (self->hold.timer_set) {
            ngx_del_timer(&self->hold);
        }
        delete self;
    }

    // Keeps a quitting worker until the task is done.
    static void on_hold(ngx_event_t* event) noexcept {
        ngx_add_timer(event, kHoldMs);
    }

    ngx_thread_task_t task;
    ngx_event_t hold;
    std::string folder;
};

}  // namespace

void remove_session_later(ngx_thread_pool_t* threads,
                          const std::string& folder) noexcept {
    if (threads == nullptr) {
        return;
    }
    Removal* removal = nullptr;
    try {
        removal = new Removal(folder);
    } catch (const std::bad_alloc&) {
        return;
    }
    if (ngx_thread_task_post(threads, &removal->task) != NGX_OK) {
        delete removal;
        return;
    }
    ngx_add_timer(&removal->hold, kHoldMs);
}

}  // namespace longshore
