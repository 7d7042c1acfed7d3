// Questions without an answer yet: a table of slots, one per waiting request.
// The wire id of a question is slot and generation, so an answer that comes
// too late for its request finds a newer generation and is dropped. A slot
// never keeps a request alive: cancel() is called when the request ends.
// One per worker, event loop only.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "ngx_module/link.hpp"
#include "ngx_module/request.hpp"

namespace longshore {

/// Why a question will get no answer.
enum class Loss : std::uint8_t { timeout, gone };

class Pending {
public:
    /// Called once for each question that is lost; the slot is free by then.
    using OnLoss = void (*)(RequestCtx& ctx, Loss why);

    explicit Pending(OnLoss on_loss) : on_loss_(on_loss) {}
    ~Pending();
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

    /// Takes a slot; 0 when the table is full. `repeatable`: may be asked
    /// again after the daemon came back (GET, HEAD). The deadline counts from
    /// here; a question that changes something gets kWriteFactor times as
    /// much once it was sent, as its commit may have to wait its turn.
    std::uint64_t add(RequestCtx& ctx, bool repeatable, ngx_msec_t timeout);

    /// Gives the encoded question of a slot to the link, or keeps it until
    /// the link takes it. False (slot freed) when too much waits already.
    bool submit(std::uint64_t id, std::string message, Link* link);

    /// The request that waits for `id`, its slot freed; null if none does.
    RequestCtx* take(std::uint64_t id) noexcept;

    void cancel(std::uint64_t id) noexcept { take(id); }

    /// Sends what waits, in order, as far as the link takes it.
    void flush(Link& link);

    /// Everything sent is lost: repeatable questions wait again, the others
    /// get on_loss.
    void lose_sent();

private:
    static constexpr ngx_msec_t kWriteFactor = 5;
    static constexpr std::size_t kMaxSlots = 16384;
    static constexpr std::size_t kMaxWaitingBytes = 64 * 1024 * 1024;

    struct Slot {
        Pending* owner = nullptr;
        RequestCtx* ctx = nullptr;
        std::uint32_t generation = 1;
        std::uint32_t index = 0;
        bool repeatable = false;
        bool sent = false;
        bool extended = false;
        ngx_msec_t timeout = 0;
        std::string message;  // until sent; a repeatable one until answered
        ngx_event_t timer = {};
    };

    static std::uint64_t id_of(const Slot& slot) noexcept {
        return std::uint64_t{slot.generation} << 32 | slot.index;
    }
    Slot* find(std::uint64_t id) noexcept;
    void free(Slot& slot) noexcept;
    bool send(Slot& slot, Link& link);
    static void on_timer(ngx_event_t* event) noexcept;

    OnLoss on_loss_;
    std::deque<Slot> slots_;  // addresses stay: timers point into it
    std::vector<std::uint32_t> unused_;
    std::deque<std::uint64_t> waiting_;
    std::size_t waiting_bytes_ = 0;
};

}  // namespace longshore
