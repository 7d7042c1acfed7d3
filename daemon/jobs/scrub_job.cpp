#include "jobs/scrub_job.hpp"

#include <string>

#include <linux/ioprio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"
#include "db/runs.hpp"
#include "db/scrub.hpp"

namespace longshore {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookEvery{1000};
// Not before whoever restarted the daemon has seen that it works.
constexpr seconds kAfterStart{600};
// What is damaged may have come back without anybody telling us.
constexpr seconds kLookAgainEvery{60};
// A pass that failed is begun again, but not at once.
constexpr std::int64_t kAfterFaultMs = 3600LL * 1000;
constexpr std::size_t kKeptPasses = 1000;
constexpr std::int64_t kKeptDamageMs = 365LL * 86'400 * 1000;

Result<void> audit(Transaction& t, const db::Scrub& scrub) {
    db::AuditEntry entry;
    entry.at_ms = scrub.ended_at_ms;
    entry.action = "scrub.run";
    entry.actor.credential = "local";
    entry.detail = std::to_string(scrub.files) + " files, " +
                   std::to_string(scrub.bytes) + " bytes, " +
                   std::to_string(scrub.damaged) + " damaged, database " +
                   (scrub.database_state == "ok" ? "ok" : "not ok");
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

}  // namespace

void be_idle_on_disk() noexcept {
    // Of the calling thread alone. Where the kernel refuses, the rate is left.
    if (::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                  IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)) != 0) {
        spdlog::warn("scrub: no idle I/O priority");
    }
}

ScrubOptions ScrubJob::options(const std::function<bool()>& stopping) {
    ScrubOptions options;
    options.bytes_per_s = settings_.bytes_per_s;
    options.stopping = stopping;
    options.read = [this](std::uint64_t files, std::uint64_t bytes) {
        if (settings_.read) {
            settings_.read(files, bytes);
        }
        // A pass takes days.
        if (auto now = steady_clock::now(); now - told_ >= kLookEvery) {
            (void)tell_state();
            told_ = now;
        }
    };
    return options;
}

Result<std::chrono::milliseconds> ScrubJob::step(
    const std::function<bool()>& stopping) {
    auto now = steady_clock::now();
    if (!began_) {
        be_idle_on_disk();
        began_ = now;
    }
    if (looked_ == steady_clock::time_point{} ||
        now - looked_ >= kLookAgainEvery) {
        LS_CHECK(scrubber_.look_again(options(stopping)));
        looked_ = now;
    }
    LS_TRY(wanted, due());
    if (wanted) {
        LS_CHECK(run(*wanted, stopping));
    }
    LS_CHECK(tell_state());
    return kLookEvery;
}

Result<db::Scrub> ScrubJob::run_now(std::string_view kind) {
    db::Scrub scrub;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, db::first_run(t, db::kScrubs, "running"));
        LS_TRY(left, db::find_scrub(t, id));
        if (left && left->kind == kind) {
            scrub = std::move(*left);
        }
        return {};
    }));
    scrub.kind = kind;
    if (scrub.id == 0) {
        scrub.wanted_at_ms = unix_ms();
    }
    LS_CHECK(run(scrub, [] { return false; }));
    return scrub;
}

// One that was begun, one that is asked for, else one that is due by itself.
Result<std::optional<db::Scrub>> ScrubJob::due() {
    std::optional<db::Scrub> found;
    auto now = unix_ms();
    bool by_itself = settings_.interval_ms > 0 &&
                     steady_clock::now() - *began_ >= kAfterStart;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(begun, db::first_run(t, db::kScrubs, "running"));
        LS_TRY(wanted, db::first_run(t, db::kScrubs, "wanted"));
        LS_TRY(scrub, db::find_scrub(t, begun != 0 ? begun : wanted));
        found = std::move(scrub);
        if (found || !by_itself) {
            return {};
        }
        LS_TRY(last, db::last_scrub_ms(t));
        // Also after the clock was set back.
        bool due = last > now || now - last >= settings_.interval_ms;
        LS_TRY(before, db::list_scrubs(t, 1));
        if (due && (before.empty() || before.front().state != "failed" ||
                    now - before.front().ended_at_ms >= kAfterFaultMs)) {
            found.emplace();
            found->wanted_at_ms = now;
        }
        return {};
    }));
    return found;
}

Result<void> ScrubJob::run(db::Scrub& scrub,
                           const std::function<bool()>& stopping) {
    scrub.begin(unix_ms());
    auto put = [&](Transaction& t) -> Result<void> {
        if (scrub.id == 0) {
            LS_CHECK(db::add_scrub(t, scrub));
        }
        return db::put_scrub(t, scrub);
    };
    // What registryctl does beside a daemon, that one must not go on with.
    if (scrub.kind == "files") {
        LS_CHECK(database_.write(put));
    }
    auto ended = scrubber_.run(scrub, options(stopping));
    if (ended && !*ended) {
        return {};  // the next life goes on with it
    }
    scrub.end(unix_ms(), ended ? "" : ended.error().message);
    if (!ended) {
        spdlog::error("scrub: {}", scrub.error);
    }
    return database_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(put(t));
        LS_CHECK(audit(t, scrub));
        LS_CHECK(db::prune_damages(t, unix_ms() - kKeptDamageMs));
        return db::prune_runs(t, db::kScrubs, kKeptPasses);
    });
}

Result<void> ScrubJob::tell_state() {
    if (!settings_.state) {
        return {};
    }
    ScrubState state;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(damaged, db::count_open_damages(t));
        LS_TRY(last, db::last_scrub_ms(t));
        LS_TRY(checked, db::last_database_check(t));
        state.damaged_files = static_cast<std::uint64_t>(damaged);
        state.damaged_database = checked && checked->database_state != "ok";
        state.last_pass_ms = last;
        return {};
    }));
    settings_.state(state);
    return {};
}

}  // namespace longshore
