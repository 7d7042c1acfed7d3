#include "ngx_module/removal.hpp"

#include <unistd.h>

#include <new>
#include <string>

#include "ngx_module/session.hpp"
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

}  // namespace

void remove_session_later(ngx_thread_pool_t* threads,
                          std::string_view folder) noexcept {
    post(threads, Session::remove_folder, folder);
}

void remove_file_later(ngx_thread_pool_t* threads,
                       std::string_view path) noexcept {
    post(threads, remove_file, path);
}

}  // namespace longshore
