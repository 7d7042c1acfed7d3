// Publisher: every write of metadata, one transaction each, durable when the
// call returns. Writes of all threads that wait at the same moment share one
// commit. Thread-safe; each call blocks until its commit.
//
// The transaction is the truth of an acknowledged write; link files on disk
// follow it. What is still to be put on disk is recorded in the same
// transaction (table disk_intents) and replayed at start, so after a crash
// both agree.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "model/access.hpp"
#include "model/manifest.hpp"

namespace longshore {

class Database;
class BlobStore;
class Links;
class Takeover;

/// Policy switches of manifest PUT.
struct ManifestPolicy {
    /// Children of an index may be missing (OCI: sparse index).
    bool sparse_indexes = true;
    /// Config and layers of an image may be missing.
    bool sparse_images = false;
};

/// Optimistic concurrency on a tag: RFC 9110 If-Match / If-None-Match.
struct TagCondition {
    std::vector<Digest> if_match;    // empty: no condition
    bool if_match_any = false;       // "*": the tag must exist
    bool if_none_match_any = false;  // "*": the tag must not exist
};

struct ManifestDraft {
    std::string_view bytes;
    Digest digest;
    ManifestFacts facts;
    std::vector<std::string> tags;  // may be empty: by digest only
    TagCondition condition;
    std::string_view request_id;
};

/// Cache keys that the write made stale; they travel in the Decision and
/// over PUB.
struct Written {
    std::vector<std::string> drops;
};

class Publisher {
public:
    Publisher(Database& database, BlobStore& store, ManifestPolicy policy);
    ~Publisher();

    /// Has names indexed before something is deleted from them, until
    /// `takeover` is complete. Before start().
    void attach(Takeover& takeover) noexcept { takeover_ = &takeover; }

    /// Replays the disk intents of an earlier life and starts the sweeper.
    /// Once, before the first write. @errors unavailable, corrupt
    Result<void> start();

    /// Stores bytes, revision, references, subject and tags.
    /// @errors not_found with reason MANIFEST_BLOB_UNKNOWN (sent with 400;
    ///         the detail is a JSON list of all missing digests),
    ///         precondition_failed, conflict with reason DENIED (a tag that
    ///         is immutable names another digest), unavailable
    Result<Written> put_manifest(const Access& access,
                                 const ManifestDraft& draft);

    /// By digest: the manifest and every tag that points to it.
    /// @errors not_found (MANIFEST_UNKNOWN), conflict (DENIED: an immutable
    ///         tag leads to it)
    Result<Written> delete_manifest(const Access& access, const Digest& digest,
                                    std::string_view request_id);

    /// Only the tag.
    /// @errors not_found (MANIFEST_UNKNOWN), conflict (DENIED: immutable)
    Result<Written> delete_tag(const Access& access, std::string_view tag,
                               std::string_view request_id);

    /// Unlinks a blob from the repository.
    /// @errors not_found (BLOB_UNKNOWN), conflict (DENIED: as a manifest's)
    Result<Written> delete_blob(const Access& access, const Digest& digest,
                                std::string_view request_id);

    /// Keeps the garbage collector from a blob of the repository for its
    /// grace: whoever is told that it is there may rely on it.
    /// @errors not_found (BLOB_UNKNOWN)
    Result<void> keep_blob(const Access& access, const Digest& digest);

    /// Links a blob that is durable in the store; its link file is on disk
    /// when the call returns. For finished uploads and mounts.
    /// @errors not_found (BLOB_UNKNOWN) if the store has no such blob
    Result<Written> link_blob(const Access& access, const Digest& digest,
                              std::string_view request_id);

    /// What brings the link files in agreement with the tables.
    Links& links() noexcept { return *links_; }

private:
    /// Has the name indexed if the takeover has not come to it yet.
    Result<void> adopt(const Access& access);
    Result<bool> is_guarded(const Access& access, const ManifestDraft& draft);
    Result<bool> adopt_missing(const Access& access, const ManifestDraft& draft,
                               const std::vector<Digest>& missing);
    Result<void> check(const Access& access, const ManifestDraft& draft);

    Database& database_;
    BlobStore& store_;
    ManifestPolicy policy_;
    Takeover* takeover_ = nullptr;
    std::unique_ptr<Links> links_;
};

}  // namespace longshore
