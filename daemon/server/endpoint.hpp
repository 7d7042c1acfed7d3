// Endpoint: the ROUTER socket, a bounded queue and the worker threads.
//
// One thread owns the socket: it queues what arrives and sends what the
// workers give back. The queue is ours and not a DEALER's, because a DEALER
// deals to workers in turn whether they are busy or not, and because a full
// queue must be answered (503) instead of silently dropped. Two workers take
// no writes, so a read never waits behind a commit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <zmq.hpp>

#include "common/result.hpp"
#include "server/dispatch.hpp"

namespace longshore {

struct EndpointSettings {
    std::string endpoint;               // "ipc:///path"
    unsigned threads = 8;               // workers, at least 2
    std::size_t queue = 4096;           // questions that may wait
    unsigned socket_mode = 0660;        // of an ipc socket's file
    std::size_t max_message = 8 << 20;  // bytes; longer ones close the link
};

/// True for what may end in a commit: a body that arrived, and the methods
/// that need none. Reads what it must of the message, not all of it.
bool is_write(std::string_view message) noexcept;

class Endpoint {
public:
    Endpoint(zmq::context_t& context, EndpointSettings settings,
             Dispatch& dispatch, Invalidations& invalidations,
             Metrics& metrics);
    ~Endpoint();

    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    /// Opens both sockets and starts the threads. A socket file that a dead
    /// daemon left is replaced; that of a live one is not touched.
    /// @errors already_exists (a live daemon has it), unavailable
    Result<void> start();

    /// Takes no more questions, answers those that have arrived, joins.
    void stop() noexcept;

private:
    struct Job {
        zmq::message_t peer;
        zmq::message_t question;
    };

    Result<void> prepare_file();
    Result<void> open_sockets();
    void serve() noexcept;
    bool receive_some();
    void enqueue(Job job);
    void return_answers();
    void send_answer(zmq::message_t& peer, zmq::message_t& answer);
    void work(bool reads_only) noexcept;
    bool next_job(bool reads_only, Job& job);

    zmq::context_t& context_;
    EndpointSettings settings_;
    Dispatch& dispatch_;
    Invalidations& invalidations_;
    Metrics& metrics_;

    // Of the serving thread once it runs.
    zmq::socket_t router_;
    zmq::socket_t answers_;
    std::size_t in_flight_ = 0;  // queued or being worked on

    std::thread server_;
    std::vector<std::thread> workers_;
    std::atomic<bool> stopping_{false};

    std::mutex mutex_;                   // of what follows
    std::condition_variable any_work_;   // workers that take everything
    std::condition_variable read_work_;  // workers that take reads only
    std::size_t waiting_readers_ = 0;    // in read_work_.wait()
    std::deque<Job> reads_;
    std::deque<Job> writes_;
    bool finished_ = false;  // workers end

    int lock_ = -1;  // descriptor of the lock file, held for life
};

}  // namespace longshore
