#include "ngx_module/pending.hpp"

#include <utility>

#include "ngx_module/counters.hpp"

namespace longshore {

Pending::~Pending() {
    for (auto& slot : slots_) {
        if (slot.timer.timer_set) {
            ngx_del_timer(&slot.timer);
        }
    }
}

std::uint64_t Pending::add(RequestCtx& ctx, bool repeatable,
                           ngx_msec_t timeout) {
    if (unused_.empty()) {
        if (slots_.size() == kMaxSlots) {
            return 0;
        }
        // Room for every slot, so that free() cannot fail.
        unused_.reserve(slots_.size() + 1);
        auto& made = slots_.emplace_back();
        made.owner = this;
        made.index = static_cast<std::uint32_t>(slots_.size() - 1);
        made.timer.handler = on_timer;
        made.timer.data = &made;
        unused_.push_back(made.index);
    }
    Slot& slot = slots_[unused_.back()];
    unused_.pop_back();
    slot.ctx = &ctx;
    slot.repeatable = repeatable;
    slot.sent = false;
    slot.extended = repeatable;
    slot.timeout = timeout;
    slot.timer.log = ngx_cycle->log;
    // Not cancelable: it also keeps a quitting worker until the answer.
    ngx_add_timer(&slot.timer, timeout);
    gauge(&Counters::daemon_waiting, 1);
    return id_of(slot);
}

bool Pending::submit(std::uint64_t id, std::string message, Link* link) {
    Slot* slot = find(id);
    if (slot == nullptr) {
        return false;
    }
    slot->message = std::move(message);
    count(&Counters::daemon_questions);
    if (waiting_.empty() && link != nullptr && send(*slot, *link)) {
        return true;
    }
    if (waiting_bytes_ + slot->message.size() > kMaxWaitingBytes) {
        slot->message = std::string();  // it was never in the queue
        free(*slot);
        return false;
    }
    waiting_.push_back(id);
    waiting_bytes_ += slot->message.size();
    return true;
}

RequestCtx* Pending::take(std::uint64_t id) noexcept {
    Slot* slot = find(id);
    if (slot == nullptr) {
        return nullptr;
    }
    RequestCtx* ctx = slot->ctx;
    free(*slot);
    return ctx;
}

void Pending::flush(Link& link) {
    while (!waiting_.empty()) {
        Slot* slot = find(waiting_.front());
        if (slot != nullptr) {
            auto size = slot->message.size();
            if (!send(*slot, link)) {
                return;
            }
            waiting_bytes_ -= size;
        }
        waiting_.pop_front();
    }
    waiting_bytes_ = 0;
}

void Pending::lose_sent() {
    // on_loss finalizes requests, which may ask anew: look at each slot once,
    // by index, and only at what had been sent.
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (slot.ctx == nullptr || !slot.sent) {
            continue;
        }
        if (slot.repeatable &&
            waiting_bytes_ + slot.message.size() <= kMaxWaitingBytes) {
            slot.sent = false;
            waiting_.push_back(id_of(slot));
            waiting_bytes_ += slot.message.size();
            count(&Counters::daemon_repeats);
            continue;
        }
        RequestCtx& ctx = *slot.ctx;
        free(slot);
        on_loss_(ctx, Loss::gone);
    }
}

Pending::Slot* Pending::find(std::uint64_t id) noexcept {
    auto index = static_cast<std::uint32_t>(id);
    if (id == 0 || index >= slots_.size()) {
        return nullptr;
    }
    Slot& slot = slots_[index];
    return slot.ctx != nullptr && id_of(slot) == id ? &slot : nullptr;
}

void Pending::free(Slot& slot) noexcept {
    if (slot.timer.timer_set) {
        ngx_del_timer(&slot.timer);
    }
    // A waiting one stays in the queue as an id that finds nothing.
    if (!slot.sent) {
        waiting_bytes_ -= std::min(waiting_bytes_, slot.message.size());
    }
    slot.ctx->question_id = 0;
    slot.ctx = nullptr;
    slot.message = std::string();
    if (++slot.generation == 0) {
        slot.generation = 1;
    }
    unused_.push_back(slot.index);
    gauge(&Counters::daemon_waiting, -1);
}

bool Pending::send(Slot& slot, Link& link) {
    if (!link.send(slot.message)) {
        return false;
    }
    slot.sent = true;
    if (!slot.repeatable) {
        slot.message = std::string();
    }
    return true;
}

void Pending::on_timer(ngx_event_t* event) noexcept {
    auto& slot = *static_cast<Slot*>(event->data);
    if (slot.ctx == nullptr) {
        return;
    }
    if (slot.sent && !slot.extended) {
        slot.extended = true;
        ngx_add_timer(&slot.timer, slot.timeout * (kWriteFactor - 1));
        return;
    }
    count(&Counters::daemon_timeouts);
    Pending& owner = *slot.owner;
    RequestCtx& ctx = *slot.ctx;
    owner.free(slot);
    owner.on_loss_(ctx, Loss::timeout);
}

}  // namespace longshore
