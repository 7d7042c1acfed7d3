// Collector: when the garbage collector runs: every so often, and whenever
// `registryctl gc run` asks for it by a row of the table collections. Ages of
// files are by the wall clock; after somebody has set that, nothing is
// collected for one grace.
// Used by one thread.
// @errors of all functions here: unavailable, corrupt, internal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "common/result.hpp"
#include "jobs/clock_watch.hpp"
#include "store/blob_store.hpp"

namespace longshore {

class Database;
class GarbageCollector;
class Takeover;

namespace db {
struct Collection;
}

struct Collected;

struct CollectorSettings {
    std::int64_t grace_s = 86'400;
    std::int64_t interval_s = 3600;  // 0: only when asked to
    std::int64_t trash_s = 86'400;   // how long a blob may be had back
    /// Told of each run that came to its end, and of what is in the trash.
    std::function<void(const Collected&, const BlobStore::Trash&)> done = {};
};

class Collector {
public:
    Collector(Database& database, BlobStore& store, GarbageCollector& garbage,
              const Takeover& takeover, CollectorSettings settings)
        : database_(database),
          store_(store),
          garbage_(garbage),
          takeover_(takeover),
          settings_(std::move(settings)),
          clock_(database, "gc_clock", settings_.grace_s) {}

    /// Does the run that is due, if there is one; returns after how long to
    /// come again. `stopping` is asked often.
    Result<std::chrono::milliseconds> step(
        const std::function<bool()>& stopping);

    /// One run at once, where there is no daemon.
    Result<db::Collection> run_now(bool deep);

private:
    Result<bool> look();
    Result<std::optional<db::Collection>> due();
    BlobStore::Trash sweep();
    Result<void> run(db::Collection& collection,
                     const std::function<bool()>& stopping);

    Database& database_;
    BlobStore& store_;
    GarbageCollector& garbage_;
    const Takeover& takeover_;
    CollectorSettings settings_;
    std::optional<std::chrono::steady_clock::time_point> began_;
    ClockWatch clock_;
    bool is_quiet_ = false;
};

}  // namespace longshore
