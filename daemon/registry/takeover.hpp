// Takeover: reads a directory that another registry wrote into the database,
// one repository name at a time, while everything is already served. Until a
// name is indexed its disk is asked for what the tables do not know. Whatever
// the tables know already (a tag pushed meanwhile) wins; a delete first has
// the name indexed, so that what was deleted cannot come back. A disk that
// cannot be read now is not taken for an empty one: such a name stays as it
// is until a later try.
// Thread-safe.
// @errors of all functions here: unavailable, corrupt; others where said.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "model/manifest.hpp"

namespace longshore {

class Database;
class BlobStore;
class Transaction;

/// What was not read yet may refer to anything: said of what has to know it
/// all. Code unavailable.
Error not_indexed_yet();

/// By what the tables say, where there is no Takeover.
/// @errors unavailable: not_indexed_yet()
Result<void> check_indexed(Transaction& t);

/// From bytes and Content-Type (may be empty) to what a manifest says.
using ManifestReader = Result<ManifestFacts> (*)(std::string_view bytes,
                                                 std::string_view content_type);

class Takeover {
public:
    Takeover(Database& database, BlobStore& store, ManifestReader reader);

    /// Learns from the database whether there is anything left to do.
    Result<void> open();

    /// True when the tables know everything; stays true.
    bool complete() const noexcept {
        return complete_.load(std::memory_order_acquire);
    }

    /// Makes a row for each name on disk. Returns how many were found.
    Result<std::size_t> find_names();

    /// Indexes the next name; false when all are done (complete() from then).
    /// After a failure the next call goes on with the name behind; the one
    /// that failed comes again when the end is reached.
    Result<bool> step();

    /// Indexes this name now, unless it is already; waits up to 2 s for
    /// another thread that does, or while 2 names are being indexed.
    /// @errors unavailable (also: not yet), corrupt, internal
    /// @thread any; blocks
    Result<void> adopt(std::string_view name);

    /// Makes all that is being indexed give up soon, and all that waits for
    /// it: the daemon ends. What was saved stays, the rest is for the next
    /// life. @thread any
    void end();
    bool ending() const noexcept {
        return ending_.load(std::memory_order_acquire);
    }

    // From the disk, for names that are not indexed.

    /// @errors not_found, unavailable
    Result<StoredManifest> manifest(std::string_view name,
                                    std::string_view reference);
    /// Size of a blob with a link on disk, nullopt without one.
    Result<std::optional<std::uint64_t>> linked(std::string_view name,
                                                const Digest& digest);
    /// All tags, in order. @errors unavailable
    Result<std::vector<std::string>> tags(std::string_view name);
    /// True if the name has a folder with manifests or layers.
    /// @errors unavailable, internal
    Result<bool> on_disk(std::string_view name);

private:
    struct Read {
        Digest digest;
        std::uint64_t size_bytes = 0;
        ManifestFacts facts;
    };
    // How long adopt_by waits for its turn.
    enum class Patience : bool { client, indexer };

    Result<Read> read_manifest(const Digest& digest);
    Result<void> adopt_by(std::string_view name, Patience patience);
    Result<void> adopt_unless_indexed(std::string_view name);
    Result<bool> is_indexed(std::string_view name);
    Result<void> adopt_all(std::string_view name);
    Result<void> adopt_manifests(std::string_view name);
    Result<void> adopt_layers(std::string_view name);
    Result<void> adopt_tags(std::string_view name);
    Result<void> save_manifests(std::string_view name,
                                const std::vector<Read>& manifests);

    Database& database_;
    BlobStore& store_;
    ManifestReader reader_;
    std::atomic<bool> complete_{false};
    std::atomic<bool> ending_{false};
    std::atomic<std::int64_t> behind_{0};  // id of the name that failed last

    std::mutex mutex_;
    std::condition_variable adopted_;
    std::set<std::string, std::less<>> busy_;
};

}  // namespace longshore
