// ScrubJob: when the scrubber runs: every so many days, whenever `registryctl
// scrub run` asks for it by a row of the table scrubs, and on from where it
// stood when the daemon ended. Its thread reads at idle I/O priority.
// Used by one thread.
// @errors of all functions here: unavailable, corrupt, internal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "common/result.hpp"
#include "registry/scrubber.hpp"

namespace longshore {

class Database;

namespace db {
struct Scrub;
}

struct ScrubState {
    std::uint64_t damaged_files = 0;
    bool damaged_database = false;
    std::int64_t last_pass_ms = 0;
};

struct ScrubSettings {
    std::int64_t interval_ms = 0;   // 0: only when asked to
    std::uint64_t bytes_per_s = 0;  // 0: as fast as it goes
    std::function<void(std::uint64_t files, std::uint64_t bytes)> read = {};
    /// Told whenever it was looked at.
    std::function<void(const ScrubState&)> state = {};
};

/// Lets the disk do what anybody else wants of it before what this thread
/// does. Specification: ioprio_set(2), IOPRIO_CLASS_IDLE.
void be_idle_on_disk() noexcept;

class ScrubJob {
public:
    ScrubJob(Database& database, Scrubber& scrubber, ScrubSettings settings)
        : database_(database),
          scrubber_(scrubber),
          settings_(std::move(settings)) {}

    /// Does the pass that is due, if there is one; returns after how long to
    /// come again. `stopping` is asked often.
    Result<std::chrono::milliseconds> step(
        const std::function<bool()>& stopping);

    /// One pass at once: "files", where there is no daemon, or "database".
    Result<db::Scrub> run_now(std::string_view kind);

private:
    Result<std::optional<db::Scrub>> due();
    Result<void> run(db::Scrub& scrub, const std::function<bool()>& stopping);
    Result<void> tell_state();
    ScrubOptions options(const std::function<bool()>& stopping);

    Database& database_;
    Scrubber& scrubber_;
    ScrubSettings settings_;
    std::optional<std::chrono::steady_clock::time_point> began_;
    std::chrono::steady_clock::time_point looked_;
    std::chrono::steady_clock::time_point told_;
};

}  // namespace longshore
