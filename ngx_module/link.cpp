#include "ngx_module/link.hpp"

#include <zmq.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "common/protocol.hpp"

namespace longshore {
namespace {

constexpr int kHighWater = 4096;           // messages in a ZeroMQ queue
constexpr int kReconnectMs = 50;           // first pause between two attempts
constexpr int kReconnectMaxMs = 200;       // longest one
constexpr int kHandshakeMs = 2000;         // a stopped daemon accepts, silently
constexpr int kHeartbeatMs = 500;          // ping of an idle connection
constexpr int kHeartbeatTimeoutMs = 2000;  // no pong for that long: gone
constexpr int kBudget = 256;               // messages before others get a turn
constexpr char kMonitor[] = "inproc://registry.monitor";

bool set(void* socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

bool set_common(void* socket) {
    return set(socket, ZMQ_LINGER, 0) && set(socket, ZMQ_SNDHWM, kHighWater) &&
           set(socket, ZMQ_RCVHWM, kHighWater) &&
           set(socket, ZMQ_RECONNECT_IVL, kReconnectMs) &&
           set(socket, ZMQ_RECONNECT_IVL_MAX, kReconnectMaxMs) &&
           set(socket, ZMQ_HANDSHAKE_IVL, kHandshakeMs) &&
           set(socket, ZMQ_HEARTBEAT_IVL, kHeartbeatMs) &&
           set(socket, ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatTimeoutMs);
}

int events_of(void* socket) {
    int events = 0;
    std::size_t size = sizeof(events);
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 ? events : 0;
}

// With worker_cpu_affinity ZeroMQ's thread would inherit the one core of its
// worker and compete with it.
void free_affinity(ngx_cycle_t* cycle, void* context) {
    auto* core = reinterpret_cast<ngx_core_conf_t*>(
        ngx_get_conf(cycle->conf_ctx, ngx_core_module));
    if (core->cpu_affinity_n == 0 && !core->cpu_affinity_auto) {
        return;
    }
    for (int cpu = 0; cpu < static_cast<int>(ngx_ncpu); ++cpu) {
        zmq_ctx_set(context, ZMQ_THREAD_AFFINITY_CPU_ADD, cpu);
    }
}

struct Frame {
    zmq_msg_t message;
    Frame() { zmq_msg_init(&message); }
    ~Frame() { zmq_msg_close(&message); }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

    std::string_view view() {
        return {static_cast<const char*>(zmq_msg_data(&message)),
                zmq_msg_size(&message)};
    }
};

}  // namespace

struct Link::Channel {
    Link* link = nullptr;
    void* socket = nullptr;
    ngx_connection_t* connection = nullptr;
    ngx_event_t posted = {};

    explicit Channel(Link& owner, void* zmq) : link(&owner), socket(zmq) {}
};

std::unique_ptr<Link> Link::open(ngx_cycle_t* cycle, std::string_view endpoint,
                                 LinkEvents& events) {
    std::unique_ptr<Link> link(new Link());
    link->events_ = &events;
    link->log_ = cycle->log;
    link->changed_at_ = ngx_current_msec;
    auto fail = [&](const char* what) -> std::unique_ptr<Link> {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0, "registry: cannot %s: %s",
                      what, zmq_strerror(errno));
        return nullptr;
    };
    link->context_ = zmq_ctx_new();
    if (link->context_ == nullptr) {
        return fail("make a ZeroMQ context");
    }
    free_affinity(cycle, link->context_);
    auto make = [&](int type) {
        return std::make_unique<Channel>(*link,
                                         zmq_socket(link->context_, type));
    };
    link->questions_ = make(ZMQ_DEALER);
    link->invalidations_ = make(ZMQ_SUB);
    link->monitor_ = make(ZMQ_PAIR);
    void* questions = link->questions_->socket;
    void* invalidations = link->invalidations_->socket;
    void* monitor = link->monitor_->socket;
    if (questions == nullptr || invalidations == nullptr ||
        monitor == nullptr || !set_common(questions) ||
        !set(questions, ZMQ_IMMEDIATE, 1) || !set_common(invalidations) ||
        !set(monitor, ZMQ_LINGER, 0) ||
        zmq_setsockopt(invalidations, ZMQ_SUBSCRIBE, "", 0) != 0) {
        return fail("make ZeroMQ sockets");
    }
    if (zmq_socket_monitor(
            questions, kMonitor,
            ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED) != 0 ||
        zmq_connect(monitor, kMonitor) != 0) {
        return fail("watch a ZeroMQ socket");
    }
    if (zmq_connect(questions, std::string(endpoint).c_str()) != 0 ||
        zmq_connect(invalidations, invalidation_endpoint(endpoint).c_str()) !=
            0) {
        return fail("connect to the daemon");
    }
    if (!link->attach(cycle, *link->monitor_) ||
        !link->attach(cycle, *link->questions_) ||
        !link->attach(cycle, *link->invalidations_)) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "registry: worker_connections are not enough");
        return nullptr;
    }
    return link;
}

