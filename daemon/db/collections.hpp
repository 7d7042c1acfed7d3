// Statements of the garbage collector: what nothing refers to, and the table
// of its runs. What is found may be referred to a moment later; each statement
// that removes looks again in its own transaction.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.hpp"
#include "db/database.hpp"
#include "model/run.hpp"

namespace longshore::db {

/// The greatest id of a blob; 0 without blobs.
Result<std::int64_t> last_blob(Transaction& t);

/// A blob of a repository that none of its manifests refers to.
struct UnusedLink {
    std::int64_t name_id = 0;
    std::int64_t blob_id = 0;
    std::string name;
    std::string digest;
    std::uint64_t size_bytes = 0;
};
/// Of blobs with `after` < id ≤ `through`, of names that are indexed.
Result<std::vector<UnusedLink>> list_unused_links(Transaction& t,
                                                  std::int64_t after,
                                                  std::int64_t through);
/// False if it is in use, or not there.
Result<bool> delete_unused_link(Transaction& t, std::int64_t name_id,
                                std::int64_t blob_id);

/// A blob that no repository has and nothing refers to.
struct UnusedBlob {
    std::int64_t id = 0;
    std::string digest;
    /// nullopt: it was only mentioned, the store never had it.
    std::optional<std::uint64_t> size_bytes;
};
Result<std::vector<UnusedBlob>> list_unused_blobs(Transaction& t,
                                                  std::int64_t after,
                                                  std::int64_t through);
/// False if it is in use, or not there.
Result<bool> is_unused_blob(Transaction& t, std::int64_t id);
/// The same, and then it is gone.
Result<bool> delete_unused_blob(Transaction& t, std::int64_t id);

/// How many repositories have the blob; nullopt if anything else than that
/// refers to it.
Result<std::optional<std::int64_t>> repositories_of_unreferred(
    Transaction& t, std::int64_t blob);

/// What refers to a blob, for whoever asks why it is there. At most `n`.
struct BlobUse {
    /// "tag" "manifest" "child" "config" "layer" "subject" "link" "file"
    std::string_view kind;
    std::string repository;  // a name, or "format/key" of packages
    std::string reference;   // tag, digest of the manifest, or path
};
Result<std::vector<BlobUse>> list_uses(Transaction& t, std::int64_t blob,
                                       std::size_t n);

/// One run.
struct Collection : Run {
    bool deep = false;
    std::int64_t links = 0;
    std::int64_t blobs = 0;
    std::int64_t bytes = 0;
    std::int64_t kept = 0;
};
/// Makes its row if it has none.
Result<void> put_collection(Transaction& t, Collection& run);
Result<std::optional<Collection>> find_collection(Transaction& t,
                                                  std::int64_t id);
/// When runs that were done ended; 0: never.
struct LastCollections {
    std::int64_t any_ms = 0;
    std::int64_t deep_ms = 0;
};
Result<LastCollections> last_collections(Transaction& t);
/// The newest ones first. At most `n`.
Result<std::vector<Collection>> list_collections(Transaction& t, std::size_t n);

}  // namespace longshore::db
