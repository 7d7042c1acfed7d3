#include "ngx_module/strand.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <utility>

#include "ngx_module/conf.hpp"
#include "ngx_module/str.hpp"

namespace longshore {

// Buffers of finished uploads, kept for the next ones: glibc would keep the
// memory of a peak anyway, in pieces. One per worker, event loop only.
class BufferStock {
public:
    BufferStock() = default;
    BufferStock(const BufferStock&) = delete;
    BufferStock& operator=(const BufferStock&) = delete;
    // When a worker unloads the module: what is lost then is a leak.
    ~BufferStock() {
        while (count_ > 0) {
            std::free(kept_[--count_]);
        }
    }

    // Whether an upload that has a buffer may have another one: beyond the
    // budget of the worker each has to do with one.
    bool has_spare(std::size_t size) const noexcept {
        return taken_ + size <= kBudget;
    }

    u_char* take(std::size_t size) noexcept {
        auto* memory =
            size == size_ && count_ > 0
                ? kept_[--count_]
                : static_cast<u_char*>(std::aligned_alloc(4096, size));
        taken_ += memory != nullptr ? size : 0;
        return memory;
    }

    void give(u_char* memory, std::size_t size) noexcept {
        taken_ -= size;
        if (size != size_ && count_ == 0) {
            size_ = size;
        }
        if (size == size_ && count_ < kept_.size()) {
            kept_[count_++] = memory;
        } else {
            std::free(memory);
        }
    }

private:
    static constexpr std::size_t kBudget = std::size_t{32} << 20;

    std::array<u_char*, 64> kept_ = {};
    std::size_t taken_ = 0;  // bytes in the hands of uploads
    std::size_t count_ = 0;
    std::size_t size_ = 0;
};

// Tells the loop that a strand whose ring was full has room again. Made in a
// worker when first needed; nginx's own wake-up has one user, the thread pool.
class RoomBell {
public:
    bool enlist(UploadStrand& strand) noexcept {
        if (!start()) {
            return false;
        }
        ngx_queue_insert_tail(&waiting_, &strand.waiter_.node);
        strand.queued_ = true;
        return true;
    }

    static void delist(UploadStrand& strand) noexcept {
        if (strand.queued_) {
            ngx_queue_remove(&strand.waiter_.node);
            strand.queued_ = false;
        }
    }

    // In the pool.
    void ring() const noexcept {
        std::uint64_t one = 1;
        // Fails only when the counter is full, and then the bell rings.
        (void)!::write(fd_, &one, sizeof one);
    }

private:
    bool start() noexcept {
        if (connection_ != nullptr) {
            return true;
        }
        ngx_queue_init(&waiting_);
        fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (fd_ < 0) {
            return false;
        }
        auto* log = ngx_cycle->log;
        auto* connection = ngx_get_connection(fd_, log);
        if (connection == nullptr) {
            ::close(fd_);
            return false;
        }
        connection->data = this;
        connection->read->handler = on_ring;
        connection->read->log = connection->write->log = log;
        connection->read->channel = 1;  // not a leaked socket at exit
        if (ngx_add_event(connection->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) !=
            NGX_OK) {
            ngx_free_connection(connection);
            ::close(fd_);
            return false;
        }
        connection_ = connection;
        return true;
    }

    static void on_ring(ngx_event_t* event) noexcept {
        auto* connection = static_cast<ngx_connection_t*>(event->data);
        auto* self = static_cast<RoomBell*>(connection->data);
        std::uint64_t count;
        (void)!::read(self->fd_, &count, sizeof count);
        // A woken strand may wait again at once: it joins a new list.
        ngx_queue_t woken;
        ngx_queue_init(&woken);
        if (!ngx_queue_empty(&self->waiting_)) {
            ngx_queue_add(&woken, &self->waiting_);
            ngx_queue_init(&self->waiting_);
        }
        while (!ngx_queue_empty(&woken)) {
            ngx_queue_t* node = ngx_queue_head(&woken);
            auto* waiter = ngx_queue_data(node, UploadStrand::Waiter, node);
            auto* strand = waiter->strand;
            ngx_queue_remove(node);
            if (strand->waiting_.load()) {
                ngx_queue_insert_tail(&self->waiting_, node);
                continue;
            }
            strand->queued_ = false;
            auto* c = strand->r_->connection;
            c->write->handler(c->write);
        }
    }