Link::~Link() {
    for (auto* channel :
         {questions_.get(), invalidations_.get(), monitor_.get()}) {
        if (channel != nullptr) {
            detach(*channel);
        }
    }
    // The monitor's end first: closing a watched socket tells it so.
    if (questions_ && questions_->socket != nullptr) {
        zmq_socket_monitor(questions_->socket, nullptr, 0);
    }
    for (auto* channel :
         {monitor_.get(), questions_.get(), invalidations_.get()}) {
        if (channel != nullptr && channel->socket != nullptr) {
            zmq_close(channel->socket);
        }
    }
    if (context_ != nullptr) {
        while (zmq_ctx_term(context_) != 0 && errno == EINTR) {
        }
    }
}

// The descriptor is libzmq's and only says "ask ZMQ_EVENTS"; it is readable
// also when we wait for room to write.
bool Link::attach(ngx_cycle_t* cycle, Channel& channel) {
    int fd = -1;
    std::size_t size = sizeof(fd);
    if (zmq_getsockopt(channel.socket, ZMQ_FD, &fd, &size) != 0) {
        return false;
    }
    ngx_connection_t* connection = ngx_get_connection(fd, cycle->log);
    if (connection == nullptr) {
        return false;
    }
    connection->data = &channel;
    connection->read->handler = on_event;
    connection->read->log = cycle->log;
    connection->read->channel = 1;  // not a leaked socket at exit
    connection->write->channel = 1;
    channel.connection = connection;
    channel.posted.handler = on_posted;
    channel.posted.data = &channel;
    channel.posted.log = cycle->log;
    if (ngx_add_event(connection->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) !=
        NGX_OK) {
        return false;
    }
    // The descriptor signals only after a look that found nothing.
    ngx_post_event(&channel.posted, &ngx_posted_events);
    return true;
}

void Link::detach(Channel& channel) noexcept {
    if (channel.posted.posted) {
        ngx_delete_posted_event(&channel.posted);
    }
    ngx_connection_t* connection = channel.connection;
    if (connection == nullptr) {
        return;
    }
    if (connection->read->active) {
        ngx_del_event(connection->read, NGX_READ_EVENT, 0);
    }
    if (connection->read->posted) {
        ngx_delete_posted_event(connection->read);
    }
    ngx_free_connection(connection);
    connection->fd = static_cast<ngx_socket_t>(-1);  // libzmq closes it
    channel.connection = nullptr;
}

bool Link::send(std::string_view message) noexcept {
    if (!up_) {
        return false;
    }
    int rc = 0;
    do {
        rc = zmq_send(questions_->socket, message.data(), message.size(),
                      ZMQ_DONTWAIT);
    } while (rc < 0 && errno == EINTR);
    // A send may swallow the wake-up of answers that came meanwhile.
    ngx_post_event(&questions_->posted, &ngx_posted_events);
    return rc >= 0;
}

void Link::drain(Channel& channel) {
    int budget = kBudget;
    while (budget > 0) {
        int events = events_of(channel.socket);
        if (&channel == questions_.get() && up_ &&
            (events & ZMQ_POLLOUT) != 0) {
            events_->on_writable();
        }
        if ((events & ZMQ_POLLIN) == 0) {
            // on_writable() may have sent: then a posted drain looks again.
            return;
        }
        while (budget-- > 0) {
            Frame first;
            if (zmq_msg_recv(&first.message, channel.socket, ZMQ_DONTWAIT) <
                0) {
                break;
            }
            if (zmq_msg_more(&first.message) == 0) {
                receive(channel, first.view(), first.view());
                continue;
            }
            Frame last;
            do {
                if (zmq_msg_recv(&last.message, channel.socket, ZMQ_DONTWAIT) <
                    0) {
                    break;
                }
            } while (zmq_msg_more(&last.message) != 0);
            receive(channel, first.view(), last.view());
        }
    }
    ngx_post_event(&channel.posted, &ngx_posted_next_events);
}

void Link::receive(Channel& channel, std::string_view first,
                   std::string_view last) {
    if (&channel == questions_.get()) {
        return events_->on_reply(last);
    }
    if (&channel == invalidations_.get()) {
        return events_->on_invalidation(last);
    }
    std::uint16_t event = 0;
    if (first.size() < sizeof(event)) {
        return;
    }
    std::memcpy(&event, first.data(), sizeof(event));
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        change(true);
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
        // Answers that arrived before the end are still answers.
        drain(*questions_);
        change(false);
    }
}

void Link::change(bool up) {
    if (up_ != up) {
        ngx_log_error(NGX_LOG_NOTICE, log_, 0, "registry: the daemon is %s",
                      up ? "connected" : "gone");
        changed_at_ = ngx_current_msec;
    }
    up_ = up;
    if (up) {
        events_->on_writable();
    } else {
        events_->on_down();
    }
    ngx_post_event(&questions_->posted, &ngx_posted_events);
}

void Link::on_event(ngx_event_t* event) noexcept {
    auto* connection = static_cast<ngx_connection_t*>(event->data);
    auto* channel = static_cast<Channel*>(connection->data);
    try {
        channel->link->drain(*channel);
    } catch (...) {
        ngx_log_error(NGX_LOG_ERR, event->log, 0,
                      "registry: a message from the daemon was lost");
    }
}

void Link::on_posted(ngx_event_t* event) noexcept {
    auto* channel = static_cast<Channel*>(event->data);
    if (channel->connection != nullptr) {
        on_event(channel->connection->read);
    }
}

}  // namespace longshore
