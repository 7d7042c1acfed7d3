#include "jobs/retention_job.hpp"

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "db/database.hpp"
#include "db/retention.hpp"
#include "db/runs.hpp"
#include "registry/retention.hpp"
#include "registry/takeover.hpp"

namespace longshore {
namespace {

using std::chrono::steady_clock;

// Not before whoever restarted the daemon has seen that it works.
constexpr std::chrono::seconds kAfterStart{600};
constexpr std::size_t kKeptRuns = 1000;

}  // namespace

Result<void> RetentionJob::step(const std::function<bool()>& stopping) {
    LS_TRY(complete, look());
    if (!complete) {
        return {};
    }
    LS_TRY(wanted, due());
    return wanted ? run(*wanted, stopping) : Result<void>();
}

Result<RetentionRun> RetentionJob::run_now(const std::string& repository) {
    LS_TRY(complete, look());
    if (!complete) {
        return not_indexed_yet();
    }
    RetentionRun one;
    one.repository = repository;
    one.wanted_at_ms = unix_ms();
    LS_CHECK(run(one, [] { return false; }));
    return one;
}

// False: not all is indexed yet.
Result<bool> RetentionJob::look() {
    if (!began_) {
        LS_CHECK(database_.write([&](Transaction& t) {
            return db::end_open_runs(t, db::kRetentionRuns, unix_ms());
        }));
        began_ = steady_clock::now();
    }
    LS_TRY(quiet, clock_.is_quiet());
    is_quiet_ = quiet;
    return takeover_.complete();
}

// The one that is asked for, else one that is due by itself.
Result<std::optional<RetentionRun>> RetentionJob::due() {
    std::optional<RetentionRun> found;
    auto now = unix_ms();
    bool by_itself = settings_.interval_s > 0 && !is_quiet_ &&
                     steady_clock::now() - *began_ >= kAfterStart;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, db::first_run(t, db::kRetentionRuns, "wanted"));
        LS_TRY(wanted, db::find_retention_run(t, id));
        found = std::move(wanted);
        if (found || !by_itself) {
            return {};
        }
        LS_TRY(last, db::last_retention_run_ms(t));
        LS_TRY(policies, db::list_retention_policies(t));
        if (!policies.empty() && now - last >= settings_.interval_s * 1000) {
            found.emplace();
            found->wanted_at_ms = now;
        }
        return {};
    }));
    return found;
}

Result<RetentionReport> RetentionJob::run_rules(
    const RetentionRun& run, const std::function<bool()>& stopping) {
    if (is_quiet_) {
        return Error{Code::unavailable,
                     "the clock was set: tags are as old as they look again " +
                         std::to_string(kRetentionQuietS) + " s later"};
    }
    RetentionOptions options;
    options.repository = run.repository;
    options.now_ms = unix_ms();
    options.stopping = stopping;
    return retention_.run(options);
}

Result<void> RetentionJob::run(RetentionRun& run,
                               const std::function<bool()>& stopping) {
    run.begin(unix_ms());
    LS_CHECK(database_.write(
        [&](Transaction& t) { return db::put_retention_run(t, run); }));
    auto result = run_rules(run, stopping);
    std::string fault = stopping() ? "the daemon was stopped" : "";
    if (result) {
        run.tags = result->tags;
        run.manifests = result->manifests;
        run.spared = result->spared;
        if (settings_.done) {
            settings_.done(*result);
        }
    } else {
        fault = result.error().message;
        spdlog::warn("retention: {}", fault);
    }
    run.end(unix_ms(), std::move(fault));
    auto written = database_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::put_retention_run(t, run));
        return db::prune_runs(t, db::kRetentionRuns, kKeptRuns);
    });
    if (!written) {
        began_.reset();  // the next look ends its row, or somebody waits on
    }
    return written;
}

}  // namespace longshore
