#include "server/invalidations.hpp"

#include <chrono>
#include <vector>

#include "common/protocol.hpp"

namespace longshore {
namespace {

// Must differ from that of any earlier life; a clock that was set back by
// exactly the nanoseconds between two starts is not expected.
std::uint64_t new_epoch() {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

// A message has a 16-bit count and receivers take at most 4096.
constexpr std::size_t kMaxKeys = 4000;

}  // namespace

Invalidations::Invalidations(zmq::context_t& context, Metrics& metrics)
    : metrics_(metrics),
      socket_(context, zmq::socket_type::pub),
      epoch_(new_epoch()) {
    socket_.set(zmq::sockopt::linger, 100);
    socket_.set(zmq::sockopt::sndhwm, 10'000);
}

Result<void> Invalidations::bind(const std::string& endpoint) {
    std::lock_guard lock(mutex_);
    try {
        socket_.bind(endpoint);
    } catch (const zmq::error_t& error) {
        return Error{Code::unavailable,
                     "cannot listen on " + endpoint + ": " + error.what()};
    }
    bound_ = true;
    return {};
}

void Invalidations::publish(std::span<const std::string> keys) noexcept {
    if (keys.empty()) {
        return;
    }
    metrics_.invalidated(keys.size());
    std::lock_guard lock(mutex_);
    while (!keys.empty()) {
        auto count = std::min(keys.size(), kMaxKeys);
        ++sequence_;
        send(keys.first(count));
        keys = keys.subspan(count);
    }
}

void Invalidations::heartbeat() noexcept {
    std::lock_guard lock(mutex_);
    send({});
}

void Invalidations::close() noexcept {
    std::lock_guard lock(mutex_);
    bound_ = false;
    socket_.close();
}

void Invalidations::send(std::span<const std::string> keys) noexcept {
    if (!bound_) {
        return;
    }
    try {
        Invalidation message;
        message.epoch = epoch_;
        message.sequence = sequence_;
        message.keys.assign(keys.begin(), keys.end());
        // A message that cannot be sent leaves a gap in the numbers, which is
        // what tells the receiver to forget everything.
        static_cast<void>(socket_.send(zmq::buffer(encode(message)),
                                       zmq::send_flags::dontwait));
    } catch (...) {
        metrics_.lost_answer();
    }
}

}  // namespace longshore
