#include "ngx_module/removal.hpp"

#include <unistd.h>

#include <new>
#include <string>

#include "ngx_module/conf.hpp"
#include "ngx_module/session.hpp"
#include "ngx_module/str.hpp"
#include "ngx_module/task.hpp"

namespace longshore {
namespace {

using Remove = void (*)(const std::string& path) noexcept;

// On the heap, from post to completion.
struct Removal {
    Removal(Remove how, std::string_view what)
        : task(this, run, on_complete), remove(how), path(what) {}

    static void run(void* data, ngx_log_t*) noexcept {
        auto& self = *static_cast<Removal*>(data);
        self.remove(self.path);
    }

    static void on_complete(ngx_event_t* event) noexcept {
        delete static_cast<Removal*>(event->data);
    }

    PoolTask task;
    Remove remove;
    std::string path;
};

void post(ngx_thread_pool_t* threads, Remove how,
          std::string_view path) noexcept {
    Removal* removal = nullptr;
    try {
        removal = new Removal(how, path);
    } catch (const std::bad_alloc&) {
        return;
    }
    if (!removal->task.post(threads)) {
        delete removal;
    }
}

void remove_file(const std::string& path) noexcept {
    ::unlink(path.c_str());
}

struct AfterRequest {
    ngx_http_request_t* r;
    ngx_str_t path;
};

void on_request_over(void* data) noexcept {
    auto* after = static_cast<AfterRequest*>(data);
    const auto* path = reinterpret_cast<const char*>(after->path.data);
    if (::access(path, F_OK) == 0) {
        post(main_conf(after->r).threads, remove_file, view(after->path));
    }
}

}  // namespace

void remove_session_later(ngx_thread_pool_t* threads,
                          std::string_view folder) noexcept {
    post(threads, Session::remove_folder, folder);
}

bool remove_spool_file_at_end(ngx_http_request_t* r,
                              std::string_view path) noexcept {
    auto* cleanup = ngx_pool_cleanup_add(r->pool, sizeof(AfterRequest));
    auto kept = copy(r->pool, path);
    if (cleanup == nullptr || kept.data == nullptr) {
        return false;
    }
    cleanup->handler = on_request_over;
    *static_cast<AfterRequest*>(cleanup->data) = {r, kept};
    return true;
}

}  // namespace longshore
