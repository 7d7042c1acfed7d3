#include "server/endpoint.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "common/bytes.hpp"
#include "common/probe.hpp"
#include "common/protocol.hpp"
#include "server/log.hpp"

namespace longshore {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kAnswers = "inproc://registryd-answers";
constexpr auto kHeartbeat = std::chrono::milliseconds(1000);
// Clients that never pause must not keep a daemon from ending.
constexpr auto kMaxDrain = std::chrono::seconds(2);
constexpr unsigned kReadersOnly = 2;
constexpr int kBatch = 64;  // questions taken before answers are sent again

// Path of an ipc endpoint in the file system, or empty.
std::string socket_path(const std::string& endpoint) {
    constexpr std::string_view kIpc = "ipc://";
    if (!endpoint.starts_with(kIpc) || endpoint.starts_with("ipc://@")) {
        return {};
    }
    return endpoint.substr(kIpc.size());
}

// Everything a socket may need to give up on a peer that is gone.
void set_limits(zmq::socket_t& router, std::size_t max_message) {
    router.set(zmq::sockopt::router_mandatory, true);
    router.set(zmq::sockopt::sndhwm, 10'000);
    router.set(zmq::sockopt::rcvhwm, 10'000);
    router.set(zmq::sockopt::linger, 500);
    router.set(zmq::sockopt::maxmsgsize,
               static_cast<std::int64_t>(max_message));
    router.set(zmq::sockopt::heartbeat_ivl, 2'000);
    router.set(zmq::sockopt::heartbeat_timeout, 6'000);
}

}  // namespace

bool is_write(std::string_view message) noexcept {
    switch (question_type(message).value_or(QuestionType::tally)) {
        case QuestionType::received:
            return true;
        case QuestionType::ask:
            break;
        case QuestionType::tally:
            return false;
    }
    ByteReader in(message.substr(2));  // behind version and type
    static_cast<void>(in.u64());       // id
    auto method = in.text();
    return method == "POST" || method == "DELETE";
}

Endpoint::Endpoint(zmq::context_t& context, EndpointSettings settings,
                   Dispatch& dispatch, Invalidations& invalidations,
                   Metrics& metrics)
    : context_(context),
      settings_(std::move(settings)),
      dispatch_(dispatch),
      invalidations_(invalidations),
      metrics_(metrics) {}

Endpoint::~Endpoint() {
    stop();
    if (lock_ >= 0) {
        ::close(lock_);
    }
}

Result<void> Endpoint::start() {
    LS_CHECK(prepare_file());
    // The file must never be open to more than it is meant for.
    auto old_mask = ::umask(0777 & ~settings_.socket_mode);
    auto opened = open_sockets();
    ::umask(old_mask);
    LS_CHECK(std::move(opened));
    auto path = socket_path(settings_.endpoint);
    for (const auto& file : {path, path + ".pub"}) {
        if (!path.empty() &&
            ::chmod(file.c_str(), settings_.socket_mode) != 0) {
            return errno_error("chmod " + file, errno);
        }
    }
    server_ = std::thread([this] { serve(); });
    for (unsigned i = 0; i < settings_.threads; ++i) {
        bool reads_only = settings_.threads > kReadersOnly && i < kReadersOnly;
        workers_.emplace_back([this, reads_only] { work(reads_only); });
    }
    return {};
}

// ZeroMQ would unlink a live daemon's socket and take its place unseen. The
// lock dies with its process, so it tells a live daemon from a stale file.
Result<void> Endpoint::prepare_file() {
    auto path = socket_path(settings_.endpoint);
    if (path.empty()) {
        return {};
    }
    struct stat found {};
    if (::lstat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode)) {
        return Error{Code::already_exists,
                     path + " exists and is not a socket"};
    }
    auto file = path + ".lock";
    lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ < 0) {
        return errno_error("cannot create " + file, errno);
    }
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        return Error{Code::already_exists,
                     settings_.endpoint + " is in use by another registryd"};
    }
    return {};
}

Result<void> Endpoint::open_sockets() {
    try {
        answers_ = zmq::socket_t(context_, zmq::socket_type::pull);
        answers_.set(zmq::sockopt::rcvhwm, 0);
        answers_.bind(std::string(kAnswers));
        router_ = zmq::socket_t(context_, zmq::socket_type::router);
        set_limits(router_, settings_.max_message);
        router_.bind(settings_.endpoint);
    } catch (const zmq::error_t& error) {
        return Error{
            Code::unavailable,
            "cannot listen on " + settings_.endpoint + ": " + error.what()};
    }
    return invalidations_.bind(invalidation_endpoint(settings_.endpoint));
}

void Endpoint::stop() noexcept {
    if (!server_.joinable()) {
        return;
    }
    try {
        stopping_ = true;
        zmq::socket_t wake(context_, zmq::socket_type::push);
        wake.connect(std::string(kAnswers));
        wake.send(zmq::message_t(), zmq::send_flags::none);
    } catch (const zmq::error_t&) {
        // Then the heartbeat's timeout wakes it.
        metrics_.lost_answer();
    }
    server_.join();
    {
        std::lock_guard lock(mutex_);
        finished_ = true;
    }
    any_work_.notify_all();
    read_work_.notify_all();
    for (auto& worker : workers_) {
        worker.join();
    }
    workers_.clear();
    invalidations_.close();
    router_.close();
    answers_.close();
}

void Endpoint::serve() noexcept {
    auto next_beat = Clock::now();
    std::optional<Clock::time_point> drain_until;
    bool last_round = false;
    while (!last_round || in_flight_ > 0) {
        try {
            auto now = Clock::now();
            if (now >= next_beat) {
                invalidations_.heartbeat();
                next_beat = now + kHeartbeat;
            }
            std::array<zmq::pollitem_t, 2> items = {
                zmq::pollitem_t{answers_.handle(), 0, ZMQ_POLLIN, 0},
                zmq::pollitem_t{router_.handle(), 0, ZMQ_POLLIN, 0}};
            zmq::poll(items.data(), last_round ? 1 : 2,
                      std::chrono::duration_cast<std::chrono::milliseconds>(
                          next_beat - now) +
                          std::chrono::milliseconds(1));
            return_answers();
            if (!last_round) {
                // Asked before: what comes after stop() may be left unread.
                bool stopping = stopping_;
                bool more = receive_some();
                if (stopping && !drain_until) {
                    drain_until = now + kMaxDrain;
                }
                last_round = stopping && (!more || now >= *drain_until);
            }
        } catch (const std::exception& error) {
            LogLine("endpoint").text("message", error.what()).error();
        }
    }
}

// False when nothing was left.
bool Endpoint::receive_some() {
    for (int i = 0; i < kBatch; ++i) {
        Job job;
        if (!router_.recv(job.peer, zmq::recv_flags::dontwait)) {
            return false;
        }
        bool whole = job.peer.more() &&
                     router_.recv(job.question, zmq::recv_flags::none) &&
                     !job.question.more();
        if (!whole) {
            metrics_.bad_message();
            while (router_.get(zmq::sockopt::rcvmore)) {
                static_cast<void>(
                    router_.recv(job.question, zmq::recv_flags::none));
            }
            continue;
        }
        enqueue(std::move(job));
    }
    return true;
}

void Endpoint::enqueue(Job job) {
    bool write = is_write(job.question.to_string_view());
    std::unique_lock lock(mutex_);
    auto length = reads_.size() + writes_.size();
    if (length >= settings_.queue) {
        lock.unlock();
        auto answer = dispatch_.refuse(job.question.to_string_view());
        zmq::message_t message(answer.data(), answer.size());
        send_answer(job.peer, message);
        return;
    }
    metrics_.queue_length(length + 1);
    ++in_flight_;
    (write ? writes_ : reads_).push_back(std::move(job));
    // Every read that nobody has taken yet woke one waiting reader, as long
    // as there were as many readers as reads.
    bool for_reader = !write && reads_.size() <= waiting_readers_;
    lock.unlock();
    (for_reader ? read_work_ : any_work_).notify_one();
}

void Endpoint::return_answers() {
    zmq::message_t peer;
    while (answers_.recv(peer, zmq::recv_flags::dontwait)) {
        if (!peer.more()) {
            continue;  // the wake-up of stop()
        }
        zmq::message_t answer;
        static_cast<void>(answers_.recv(answer, zmq::recv_flags::none));
        --in_flight_;
        send_answer(peer, answer);
    }
}

void Endpoint::send_answer(zmq::message_t& peer, zmq::message_t& answer) {
    if (answer.size() == 0) {
        return;  // a Tally, or garbage
    }
    try {
        auto flags = zmq::send_flags::dontwait | zmq::send_flags::sndmore;
        if (router_.send(peer, flags)) {
            router_.send(answer, zmq::send_flags::dontwait);
            LS_PROBE(answer, sent);
            return;
        }
    } catch (const zmq::error_t& error) {
        if (error.num() != EHOSTUNREACH) {
            LogLine("answer lost").text("message", error.what()).warning();
        }
    }
    metrics_.lost_answer();
}

void Endpoint::work(bool reads_only) noexcept {
    try {
        zmq::socket_t back(context_, zmq::socket_type::push);
        back.set(zmq::sockopt::sndhwm, 0);
        back.set(zmq::sockopt::linger, 0);
        back.connect(std::string(kAnswers));
        Job job;
        while (next_job(reads_only, job)) {
            auto answer = dispatch_.answer(job.question.to_string_view());
            LS_PROBE(answer, made);
            back.send(job.peer, zmq::send_flags::sndmore);
            back.send(zmq::buffer(answer), zmq::send_flags::none);
            job = {};
        }
    } catch (const std::exception& error) {
        LogLine("worker ended").text("message", error.what()).error();
    }
}

bool Endpoint::next_job(bool reads_only, Job& job) {
    std::unique_lock lock(mutex_);
    while (!finished_) {
        // Writes first: reads have workers of their own.
        auto* queue = !reads_only && !writes_.empty() ? &writes_ : &reads_;
        if (!queue->empty()) {
            job = std::move(queue->front());
            queue->pop_front();
            metrics_.queue_length(reads_.size() + writes_.size());
            return true;
        }
        if (reads_only) {
            ++waiting_readers_;
            read_work_.wait(lock);
            --waiting_readers_;
        } else {
            any_work_.wait(lock);
        }
    }
    return false;
}

}  // namespace longshore
