#include "load/worker.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace longshore::load {
namespace {

constexpr std::size_t kReadBytes = 256U << 10U;
constexpr std::uint64_t kStallNs = 30'000'000'000;
constexpr std::uint64_t kDripNs = 50'000'000;
constexpr std::uint64_t kGraceNs = 20'000'000'000;
constexpr std::size_t kSendfileMax = 1U << 30U;

std::string system_error(const char* what) {
    return std::string(what) + ": " + std::strerror(errno);
}

}  // namespace

std::uint64_t now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(t.tv_nsec);
}

Worker::Worker(const Options& options, Shared& shared, std::atomic<bool>& stop,
               int connections)
    : options_(options),
      shared_(shared),
      stop_(stop),
      connections_(static_cast<std::size_t>(connections)),
      buffer_(kReadBytes),
      hold_back_(options.hold_back) {}

Worker::~Worker() {
    for (Connection& c : connections_) {
        if (c.fd >= 0) {
            ::close(c.fd);
        }
    }
    if (epoll_ >= 0) {
        ::close(epoll_);
    }
    if (body_ >= 0) {
        ::close(body_);
    }
}

void Worker::fail(std::string why) {
    if (outcome_.error.empty()) {
        outcome_.error = std::move(why);
    }
    stop_.store(true);
}

bool Worker::connect_all() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) {
        fail(system_error("epoll_create1"));
        return false;
    }
    if (options_.mode == Mode::kPush) {
        body_ = ::open(options_.body_file.c_str(), O_RDONLY | O_CLOEXEC);
        if (body_ < 0) {
            fail(system_error(options_.body_file.c_str()));
            return false;
        }
    }
    for (Connection& c : connections_) {
        c.task = make_task(options_, shared_);
        if (!open_socket(c, EPOLL_CTL_ADD)) {
            return false;
        }
    }
    return true;
}

// Connects (blocking, it is the loopback) and watches the new socket.
bool Worker::open_socket(Connection& c, int operation) {
    c.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c.fd < 0) {
        fail(system_error("socket"));
        return false;
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(c.fd, reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) != 0) {
        fail(system_error("connect"));
        return false;
    }
    const int on = 1;
    ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // What a client of Debian's has, whatever this machine is set to: with
    // BBR each burst after a pause is paced, also on the loopback.
    constexpr std::string_view kCongestion = "cubic";
    ::setsockopt(c.fd, IPPROTO_TCP, TCP_CONGESTION, kCongestion.data(),
                 kCongestion.size());
    const int flags = ::fcntl(c.fd, F_GETFL);
    ::fcntl(c.fd, F_SETFL, flags | O_NONBLOCK);
    epoll_event event{};
    event.events = wanted_events(false);
    event.data.ptr = &c;
    if (::epoll_ctl(epoll_, operation, c.fd, &event) != 0) {
        fail(system_error("epoll_ctl"));
        return false;
    }
    c.waits_for_room = false;
    return true;
}

// Slow readers read when their time has come, not when there is something.
unsigned Worker::wanted_events(bool room) const {
    const unsigned in = options_.rate > 0 ? 0U : EPOLLIN;
    return room ? in | EPOLLOUT : in;
}

void Worker::want_room(Connection& c, bool wanted) {
    if (c.waits_for_room == wanted) {
        return;
    }
    c.waits_for_room = wanted;
    epoll_event event{};
    event.events = wanted_events(wanted);
    event.data.ptr = &c;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
}

// Sends the first requests; false when one could not be sent.
bool Worker::begin() {
    outcome_.first_ns = now_ns();
    last_event_ns_ = outcome_.first_ns;
    active_ = connections_.size();
    for (Connection& c : connections_) {
        if (!next_request(c, now_ns())) {
            retire(c);
        }
    }
    return outcome_.error.empty();
}

