// GarbageCollector: takes away what nothing refers to, while everybody pushes
// and pulls. Two steps, each its own: a blob that no manifest of a repository
// refers to leaves that repository; a blob that no repository and no package
// has leaves the disk.
//
// What keeps it from both is the age of the file on disk, link or data: an
// upload, a mount, a HEAD that was answered 200 make it new (a lease), and
// only what is older than the grace goes. The last look is at a file that was
// set aside by a rename, so that whoever makes it new at the same moment is
// either seen or finds nothing; DigestLocks keep away who writes references.
// Then the tables, then the file: a crash leaves at most a file too many.
//
// Untagged manifests stay: they go by retention or by a delete.
// @errors of all functions here: unavailable, corrupt, internal.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/layout.hpp"
#include "common/result.hpp"

namespace longshore {

class BlobStore;
class Database;
class Links;

namespace db {
struct UnusedBlob;
}

/// What goes, or in a dry run would go.
struct Garbage {
    enum class Kind : std::uint8_t { link, blob };
    Kind kind = Kind::link;
    std::string_view name;  // of a link's repository, else ""
    std::string_view digest;
    std::uint64_t size_bytes = 0;
};

struct CollectOptions {
    /// Only what was last changed longer ago.
    std::int64_t grace_s = 86'400;
    /// Changes nothing.
    bool dry_run = false;
    /// Reads the folders of blobs too, for files that no table knows.
    bool deep = false;
    /// Asked often; true ends the run early.
    std::function<bool()> stopping;
    std::function<void(const Garbage&)> visit;
};

struct Collected {
    std::int64_t links = 0;
    std::int64_t blobs = 0;
    std::int64_t bytes = 0;
    std::int64_t kept = 0;  // by a lease, or somebody at work with it
};

class GarbageCollector {
public:
    using Publish = std::function<void(const std::vector<std::string>& keys)>;

    /// `publish` tells nginx which keys to drop.
    GarbageCollector(Database& database, BlobStore& store, Links& links,
                     Publish publish)
        : database_(database),
          store_(store),
          links_(links),
          publish_(std::move(publish)) {}

    /// One pass over all that is stored. The takeover has to be complete: what
    /// it has not read yet may refer to anything. One run at a time.
    Result<Collected> run(const CollectOptions& options);

private:
    struct Run;
    struct Candidate;
    Result<void> window(Run& run, std::int64_t after, std::int64_t through);
    Result<std::vector<Candidate>> old_blobs(
        Run& run, const std::vector<db::UnusedBlob>& unused);
    void remove_old_folder(const Run& run, const Digest& digest);
    Result<void> unknown_files(Run& run, const Path& shelf);
    Result<void> would_go(Run& run, const std::vector<Candidate>& links,
                          std::int64_t after, std::int64_t through);
    Result<void> collect(Run& run, std::vector<Candidate> candidates);
    Result<void> collect_batch(Run& run, std::span<Candidate> batch);
    Result<void> take(Run& run, std::span<Candidate> batch);
    bool is_young(const Run& run, const Candidate& candidate);

    Database& database_;
    BlobStore& store_;
    Links& links_;
    Publish publish_;
};

}  // namespace longshore
