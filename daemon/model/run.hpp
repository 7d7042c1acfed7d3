// Run: what the rows of collections, retention_runs, scrubs and undeletes have
// in common, and how one begins and ends. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace longshore {

struct Run {
    std::int64_t id = 0;           // 0: has no row yet
    std::string state = "wanted";  // then "running", "done" or "failed"
    std::int64_t wanted_at_ms = 0;
    std::int64_t started_at_ms = 0;
    std::int64_t ended_at_ms = 0;
    std::string error;

    /// One that was begun before goes on.
    void begin(std::int64_t now_ms) {
        if (state == "wanted") {
            state = "running";
            started_at_ms = now_ms;
        }
    }
    /// `fault`: why it failed; "": it is done.
    void end(std::int64_t now_ms, std::string fault) {
        state = fault.empty() ? "done" : "failed";
        ended_at_ms = now_ms;
        error = std::move(fault);
    }
    bool over() const { return state == "done" || state == "failed"; }
};

}  // namespace longshore
