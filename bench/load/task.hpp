// What a connection does: a task hands out the next request and judges its
// answer. One task per connection; `GetTask` takes targets from a shared list
// again and again, `PushTask` blobs from a shared plan until it is used up.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "load/options.hpp"
#include "load/response.hpp"

namespace longshore::load {

/// A request as it goes to the socket: head, then `prefix`, then `length`
/// bytes of the body file from `offset`. The views live until the next call
/// of `Task::prepare`.
struct Outgoing {
    std::string_view head;
    std::string_view prefix;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool no_body = false;
};

class Task {
public:
    enum class Verdict { kStep, kUnit, kWrong };

    virtual ~Task() = default;

    /// Makes the next request; false when no work is left.
    virtual bool prepare(Outgoing& out) = 0;

    /// Judges an answer: `kStep` the unit goes on, `kUnit` it is complete,
    /// `kWrong` the answer is not the expected one, with the reason in `why`.
    virtual Verdict accept(const Response& response, std::uint64_t body_bytes,
                           std::string& why) = 0;
};

/// State that the tasks of all threads share.
struct Shared {
    std::atomic<std::size_t> next_blob{0};
    std::atomic<std::uint64_t> next_target{0};
};

std::unique_ptr<Task> make_task(const Options& options, Shared& shared);

}  // namespace longshore::load
