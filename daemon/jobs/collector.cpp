#include "jobs/collector.hpp"

#include <algorithm>
#include <string>

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "common/probe.hpp"
#include "db/audit.hpp"
#include "db/collections.hpp"
#include "db/runs.hpp"
#include "registry/garbage.hpp"
#include "registry/takeover.hpp"

namespace longshore {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookEvery{1000};
// Not before whoever restarted the daemon has seen that it works.
constexpr seconds kAfterStart{600};
constexpr std::int64_t kDeepEveryMs = 24LL * 3600 * 1000;
constexpr std::size_t kKeptRuns = 1000;

// What it did belongs to the history of the data.
Result<void> audit(Transaction& t, const db::Collection& run) {
    if (run.links == 0 && run.blobs == 0) {
        return {};
    }
    db::AuditEntry entry;
    entry.at_ms = run.ended_at_ms;
    entry.action = "gc.run";
    entry.actor.credential = "local";
    entry.detail = std::to_string(run.links) + " links, " +
                   std::to_string(run.blobs) + " blobs, " +
                   std::to_string(run.bytes) + " bytes";
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

}  // namespace

Result<std::chrono::milliseconds> Collector::step(
    const std::function<bool()>& stopping) {
    LS_TRY(complete, look());
    if (complete) {
        LS_TRY(wanted, due());
        if (wanted) {
            LS_CHECK(run(*wanted, stopping));
        }
    }
    return kLookEvery;
}

Result<db::Collection> Collector::run_now(bool deep) {
    LS_TRY(complete, look());
    if (!complete) {
        return not_indexed_yet();
    }
    db::Collection collection;
    collection.deep = deep;
    collection.wanted_at_ms = unix_ms();
    LS_CHECK(run(collection, [] { return false; }));
    return collection;
}

// False: not all is indexed yet.
Result<bool> Collector::look() {
    if (!began_) {
        LS_CHECK(database_.write([&](Transaction& t) {
            return db::end_open_runs(t, db::kCollections, unix_ms());
        }));
        began_ = steady_clock::now();
    }
    LS_TRY(quiet, clock_.is_quiet());
    is_quiet_ = quiet;
    return takeover_.complete();
}

// The one that is asked for, else one that is due by itself.
Result<std::optional<db::Collection>> Collector::due() {
    std::optional<db::Collection> found;
    auto now = unix_ms();
    bool by_itself = settings_.interval_s > 0 && !is_quiet_ &&
                     steady_clock::now() - *began_ >= kAfterStart;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, db::first_run(t, db::kCollections, "wanted"));
        LS_TRY(wanted, db::find_collection(t, id));
        found = std::move(wanted);
        if (found || !by_itself) {
            return {};
        }
        LS_TRY(last, db::last_collections(t));
        if (now - last.any_ms < settings_.interval_s * 1000) {
            return {};
        }
        found.emplace();
        found->deep = now - last.deep_ms >= kDeepEveryMs;
        found->wanted_at_ms = now;
        return {};
    }));
    return found;
}

// What is past its time in the spool and in the trash; what is left of that.
BlobStore::Trash Collector::sweep() {
    if (auto swept = store_.sweep_spool(); !swept) {
        spdlog::warn("sweep of the spool: {}", swept.error().message);
    }
    auto left = store_.empty_trash(settings_.trash_s);
    if (!left) {
        spdlog::warn("sweep of the trash: {}", left.error().message);
        return {};
    }
    return *left;
}

Result<void> Collector::run(db::Collection& collection,
                            const std::function<bool()>& stopping) {
    collection.begin(unix_ms());
    LS_CHECK(database_.write(
        [&](Transaction& t) { return db::put_collection(t, collection); }));
    LS_PROBE(gc, begun);
    Result<Collected> result =
        Error{Code::unavailable,
              "the clock was set: files are as old as they look "
              "again " +
                  std::to_string(settings_.grace_s) + " s later"};
    BlobStore::Trash trash;
    if (!is_quiet_) {
        CollectOptions options;
        options.grace_s = settings_.grace_s;
        options.deep = collection.deep;
        options.stopping = stopping;
        result = garbage_.run(options);
        trash = sweep();
    }
    LS_PROBE(gc, swept);
    std::string fault = stopping() ? "the daemon was stopped" : "";
    if (result) {
        collection.links = result->links;
        collection.blobs = result->blobs;
        collection.bytes = result->bytes;
        collection.kept = result->kept;
        if (settings_.done) {
            settings_.done(*result, trash);
        }
    } else {
        fault = result.error().message;
        spdlog::warn("garbage collection: {}", fault);
    }
    collection.end(unix_ms(), std::move(fault));
    auto written = database_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::put_collection(t, collection));
        LS_CHECK(audit(t, collection));
        return db::prune_runs(t, db::kCollections, kKeptRuns);
    });
    if (!written) {
        began_.reset();  // the next look ends its row, or somebody waits on
    }
    return written;
}

}  // namespace longshore