// Waits for events and works on them; false when the run has to end.
bool Worker::turn() {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll_, events.data(),
                                   static_cast<int>(events.size()), 50);
    const std::uint64_t now = now_ns();
    if (options_.rate > 0) {
        drip(now);
    }
    if (count > 0) {
        last_event_ns_ = now;
    } else if (now - last_event_ns_ > kStallNs) {
        fail("no answer for 30 s");
    }
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
            char drop = 0;
            input_ended_ = ::read(input_, &drop, 1) <= 0;
            continue;
        }
        Connection& c = *static_cast<Connection*>(event.data.ptr);
        if ((event.events & EPOLLOUT) != 0 && c.sending && !send_more(c)) {
            return false;
        }
        if ((event.events & ~static_cast<unsigned>(EPOLLOUT)) != 0) {
            receive(c, buffer_.size());
        }
    }
    return !stop_.load(std::memory_order_relaxed);
}

void Worker::run(std::uint64_t deadline_ns) {
    if (!begin()) {
        return;
    }
    while (active_ > 0 && turn()) {
        if (options_.mode == Mode::kGet && is_over(now_ns(), deadline_ns)) {
            break;
        }
    }
    if (options_.mode == Mode::kGet) {
        count_unfinished();
        outcome_.last_ns = now_ns();
    }
}

// Large answers of a slow server may take longer than the run was asked to:
// it goes on until there were as many answers as connections.
bool Worker::is_over(std::uint64_t now, std::uint64_t deadline_ns) const {
    return now >= deadline_ns && (outcome_.units >= connections_.size() ||
                                  now >= deadline_ns + kGraceNs);
}

// A timed run ends with answers under way: what arrived of them counts as
// bytes, not as requests.
void Worker::count_unfinished() {
    for (const Connection& c : connections_) {
        if (!c.sending && c.reader.state() == ResponseReader::State::kBody) {
            outcome_.body_in += c.reader.body_bytes();
        }
    }
}

void Worker::run_half_way(int input, const std::function<void()>& reached) {
    if (!begin()) {
        return;
    }
    while (under_way() < connections_.size()) {
        if (!turn()) {
            return;
        }
        if (active_ < connections_.size()) {
            fail("one was complete before all were under way");
            return;
        }
    }
    reached();
    input_ = input;
    await_end();
    if (options_.mode != Mode::kPush || !outcome_.error.empty()) {
        count_unfinished();
        outcome_.last_ns = now_ns();
        return;
    }
    hold_back_ = 0;
    last_event_ns_ = now_ns();
    for (Connection& c : connections_) {
        c.held_back = false;
        want_room(c, true);
    }
    while (active_ > 0 && turn()) {
    }
}

// Keeps everything where it is until the input ends; silence is no stall.
void Worker::await_end() {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, input_, &event) != 0) {
        input_ended_ = errno == EPERM;  // /dev/null and files are at the end
        if (!input_ended_) {
            fail(system_error("standard input"));
            return;
        }
    }
    while (!input_ended_ && turn()) {
        last_event_ns_ = now_ns();
    }
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, input_, nullptr);
}

std::size_t Worker::under_way() const {
    return static_cast<std::size_t>(std::count_if(
        connections_.begin(), connections_.end(), [this](const Connection& c) {
            return options_.mode == Mode::kPush
                       ? c.held_back
                       : c.reader.state() == ResponseReader::State::kBody;
        }));
}

// Slow readers: every connection reads its share of a drip, at most.
void Worker::drip(std::uint64_t now) {
    if (now < next_drip_ns_) {
        return;
    }
    next_drip_ns_ = now + kDripNs;
    const auto share = static_cast<std::size_t>(
        options_.rate / (1'000'000'000U / kDripNs) + 1);
    for (Connection& c : connections_) {
        if (!c.sending && c.reader.state() != ResponseReader::State::kDone) {
            receive(c, std::min(share, buffer_.size()));
        }
    }
}

void Worker::retire(Connection& c) {
    --active_;
    if (options_.mode != Mode::kHold) {
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, c.fd, nullptr);
    }
}

bool Worker::next_request(Connection& c, std::uint64_t now) {
    if (!c.task->prepare(c.out)) {
        return false;
    }
    if (c.unit_start == 0) {
        c.unit_start = now;
    }
    c.reader.begin(c.out.no_body);
    c.head_sent = 0;
    c.sending = true;
    return send_more(c);
}

// Sends one in-memory part; `full` tells that the socket takes no more now.
bool Worker::send_bytes(Connection& c, std::string_view text, std::size_t skip,
                        bool& full) {
    const bool more = c.out.length > 0 || c.out.prefix.size() > 0;
    const ssize_t n = ::send(c.fd, text.data() + skip, text.size() - skip,
                             MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            full = true;
            return true;
        }
        fail(system_error("send"));
        return false;
    }
    c.head_sent += static_cast<std::size_t>(n);
    return true;
}

