// Links: makes the link files on disk follow the database. A write records an
// intent for each path it concerns; after the commit the path is made equal
// to what the tables say then. So the order in which two writers of one tag
// come here does not matter, and replaying intents after a crash is the same
// operation. Intents are forgotten once the file system is synced; those that
// a failed sync may have lost stay until the next start writes them anew.
// Thread-safe; one background thread sweeps.
// @errors of all functions here: unavailable, corrupt; others where said.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "common/layout.hpp"
#include "common/result.hpp"
#include "db/journal.hpp"

namespace longshore {

class BlobStore;

class Links {
public:
    Links(Database& database, BlobStore& store);
    ~Links();
    Links(const Links&) = delete;
    Links& operator=(const Links&) = delete;

    /// Replays what an earlier life left, then starts the sweeper, which goes
    /// on with what could not be done.
    /// @errors unavailable, corrupt (the database cannot be read)
    Result<void> start();

    /// Brings the paths of committed intents up to date. What fails is tried
    /// again by the sweeper; the first failure is returned. A large number is
    /// left to the sweeper as a whole, which begins at once.
    /// @errors unavailable, internal
    Result<void> apply(const std::vector<db::Intent>& intents);

    /// Syncs the file system and forgets applied intents. After a failure the
    /// kernel may have dropped what it held, and the next sync says nothing of
    /// it: what was applied before is not forgotten in this life.
    Result<void> sweep();

private:
    // Whether a link file that reads as it should is written again: what is
    // read may be in memory only.
    enum class Equal : bool { keep, rewrite };

    Result<void> apply(const std::vector<db::Intent>& intents, Equal equal);
    Result<void> reconcile(const db::Intent& intent, Equal equal);
    Result<void> follow_link(const Path& path, std::string_view digest,
                             bool wanted, Equal equal);
    Result<void> follow_tag(const db::Intent& intent,
                            const std::optional<Digest>& digest, Equal equal);
    Result<void> forget(const std::vector<std::int64_t>& ids);
    void sweep_loop() noexcept;

    Database& database_;
    BlobStore& store_;

    // One path is brought up to date by one thread at a time; held over the
    // read of the tables and the write of the file, which is the point.
    std::array<std::mutex, 64> paths_;

    std::mutex mutex_;
    std::condition_variable wanted_;
    std::vector<std::int64_t> applied_;
    std::uint64_t failed_syncs_ = 0;
    std::vector<db::Intent> late_;  // failed, or too many to wait for
    bool hurry_ = false;            // late_ is not to wait for the next sweep
    bool stopping_ = false;
    std::thread sweeper_;
};

}  // namespace longshore
