// Scrubber: reads all that is stored, blobs and documents, and compares it
// with the digest in its name. What is damaged goes to <root>/quarantine and
// is written down; nginx is told to send no file again that it opened before.
// From then on the blob counts as not there, so that a push brings it again
// (Publisher closes the damage); documents are made anew.
//
// Nothing is taken away for one bad read: wrong bytes are read twice, what
// cannot be read is looked at again at the end of the pass. DigestLocks keep
// away who would rely on the bytes meanwhile, the file's number tells whether
// it is still the one that was read. The row is written before the rename: a
// crash leaves at most a damaged file in its place, and every pass begins
// with what is written down.
// Used by one thread.
// @errors of all functions here: unavailable, corrupt, internal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "store/stored_files.hpp"

namespace longshore {

class Database;
class DigestLocks;

namespace db {
struct Damage;
struct Scrub;
}  // namespace db

struct ScrubOptions {
    std::uint64_t bytes_per_s = 0;  // 0: as fast as it goes
    /// After how long what could not be read is tried once more.
    std::chrono::milliseconds again_after{5000};
    /// Asked often; true ends the pass early, where it can go on later.
    std::function<bool()> stopping;
    /// Told of files and bytes as they have been read.
    std::function<void(std::uint64_t files, std::uint64_t bytes)> read;
};

class Scrubber {
public:
    using Publish = std::function<void(const std::vector<std::string>& keys)>;

    /// `publish` tells nginx which keys to drop.
    Scrubber(Database& database, DigestLocks& locks, StoredFiles& files,
             Publish publish)
        : database_(database),
          locks_(locks),
          files_(files),
          publish_(std::move(publish)) {}

    /// Goes on with the pass, whose row there is, from where it stands. False:
    /// it was stopped, and its row says where.
    Result<bool> run(db::Scrub& scrub, const ScrubOptions& options);

    /// Looks again at what is written down as damaged: closes what is back or
    /// not wanted any more, takes away what is there and still damaged.
    Result<void> look_again(const ScrubOptions& options);

private:
    struct Run;
    Result<void> walk(Run& run);
    Result<void> check(Run& run, Area area, const Digest& digest);
    Result<void> suspect(Run& run, Area area, const Digest& digest,
                         const StoredFiles::Look& look);
    Result<void> take(Run& run, Area area, const Digest& digest,
                      const StoredFiles::Look& look);
    Result<void> look_at_open(Run& run, bool last);
    Result<void> look_at(Run& run, const db::Damage& damage, bool last);
    Result<bool> is_wanted(Area area, const Digest& digest);
    Result<std::vector<std::string>> kept_by_nginx(Area area,
                                                   const Digest& digest);
    Result<void> end_use(Area area, const Digest& digest);
    Result<void> close(Area area, const Digest& digest);
    Result<void> check_database(Run& run);
    Result<void> save(const db::Scrub& scrub);

    Database& database_;
    DigestLocks& locks_;
    StoredFiles& files_;
    Publish publish_;
};

}  // namespace longshore
