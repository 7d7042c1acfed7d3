// Statements of the OCI tables. Each function is one or two prepared
// statements; what belongs together is put together by registry/.
// Lists are paged by key: `last` is exclusive, at most `n` rows are returned.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"
#include "model/manifest.hpp"

namespace longshore::db {

using Id = std::int64_t;

struct Name {
    Id id = 0;
    bool indexed = true;  // false: the disk may know more than the tables
};

struct Blob {
    Id id = 0;
    std::optional<std::uint64_t> size_bytes;  // nullopt: not in the store
};

/// Rows of lists.
struct Sized {
    std::string digest;
    std::optional<std::uint64_t> size_bytes;
};
struct Tagged {
    std::string tag;
    std::string digest;
};

/// @errors of all functions here: those of Transaction.

// Names.
Result<std::optional<Name>> find_name(Transaction& t, std::string_view name);
/// The name's row, made if needed. A new row counts as indexed once the
/// takeover of the directory is complete.
Result<Name> ensure_name(Transaction& t, std::string_view name);
Result<void> mark_indexed(Transaction& t, Id name);
/// The first name, of those made after `last`, that is not indexed yet.
Result<std::optional<std::string>> next_unindexed(Transaction& t, Id last);
/// True if a manifest or blob of this name exists, or the disk may have some.
Result<bool> has_content(Transaction& t, const Name& name);
Result<std::vector<std::string>> list_names(Transaction& t, std::size_t n,
                                            std::string_view last);

// Blobs.
Result<std::optional<Blob>> find_blob(Transaction& t, const Digest& digest);
/// The digest's row, made if needed; a known size is kept when none is given.
Result<Id> ensure_blob(Transaction& t, const Digest& digest,
                       std::optional<std::uint64_t> size_bytes);
/// Size of a blob linked into the name.
Result<std::optional<std::uint64_t>> find_linked(Transaction& t,
                                                 std::string_view name,
                                                 const Digest& digest);
Result<bool> is_linked(Transaction& t, Id name, Id blob);
/// True if it was not linked before.
Result<bool> link_blob(Transaction& t, Id name, Id blob);
/// True if it was linked before.
Result<bool> unlink_blob(Transaction& t, Id name, Id blob);
/// Names after `last` that have the blob linked, bytewise, at most n.
Result<std::vector<std::string>> names_with_blob(Transaction& t,
                                                 const Digest& digest,
                                                 std::size_t n,
                                                 std::string_view last);
/// Blobs linked into a name, in order of digest.
Result<std::vector<Sized>> list_links(Transaction& t, Id name, std::size_t n,
                                      std::string_view last);

// Manifests.
struct ManifestRow {
    std::string_view media_type;
    std::string_view artifact_type;
    std::string_view annotations;
    std::optional<Id> subject;
    std::int64_t pushed_at_ms = 0;
};
Result<std::optional<StoredManifest>> find_manifest(Transaction& t,
                                                    std::string_view name,
                                                    std::string_view digest);
Result<std::optional<StoredManifest>> find_tagged(Transaction& t,
                                                  std::string_view name,
                                                  std::string_view tag);
Result<bool> has_manifest(Transaction& t, Id name, Id blob);
/// Makes the row, or replaces its facts.
Result<void> put_manifest(Transaction& t, Id name, Id blob,
                          const ManifestRow& row);
/// Makes the row unless there is one; true if it was made.
Result<bool> add_manifest(Transaction& t, Id name, Id blob,
                          const ManifestRow& row);
Result<void> put_reference(Transaction& t, Id name, Id manifest, Id target,
                           ManifestReference::Kind kind);
/// Together with its references; its tags must be gone. True if it existed.
Result<bool> delete_manifest(Transaction& t, Id name, Id blob);
Result<std::vector<Sized>> list_manifests(Transaction& t, Id name,
                                          std::size_t n, std::string_view last);

// Tags.
Result<std::optional<std::string>> tag_digest(Transaction& t, Id name,
                                              std::string_view tag);
Result<void> put_tag(Transaction& t, Id name, std::string_view tag, Id blob,
                     std::int64_t at_ms);
/// Unless there is one already.
Result<void> add_tag(Transaction& t, Id name, std::string_view tag, Id blob,
                     std::int64_t at_ms);
Result<bool> delete_tag(Transaction& t, Id name, std::string_view tag);
Result<std::vector<std::string>> tags_of(Transaction& t, Id name, Id blob);
Result<std::vector<Tagged>> list_tags(Transaction& t, Id name, std::size_t n,
                                      std::string_view last);

/// A tag of any name.
struct NamedTag {
    std::string name;
    std::string tag;
    std::string digest;
};
/// Tags of Helm's charts, after `tag` of `name`, in that order.
Result<std::vector<NamedTag>> list_charts(Transaction& t, std::size_t n,
                                          std::string_view name,
                                          std::string_view tag);

/// Referrers: manifests that name the subject, in order of digest. At most n;
/// fewer when their annotations get longer than kMaxReferrerBytes: the one
/// that does it and one more, which tells the caller that it is not the end.
Result<std::vector<Referrer>> list_referrers(
    Transaction& t, std::string_view name, const Digest& subject,
    std::string_view artifact_type, std::size_t n, std::string_view last);

}  // namespace longshore::db
