// RetentionJob: when retention runs: every so often, and whenever `registryctl
// retention run` or the API asks for it by a row of the table retention_runs.
// Ages are by the wall clock; after somebody has set that, nothing goes for a
// day. Used by one thread, before the garbage collector.
// @errors of all functions here: unavailable, corrupt, internal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "jobs/clock_watch.hpp"

namespace longshore {

class Database;
class Retention;
class Takeover;
struct RetentionReport;
struct RetentionRun;

inline constexpr std::int64_t kRetentionQuietS = 86'400;

struct RetentionSettings {
    std::int64_t interval_s = 3600;  // 0: only when asked to
    /// Told of each run that came to its end.
    std::function<void(const RetentionReport&)> done = {};
};

class RetentionJob {
public:
    RetentionJob(Database& database, Retention& retention,
                 const Takeover& takeover, RetentionSettings settings)
        : database_(database),
          retention_(retention),
          takeover_(takeover),
          settings_(std::move(settings)),
          clock_(database, "retention_clock", kRetentionQuietS) {}

    /// Does the run that is due, if there is one. `stopping` is asked often.
    Result<void> step(const std::function<bool()>& stopping);

    /// One run at once, where there is no daemon.
    Result<RetentionRun> run_now(const std::string& repository);

private:
    Result<bool> look();
    Result<std::optional<RetentionRun>> due();
    Result<RetentionReport> run_rules(const RetentionRun& run,
                                      const std::function<bool()>& stopping);
    Result<void> run(RetentionRun& run, const std::function<bool()>& stopping);

    Database& database_;
    Retention& retention_;
    const Takeover& takeover_;
    RetentionSettings settings_;
    ClockWatch clock_;
    bool is_quiet_ = false;
    std::optional<std::chrono::steady_clock::time_point> began_;
};

}  // namespace longshore
