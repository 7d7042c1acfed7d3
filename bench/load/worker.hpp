// One thread of the generator: an epoll loop over its share of the keep-alive
// connections, each with one request under way (a closed loop: a slow server
// is asked less often, so p99 is that of this many patient clients). Reads go
// through one 256 KiB buffer, request bodies through sendfile from the page
// cache, so the generator takes as little of the shared cores as it can.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "load/histogram.hpp"
#include "load/options.hpp"
#include "load/response.hpp"
#include "load/task.hpp"

namespace longshore::load {

std::uint64_t now_ns();

/// What one thread counted. The first wrong answer ends the whole run:
/// `error` then says what it was.
struct Outcome {
    std::uint64_t units = 0;
    std::uint64_t requests = 0;
    std::uint64_t body_in = 0;
    std::uint64_t body_out = 0;
    std::uint64_t reconnects = 0;
    std::uint64_t first_ns = 0;
    std::uint64_t last_ns = 0;
    Histogram latency;
    std::string error;
};

class Worker {
public:
    Worker(const Options& options, Shared& shared, std::atomic<bool>& stop,
           int connections);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Opens every connection; false with `outcome().error` on failure.
    bool connect_all();

    /// Works until the deadline (get; see is_over), until the plan is used up
    /// (push) or until each connection has had one answer (hold).
    void run(std::uint64_t deadline_ns);

    /// For runs that stop half-way: works until every connection is in the
    /// middle of a body, calls `reached`, keeps them there (slow readers go
    /// on reading) until `input` ends, then lets pushes come to their end.
    void run_half_way(int input, const std::function<void()>& reached);

    /// Connections that are in the middle of a body now.
    std::size_t under_way() const;

    const Outcome& outcome() const { return outcome_; }

private:
    struct Connection {
        int fd = -1;
        std::unique_ptr<Task> task;
        ResponseReader reader;
        Outgoing out;
        std::size_t head_sent = 0;
        bool sending = false;
        bool waits_for_room = false;
        bool held_back = false;
        std::uint64_t unit_start = 0;
    };

    bool open_socket(Connection& c, int operation);
    bool begin();
    bool turn();
    void await_end();
    void count_unfinished();
    void drip(std::uint64_t now);
    bool next_request(Connection& c, std::uint64_t now);
    bool send_more(Connection& c);
    bool send_bytes(Connection& c, std::string_view text, std::size_t skip,
                    bool& full);
    bool send_file(Connection& c);
    bool is_over(std::uint64_t now, std::uint64_t deadline_ns) const;
    void receive(Connection& c, std::size_t most);
    void answered(Connection& c);
    void retire(Connection& c);
    unsigned wanted_events(bool room) const;
    void want_room(Connection& c, bool wanted);
    void fail(std::string why);

    const Options& options_;
    Shared& shared_;
    std::atomic<bool>& stop_;
    std::vector<Connection> connections_;
    std::vector<char> buffer_;
    std::uint64_t hold_back_;
    std::uint64_t next_drip_ns_ = 0;
    std::uint64_t last_event_ns_ = 0;
    int epoll_ = -1;
    int body_ = -1;
    int input_ = -1;
    bool input_ended_ = false;
    std::size_t active_ = 0;
    Outcome outcome_;
};

}  // namespace longshore::load
