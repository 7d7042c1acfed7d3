// Indexer: drives a Takeover to its end, name by name, and goes on after a
// failure. Used by one thread.
#pragma once

#include <chrono>

#include "common/result.hpp"

namespace longshore {

class Takeover;

class Indexer {
public:
    explicit Indexer(Takeover& takeover) : takeover_(takeover) {}

    /// One portion of work; how long to wait before the next.
    std::chrono::milliseconds step();

    /// Everything, in this thread. @errors unavailable, corrupt
    Result<void> run();

private:
    Takeover& takeover_;
    bool names_found_ = false;
    std::chrono::milliseconds retry_ = std::chrono::milliseconds(1000);
};

}  // namespace longshore
