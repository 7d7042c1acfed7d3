// The strand of one upload: a ring of buffers that the event loop fills and
// one task at a time in the thread pool empties, hashing and writing each
// buffer in order, then finishing the file. The task ends when the ring is
// empty and is posted again when there is more, so a slow client costs no
// hand-off per packet and a fast one keeps the thread busy.
//
// While a task is in flight the request is held (r->blocked) and so is a
// quitting worker (a timer). If the request is terminated meanwhile, what was
// received is still kept: see UploadStrand::abandon().
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "common/digest.hpp"
#include "ngx_module/ngx.hpp"
#include "ngx_module/strand_file.hpp"
#include "ngx_module/task.hpp"

namespace longshore {

class UploadStrand {
public:
    /// Lives until r->pool is destroyed; null when memory is out. `resume` is
    /// made the write handler of `r`: it is called when there is room again,
    /// when a step failed and when the file is finished. `file` may be touched
    /// only before the first filled() or finish(), and after is_finished().
    static UploadStrand* create(ngx_http_request_t* r,
                                std::unique_ptr<StrandFile> file,
                                ngx_http_event_handler_pt resume) noexcept;

    /// Free part of the buffer in hand; null when the ring is full.
    /// Successive calls return adjoining memory until the buffer is full.
    u_char* room(std::size_t& size) noexcept;

    /// `size` bytes were put where room() said. A full buffer goes to the
    /// thread at once.
    void filled(std::size_t size) noexcept;

    /// Hands the buffer in hand over although it is not full.
    void flush() noexcept;

    /// True if room() returned null and will not return memory before
    /// `resume` is called; arranges that call.
    bool wait_for_room() noexcept;

    /// No more bytes: write what is left, then finish the file so. May be
    /// called once.
    void finish(Finish finish, const Digest& digest = Digest()) noexcept;

    /// Another handler in the place of create()'s. Before the first byte.
    void resume_with(ngx_http_event_handler_pt resume) noexcept {
        resume_ = resume;
    }

    bool is_finishing() const noexcept { return finish_ != Finish::none; }
    /// Loop only. Not before the task's completion ran: until then the pool
    /// still holds this object, whatever else woke the request.
    bool is_finished() const noexcept {
        return !task_.in_flight() && finished_.load(std::memory_order_acquire);
    }

    /// A step failed; the bytes that follow are dropped and finish() reverts.
    bool has_failed() const noexcept {
        return failed_.load(std::memory_order_acquire);
    }

    /// Valid when is_finished(): the first failure, or of the finish.
    SessionResult result() const noexcept { return result_; }

private:
    static constexpr std::size_t kMaxBuffers = 16;

    UploadStrand(ngx_http_request_t* r, std::unique_ptr<StrandFile> file,
                 ngx_http_event_handler_pt resume) noexcept;
    ~UploadStrand();

    bool has_room(std::uint64_t head, std::uint64_t tail) noexcept;
    u_char** drained_memory(std::uint64_t head, std::uint64_t tail) noexcept;
    void post() noexcept;
    bool has_work() const noexcept;
    void abandon() noexcept;
    void complete() noexcept;

    void run() noexcept;  // in the pool
    void drain();
    void finish_file();

    static void run_task(void* data, ngx_log_t* log) noexcept;
    static void on_complete(ngx_event_t* event) noexcept;
    static void on_request_cleanup(void* data) noexcept;
    static void on_pool_cleanup(void* data) noexcept;
    friend class RoomBell;

    ngx_http_request_t* r_;
    ngx_http_event_handler_pt resume_;
    ngx_thread_pool_t* threads_;
    std::unique_ptr<StrandFile> file_;

    // The ring. `head_` buffers were published by the loop, `tail_` of them
    // are done; number n lies in slot n % count_.
    struct Slot {
        u_char* memory = nullptr;
        std::size_t size = 0;
    };
    std::array<Slot, kMaxBuffers> slots_;
    std::size_t count_;
    std::size_t buffer_size_;
    std::size_t fill_ = 0;  // bytes in slot head_, loop only
    std::atomic<std::uint64_t> head_{0};
    std::atomic<std::uint64_t> tail_{0};
    std::atomic<bool> waiting_{false};  // the loop wants room
    std::atomic<bool> failed_{false};
    std::atomic<bool> finished_{false};
    std::atomic<bool> ending_{false};  // finish_ and digest_ are set
    Finish finish_ = Finish::none;
    Digest digest_;
    SessionResult result_ = SessionResult::ok;

    PoolTask task_;
    // In RoomBell's list while the loop waits for room.
    struct Waiter {
        ngx_queue_t node;
        UploadStrand* strand;
    };
    Waiter waiter_ = {};
    bool queued_ = false;
};

}  // namespace longshore
