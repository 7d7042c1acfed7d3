// The connection of one worker with registryd: a DEALER for questions and a
// SUB for invalidations, in the worker's event loop. The only file that knows
// ZeroMQ. Faces the rest with three calls: send, on_reply, on_down (and their
// likes). Everything runs in the event loop of the worker that opened it.
#pragma once

#include <memory>
#include <string_view>

#include "ngx_module/ngx.hpp"

namespace longshore {

/// Who is told what the link learns. Views end with the call.
class LinkEvents {
public:
    virtual void on_reply(std::string_view message) = 0;
    virtual void on_invalidation(std::string_view message) = 0;
    /// The daemon is there; what waits may be sent.
    virtual void on_writable() = 0;
    /// The daemon is gone: what was sent and not answered is lost.
    virtual void on_down() = 0;

protected:
    ~LinkEvents() = default;
};

class Link {
public:
    /// After the fork, never in the master. Null when ZeroMQ or nginx has no
    /// room for the sockets (logged).
    static std::unique_ptr<Link> open(ngx_cycle_t* cycle,
                                      std::string_view endpoint,
                                      LinkEvents& events);
    ~Link();
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    /// False when the daemon is not there or takes no more for now: keep the
    /// message until on_writable().
    bool send(std::string_view message) noexcept;

    bool is_up() const noexcept { return up_; }
    /// ngx_current_msec of the last change of is_up(); opening counts.
    ngx_msec_t changed_at() const noexcept { return changed_at_; }

private:
    struct Channel;
    Link() = default;
    bool attach(ngx_cycle_t* cycle, Channel& channel);
    static void detach(Channel& channel) noexcept;
    void drain(Channel& channel);
    void receive(Channel& channel, std::string_view first,
                 std::string_view last);
    void change(bool up);
    static void on_event(ngx_event_t* event) noexcept;
    static void on_posted(ngx_event_t* event) noexcept;

    void* context_ = nullptr;
    LinkEvents* events_ = nullptr;
    ngx_log_t* log_ = nullptr;
    std::unique_ptr<Channel> questions_, invalidations_, monitor_;
    bool up_ = false;
    ngx_msec_t changed_at_ = 0;
};

}  // namespace longshore