    ngx_connection_t* connection_ = nullptr;
    ngx_queue_t waiting_;
    int fd_ = -1;
};

namespace {

// Per worker: statics are copied by fork and touched only after it.
BufferStock buffer_stock;
RoomBell room_bell;

}  // namespace

UploadStrand* UploadStrand::create(ngx_http_request_t* r,
                                   std::unique_ptr<StrandFile> file,
                                   ngx_http_event_handler_pt resume) noexcept {
    // Both cleanups exist before the object: it can then never leak.
    auto* at_end = ngx_http_cleanup_add(r, 0);
    auto* at_pool_end = ngx_pool_cleanup_add(r->pool, 0);
    if (at_end == nullptr || at_pool_end == nullptr) {
        return nullptr;
    }
    auto* strand = new (std::nothrow) UploadStrand(r, std::move(file), resume);
    if (strand == nullptr) {
        return nullptr;
    }
    at_end->handler = on_request_cleanup;
    at_end->data = strand;
    at_pool_end->handler = on_pool_cleanup;
    at_pool_end->data = strand;
    return strand;
}

UploadStrand::UploadStrand(ngx_http_request_t* r,
                           std::unique_ptr<StrandFile> file,
                           ngx_http_event_handler_pt resume) noexcept
    : r_(r),
      resume_(resume),
      threads_(main_conf(r).threads),
      file_(std::move(file)),
      count_(location_conf(r).upload_buffers),
      buffer_size_(location_conf(r).upload_buffer),
      task_(this, run_task, on_complete) {
    count_ = std::min(std::max<std::size_t>(count_, 2), kMaxBuffers);
    waiter_.strand = this;
}

UploadStrand::~UploadStrand() {
    RoomBell::delist(*this);
    for (auto& slot : slots_) {
        if (slot.memory != nullptr) {
            buffer_stock.give(slot.memory, buffer_size_);
        }
    }
}

u_char* UploadStrand::room(std::size_t& size) noexcept {
    auto head = head_.load(std::memory_order_relaxed);
    auto tail = tail_.load(std::memory_order_acquire);
    if (!has_room(head, tail)) {
        return nullptr;
    }
    auto& slot = slots_[head % count_];
    if (slot.memory == nullptr) {
        auto* drained = drained_memory(head, tail);
        slot.memory = drained != nullptr ? std::exchange(*drained, nullptr)
                                         : buffer_stock.take(buffer_size_);
    }
    if (slot.memory == nullptr) {
        failed_.store(true, std::memory_order_release);
        return nullptr;
    }
    size = buffer_size_ - fill_;
    return slot.memory + fill_;
}

// Memory of a slot that holds nothing now, to be used by another one.
u_char** UploadStrand::drained_memory(std::uint64_t head,
                                      std::uint64_t tail) noexcept {
    for (auto number = head; number < tail + count_; ++number) {
        auto& slot = slots_[number % count_];
        if (slot.memory != nullptr) {
            return &slot.memory;
        }
    }
    return nullptr;
}

// With nothing in the thread's hands there always is: one buffer is for all.
bool UploadStrand::has_room(std::uint64_t head, std::uint64_t tail) noexcept {
    return head == tail ||
           (head - tail < count_ && (drained_memory(head, tail) != nullptr ||
                                     buffer_stock.has_spare(buffer_size_)));
}

void UploadStrand::filled(std::size_t size) noexcept {
    fill_ += size;
    if (fill_ == buffer_size_) {
        flush();
    }
}

void UploadStrand::flush() noexcept {
    if (fill_ == 0) {
        return;
    }
    auto head = head_.load(std::memory_order_relaxed);
    slots_[head % count_].size = fill_;
    fill_ = 0;
    head_.store(head + 1, std::memory_order_release);
    post();
}

bool UploadStrand::wait_for_room() noexcept {
    if (queued_) {
        return true;
    }
    waiting_.store(true);
    if (has_room(head_.load(), tail_.load()) || failed_.load()) {
        waiting_.store(false);
        return false;
    }
    if (!room_bell.enlist(*this)) {
        // Without a bell the task's completion still resumes the request.
        waiting_.store(false);
    }
    return true;
}

void UploadStrand::finish(Finish finish, const Digest& digest) noexcept {
    finish_ = finish;
    digest_ = digest;
    auto head = head_.load(std::memory_order_relaxed);
    if (fill_ > 0) {
        slots_[head % count_].size = fill_;
        fill_ = 0;
        head_.store(head + 1, std::memory_order_release);
    }
    ending_.store(true, std::memory_order_release);
    post();
}

bool UploadStrand::has_work() const noexcept {
    return head_.load() != tail_.load() ||
           (ending_.load() && !finished_.load());
}

void UploadStrand::post() noexcept {
    if (task_.in_flight() || !has_work()) {
        return;
    }
    r_->write_event_handler = resume_;
    if (!task_.post(threads_)) {
        // The queue is full. The file stays at its last state; whoever
        // finishes learns it at once.
        result_ = SessionResult::no_storage;
        failed_.store(true);
        tail_.store(head_.load());
        if (ending_.load()) {
            file_->close();
            finished_.store(true);
            ngx_post_event(r_->connection->write, &ngx_posted_events);
        }
        return;
    }
    r_->main->blocked++;
    r_->aio = 1;
}

void UploadStrand::on_complete(ngx_event_t* event) noexcept {
    static_cast<UploadStrand*>(event->data)->complete();
}

void UploadStrand::complete() noexcept {
    task_.completed();
    r_->main->blocked--;
    r_->aio = 0;
    post();
    RoomBell::delist(*this);
    waiting_.store(false);
    // Also runs nginx's finalizer if the request was terminated meanwhile.
    auto* c = r_->connection;
    c->write->handler(c->write);
}

void UploadStrand::abandon() noexcept {
    // Called while the request is terminated, before nginx looks whether
    // something still holds it; too late when it is being freed already.
    if (r_->main->count == 0 || is_finishing() ||
        (head_.load() == 0 && fill_ == 0)) {
        return;
    }
    finish(Finish::keep);
}

void UploadStrand::on_request_cleanup(void* data) noexcept {
    static_cast<UploadStrand*>(data)->abandon();
}

void UploadStrand::on_pool_cleanup(void* data) noexcept {
    delete static_cast<UploadStrand*>(data);
}

void UploadStrand::run_task(void* data, ngx_log_t*) noexcept {
    static_cast<UploadStrand*>(data)->run();
}

void UploadStrand::run() noexcept {
    try {
        drain();
    } catch (...) {
        // Memory is out: the rest is dropped, the file stays at its state.
        result_ = SessionResult::failed;
        failed_.store(true);
        tail_.store(head_.load());
        if (ending_.load()) {
            file_->close();
            finished_.store(true);
        }
    }
    if (waiting_.exchange(false)) {
        room_bell.ring();
    }
}

void UploadStrand::drain() {
    for (;;) {
        bool ending = ending_.load(std::memory_order_acquire);
        auto tail = tail_.load(std::memory_order_relaxed);
        if (tail == head_.load(std::memory_order_acquire)) {
            if (ending && !finished_.load()) {
                finish_file();
            }
            return;
        }
        if (!failed_.load(std::memory_order_relaxed)) {
            auto& slot = slots_[tail % count_];
            auto result = file_->prepare();
            if (result == SessionResult::ok) {
                result = file_->append(slot.memory, slot.size);
            }
            if (result != SessionResult::ok) {
                result_ = result;
                failed_.store(true, std::memory_order_release);
            }
        }
        tail_.store(tail + 1);
        if (waiting_.exchange(false)) {
            room_bell.ring();
        }
    }
}

void UploadStrand::finish_file() {
    auto so_far = result_;
    if (failed_.load() && so_far == SessionResult::ok) {
        so_far = SessionResult::failed;
    }
    result_ = file_->finish(finish_, digest_, so_far);
    file_->close();
    finished_.store(true, std::memory_order_release);
}

}  // namespace longshore
