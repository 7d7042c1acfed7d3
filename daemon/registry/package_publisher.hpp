// PackagePublisher: every write of package metadata, one transaction each,
// durable when the call returns; then the documents derived from what changed
// are made anew, before the call returns too, so whoever saw the answer reads
// what was written. Thread-safe; blocks on database and disk.
//
// A path names one file for ever: its bytes change only where a draft says
// so, and what was deleted with a tombstone does not come back.
// @errors of all functions here: unavailable, corrupt, not_found (no such
// repository); others where said.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/protocol.hpp"
#include "common/result.hpp"
#include "model/access.hpp"
#include "model/package.hpp"
#include "registry/blobs.hpp"
#include "registry/publisher.hpp"
#include "registry/transparency.hpp"

namespace longshore {

class Database;
class Format;
class Indexes;
class Transaction;

struct FileDraft {
    std::string path;  // decoded, without a leading slash
    StagedBlob blob;
    std::string role;
    std::string media_type = "application/octet-stream";
    std::string data = "{}";
    std::vector<Property> properties = {};
};

enum class IfExists : std::uint8_t {
    fail,     // the version must be new
    add,      // a known version may get more files
    replace,  // and files of it that are there already, other bytes
};

struct PackageDraft {
    std::string name;
    std::string key;
    /// Of the package; nullopt leaves what is there ("{}" and "" if new).
    std::optional<std::string> package_data = {};
    std::optional<std::string> summary = {};
    std::optional<std::string> keywords = {};

    std::string version;
    std::string version_key;
    std::string sort_key;
    std::string version_data = "{}";  // of a version that is new
    std::vector<FileDraft> files = {};
    std::vector<std::string> tags = {};  // these point to the version then
    std::vector<Property> properties = {};
    /// What is logged for ever when the version is new.
    std::vector<LogDraft> log_records = {};

    IfExists if_exists = IfExists::fail;
    /// The same bytes again at a path that has them are no conflict.
    bool same_bytes_are_fine = false;
    std::string request_id = {};
};

/// What edit() does beside what its function changed.
struct EditOptions {
    std::string_view action;  // for audit and event: "package.yank"
    std::string detail = {};  // for the audit log
    std::string request_id = {};
    /// What was taken out may never be published again.
    bool tombstones = false;
};

class PackagePublisher {
public:
    PackagePublisher(Database& database, Indexes& indexes,
                     std::span<const Format* const> formats)
        : database_(database), indexes_(&indexes), formats_(formats) {}

    /// In another process than registryd: documents lag behind until the
    /// daemon's next sweep or the next read, and nginx hears of the change
    /// within a second.
    PackagePublisher(Database& database, std::span<const Format* const> formats)
        : database_(database), formats_(formats) {}

    /// Publishes a version, or files of one. Nothing of it is seen before all
    /// of it is.
    /// @errors already_exists (the version, or a path), conflict (it was
    ///         deleted for good)
    Result<Written> publish(const Access& access, PackageDraft draft);

    /// The same checks without a change, before a long body is taken. Blobs
    /// are not looked at. @errors as publish()
    Result<void> check(const Access& access, const PackageDraft& draft);

    /// Changes a package in one transaction: `change` gets all of it and may
    /// alter data, summary, keywords, tags, the state, reason and data of
    /// versions, the data of files, and take versions and files out. A package
    /// without versions goes. Its Error undoes everything.
    /// @errors not_found, those of `change`
    Result<Written> edit(
        const Access& access, std::string_view key,
        const std::function<Result<void>(StoredPackage&)>& change,
        const EditOptions& options);

    /// A file that belongs to no version (an RPM repository's comps). What is
    /// at the path already gives way.
    Result<Written> put_loose(const Access& access, FileDraft draft,
                              std::string_view request_id);
    /// @errors not_found
    Result<Written> remove_loose(const Access& access, std::string_view path,
                                 std::string_view request_id);

    /// Replaces the properties of a package, version or file, see
    /// PackageCatalog::properties(). @errors not_found, invalid_argument
    Result<Written> set_properties(const Access& access,
                                   std::string_view package_key,
                                   std::string_view version_key,
                                   std::string_view path,
                                   const std::vector<Property>& properties,
                                   std::string_view request_id);

    /// Adds what nginx counted. What is no file of a repository is left out.
    Result<void> count(std::span<const TallyLine> lines);

private:
    Result<void> heal(PackageDraft& draft);
    const Format* format(std::string_view key) const noexcept;
    Result<void> mark(Transaction& t, const Repository& repository,
                      const std::vector<std::string>& scopes,
                      std::string_view package_key) const;
    Result<Written> finish(const Repository& repository,
                           const std::vector<std::string>& scopes,
                           std::string_view package_key);

    Database& database_;
    Indexes* indexes_ = nullptr;
    std::span<const Format* const> formats_;
};

}  // namespace longshore
