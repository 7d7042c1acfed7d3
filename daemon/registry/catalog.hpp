// Catalog: every read of metadata. Thread-safe; each call may block on the
// database or the disk. Until the indexer has gone through a data directory
// that was taken over, what the database does not know is looked up on disk,
// so that everything can be pulled at once.
// @errors of all functions here: unavailable, corrupt; others where said.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "model/access.hpp"
#include "model/manifest.hpp"

namespace longshore {

class Database;
class BlobStore;
class Takeover;
class Uses;

/// A chart of Helm that is an OCI artifact.
struct ChartTag {
    std::string name;
    std::string tag;
    std::string digest;
};

class Catalog {
public:
    Catalog(Database& database, BlobStore& store);

    /// Asks the disk too until `takeover` is complete. Before the first call.
    void attach(Takeover& takeover) noexcept { takeover_ = &takeover; }

    /// Tells it of each manifest that is asked for. Before the first call.
    void attach(Uses& uses) noexcept { uses_ = &uses; }

    /// By tag or digest text (both grammatically valid); noted as a use.
    /// @errors not_found (MANIFEST_UNKNOWN, or NAME_UNKNOWN when the name
    ///         has no content at all), unavailable
    Result<StoredManifest> manifest(const Access& access,
                                    std::string_view reference);

    /// Whether there are bytes of a manifest that manifest() named.
    /// @errors not_found (MANIFEST_UNKNOWN: a scrub has taken them away)
    Result<void> check_there(const StoredManifest& manifest);

    /// The exact stored bytes of a manifest that manifest() named.
    /// @errors corrupt, unavailable, not_found as check_there()
    Result<std::string> manifest_bytes(const StoredManifest& manifest);

    /// Size of a blob that is linked into the repository.
    /// @errors not_found (BLOB_UNKNOWN), unavailable
    Result<std::uint64_t> blob(const Access& access, const Digest& digest);

    /// Repositories after `last` that have the blob linked, bytewise, at most
    /// n. For a mount without `from`.
    Result<Page<std::string>> names_with_blob(const Digest& digest,
                                              std::size_t n,
                                              std::string_view last);

    /// Tags after `last` (exclusive, need not exist), bytewise, at most n.
    /// @errors not_found (NAME_UNKNOWN)
    Result<Page<std::string>> tags(const Access& access, std::size_t n,
                                   std::string_view last);

    /// All repository names after `last`, bytewise, at most n.
    Result<Page<std::string>> names(std::size_t n, std::string_view last);

    /// Tags of Helm's charts in all names, after `tag` of `name`.
    Result<Page<ChartTag>> charts(std::size_t n, std::string_view name,
                                  std::string_view tag);

    /// Referrers of `subject` after the digest `last`, in order of digest.
    /// Never not_found. `artifact_type` empty: all. Once their annotations
    /// are longer than kMaxReferrerBytes, at most one more is in the page.
    Result<Page<Referrer>> referrers(const Access& access,
                                     const Digest& subject,
                                     std::string_view artifact_type,
                                     std::size_t n, std::string_view last);

private:
    /// True while the disk may know more about names that are not indexed.
    /// Asked before the tables are: a name that becomes indexed in between
    /// was not in what they showed.
    bool is_disk_open() const noexcept;
    Result<StoredManifest> look_up(std::string_view name,
                                   std::string_view reference);
    Result<StoredManifest> missing_manifest(std::string_view name,
                                            std::string_view reference,
                                            bool disk_open);
    Result<Page<std::string>> disk_tags(std::string_view name, std::size_t n,
                                        std::string_view last);

    Database& database_;
    BlobStore& store_;
    Takeover* takeover_ = nullptr;
    Uses* uses_ = nullptr;
};

}  // namespace longshore