bool Worker::send_more(Connection& c) {
    const std::size_t head = c.out.head.size();
    const std::size_t memory = head + c.out.prefix.size();
    bool full = false;
    while (!full && c.head_sent < memory) {
        const bool ok =
            c.head_sent < head
                ? send_bytes(c, c.out.head, c.head_sent, full)
                : send_bytes(c, c.out.prefix, c.head_sent - head, full);
        if (!ok) {
            return false;
        }
    }
    if (!full && c.out.length > 0 && !send_file(c)) {
        return false;
    }
    if (c.head_sent == memory && c.out.length == 0) {
        c.sending = false;
        outcome_.body_out += c.out.prefix.size();
    }
    want_room(c, c.sending && !c.held_back);
    return true;
}

// One call per event, so that eight uploads take turns.
bool Worker::send_file(Connection& c) {
    const std::uint64_t now = c.out.length - std::min(c.out.length, hold_back_);
    if (now == 0) {
        c.held_back = true;
        return true;
    }
    auto offset = static_cast<off_t>(c.out.offset);
    const ssize_t n = ::sendfile(
        c.fd, body_, &offset,
        static_cast<std::size_t>(std::min<std::uint64_t>(now, kSendfileMax)));
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail(system_error("sendfile"));
        return false;
    }
    if (n == 0) {
        fail("the body file became shorter");
        return false;
    }
    if (n > 0) {
        c.out.offset += static_cast<std::uint64_t>(n);
        c.out.length -= static_cast<std::uint64_t>(n);
        outcome_.body_out += static_cast<std::uint64_t>(n);
    }
    return true;
}

void Worker::receive(Connection& c, std::size_t most) {
    const ssize_t n = ::recv(c.fd, buffer_.data(), most, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            fail(system_error("recv"));
        }
        return;
    }
    if (n == 0) {
        fail("connection closed before the answer was complete");
        return;
    }
    switch (c.reader.feed(buffer_.data(), static_cast<std::size_t>(n))) {
        case ResponseReader::State::kBad:
            fail(c.reader.why_bad());
            return;
        case ResponseReader::State::kDone:
            answered(c);
            return;
        default:
            return;
    }
}

void Worker::answered(Connection& c) {
    const std::uint64_t now = now_ns();
    ++outcome_.requests;
    outcome_.body_in += c.reader.body_bytes();
    std::string why;
    const bool early = c.sending;
    switch (c.task->accept(c.reader.response(), c.reader.body_bytes(), why)) {
        case Task::Verdict::kWrong:
            fail(std::move(why));
            return;
        case Task::Verdict::kUnit:
            ++outcome_.units;
            outcome_.latency.add(now - c.unit_start);
            outcome_.last_ns = now;
            c.unit_start = 0;
            break;
        case Task::Verdict::kStep:
            break;
    }
    if (early) {
        fail("answered before the request was sent");
        return;
    }
    if (options_.mode == Mode::kHold) {
        retire(c);
        return;
    }
    if (c.reader.response().close) {
        ::close(c.fd);
        ++outcome_.reconnects;
        if (!open_socket(c, EPOLL_CTL_ADD)) {
            return;
        }
    }
    if (!next_request(c, now) && outcome_.error.empty()) {
        retire(c);
    }
}

}  // namespace longshore::load
