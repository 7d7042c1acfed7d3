// Invalidations: tells every nginx which cached answers are stale. Numbered
// within one life of the daemon, so that a receiver sees what it missed.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include <zmq.hpp>

#include "common/result.hpp"
#include "server/metrics.hpp"

namespace longshore {

class Invalidations {
public:
    Invalidations(zmq::context_t& context, Metrics& metrics);

    /// Opens the PUB socket; before that, publish() only counts.
    /// @errors unavailable
    Result<void> bind(const std::string& endpoint);

    /// Sends the keys before it returns, so they are on their way before the
    /// answer of the write that made them stale. Never blocks on a receiver:
    /// one that is too slow sees a gap and forgets everything.
    /// @thread any
    void publish(std::span<const std::string> keys) noexcept;

    /// A message without keys, once a second. @thread any
    void heartbeat() noexcept;

    void close() noexcept;

private:
    void send(std::span<const std::string> keys) noexcept;

    Metrics& metrics_;
    // The socket is not thread-safe; the mutex makes each use exclusive, with
    // the fence that ZeroMQ asks for.
    std::mutex mutex_;
    zmq::socket_t socket_;
    bool bound_ = false;
    std::uint64_t epoch_;
    std::uint64_t sequence_ = 0;
};

}  // namespace longshore
