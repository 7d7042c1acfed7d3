// A task in nginx's thread pool that outlives what began it. While it is in
// flight a timer keeps a quitting worker.
#pragma once

#include "ngx_module/ngx.hpp"

namespace longshore {

/// Made, posted and destroyed in the event loop; not destroyed in flight.
class PoolTask {
public:
    /// `run` is called with `owner` in the pool, then `on_complete` in the
    /// event loop with an event whose data is `owner`; it calls completed().
    PoolTask(void* owner, void (*run)(void*, ngx_log_t*),
             ngx_event_handler_pt on_complete) noexcept;
    ~PoolTask();
    PoolTask(const PoolTask&) = delete;
    PoolTask& operator=(const PoolTask&) = delete;

    /// False if there is no pool or its queue is full. May be called again
    /// once completed() was.
    bool post(ngx_thread_pool_t* threads) noexcept;

    /// First thing in `on_complete`, unless that destroys the task.
    void completed() noexcept;

    bool in_flight() const noexcept { return in_flight_; }

private:
    static void on_hold(ngx_event_t* event) noexcept;

    ngx_thread_task_t task_;
    ngx_event_t hold_;
    bool in_flight_ = false;
};

}  // namespace longshore
