#include "jobs/retention_job.hpp"

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "db/database.hpp"
#include "db/retention.hpp"
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
    if (!begun_) {
        LS_CHECK(begin());
        begun_ = true;
    }
    LS_TRY(quiet, clock_.is_quiet());
    is_quiet_ = quiet;
    if (!takeover_.complete()) {
        return {};
    }
    LS_TRY(wanted, due());
    return wanted ? run(*wanted, stopping) : Result<void>();
}

Result<db::RetentionRun> RetentionJob::run_now(const std::string& repository) {
    LS_CHECK(begin());
    LS_TRY(quiet, clock_.is_quiet());
    is_quiet_ = quiet;
    if (!takeover_.complete()) {
        return Error{Code::unavailable,
                     "the directory has not been indexed completely yet"};
    }
    db::RetentionRun one;
    one.repository = repository;
    one.wanted_at_ms = unix_ms();
    LS_CHECK(run(one, [] { return false; }));
    return one;
}

Result<void> RetentionJob::begin() {
    began_ = steady_clock::now();
    return database_.write([&](Transaction& t) -> Result<void> {
        return db::end_open_retention_runs(t, unix_ms());
    });
}

// The one that is asked for, else one that is due by itself.
Result<std::optional<db::RetentionRun>> RetentionJob::due() {
    std::optional<db::RetentionRun> found;
    auto now = unix_ms();
    bool by_itself = settings_.interval_s > 0 && !is_quiet_ &&
                     steady_clock::now() - began_ >= kAfterStart;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(wanted, db::wanted_retention_run(t));
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
    const db::RetentionRun& run, const std::function<bool()>& stopping) {
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

Result<void> RetentionJob::run(db::RetentionRun& run,
                               const std::function<bool()>& stopping) {
    run.state = "running";
    run.started_at_ms = unix_ms();
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        if (run.id == 0) {
            LS_TRY(id, db::add_retention_run(t, run));
            run.id = id;
        }
        return db::put_retention_run(t, run);
    }));
    auto result = run_rules(run, stopping);
    run.ended_at_ms = unix_ms();
    if (result) {
        run.state = stopping() ? "failed" : "done";
        run.error = stopping() ? "the daemon was stopped" : "";
        run.tags = result->tags;
        run.manifests = result->manifests;
        run.spared = result->spared;
        if (settings_.done) {
            settings_.done(*result);
        }
    } else {
        run.state = "failed";
        run.error = result.error().message;
        spdlog::warn("retention: {}", result.error().message);
    }
    return database_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::put_retention_run(t, run));
        return db::prune_retention_runs(t, kKeptRuns);
    });
}

}  // namespace longshore
