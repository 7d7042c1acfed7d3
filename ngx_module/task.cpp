#include "ngx_module/task.hpp"

namespace longshore {
namespace {

constexpr ngx_msec_t kHoldMs = 60'000;

}  // namespace

PoolTask::PoolTask(void* owner, void (*run)(void*, ngx_log_t*),
                   ngx_event_handler_pt on_complete) noexcept {
    ngx_memzero(&task_, sizeof task_);
    task_.ctx = owner;
    task_.handler = run;
    task_.event.handler = on_complete;
    task_.event.data = owner;
    task_.event.log = ngx_cycle->log;
    ngx_memzero(&hold_, sizeof hold_);
    hold_.handler = on_hold;
    hold_.data = this;
    hold_.log = ngx_cycle->log;
}

PoolTask::~PoolTask() {
    completed();
}

bool PoolTask::post(ngx_thread_pool_t* threads) noexcept {
    task_.event.complete = 0;
    if (threads == nullptr || ngx_thread_task_post(threads, &task_) != NGX_OK) {
        return false;
    }
    in_flight_ = true;
    ngx_add_timer(&hold_, kHoldMs);
    return true;
}

void PoolTask::completed() noexcept {
    in_flight_ = false;
    if (hold_.timer_set) {
        ngx_del_timer(&hold_);
    }
}

void PoolTask::on_hold(ngx_event_t* event) noexcept {
    ngx_add_timer(event, kHoldMs);
}

}  // namespace longshore
