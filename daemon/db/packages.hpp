// Statements of package repositories (schema 0005): repositories, packages,
// versions, files, tags, tombstones. What belongs together is put together by
// registry/. Lists are paged by key: `last` is exclusive.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"
#include "model/package.hpp"

namespace longshore::db {

using Id = std::int64_t;

// Repositories. Key "" is the default OCI repository.
Result<std::optional<Repository>> find_repository(Transaction& t,
                                                  std::string_view key);
Result<std::optional<Repository>> repository_of(Transaction& t, Id id);
/// After `last`, bytewise by key, without the default OCI repository.
Result<std::vector<Repository>> list_repositories(Transaction& t, std::size_t n,
                                                  std::string_view last);
/// `repository.id` is ignored. @errors conflict: the key is taken
Result<Id> add_repository(Transaction& t, const Repository& repository);
/// Description and settings.
Result<void> change_repository(Transaction& t, const Repository& repository);
/// Removes at most about `n` rows of what belongs to it, at last itself; true
/// when nothing is left.
Result<bool> shrink_repository(Transaction& t, Id id, std::size_t n);

// Packages, without what hangs on them.
Result<std::optional<StoredPackage>> find_package(Transaction& t, Id repository,
                                                  std::string_view key);
/// Names beginning with `prefix`, after the key `last`.
Result<std::vector<StoredPackage>> list_packages(Transaction& t, Id repository,
                                                 std::string_view prefix,
                                                 std::size_t n,
                                                 std::string_view last);
Result<Id> add_package(Transaction& t, Id repository,
                       const StoredPackage& package);
/// name, data, summary, keywords, updated_at_ms; raises the revision.
Result<void> change_package(Transaction& t, const StoredPackage& package);
/// Finds out `latest` anew, after a change of its versions.
Result<void> renew_latest(Transaction& t, Id package);
/// Its versions must be gone.
Result<void> delete_package(Transaction& t, Id package);
/// The row of the full-text index.
Result<void> index_package(Transaction& t, Id repository,
                           const StoredPackage& package);

// Versions, in order of sort_key.
Result<std::vector<StoredVersion>> versions_of(Transaction& t, Id package);
Result<std::optional<StoredVersion>> find_version(Transaction& t, Id package,
                                                  std::string_view key);
Result<Id> add_version(Transaction& t, Id package,
                       const StoredVersion& version);
/// state, reason, data.
Result<void> change_version(Transaction& t, const StoredVersion& version);
/// Together with its files, tags and properties.
Result<void> delete_version(Transaction& t, Id version);

// Files.
Result<std::vector<StoredFile>> files_of_package(Transaction& t, Id package);
Result<std::vector<StoredFile>> files_of_version(Transaction& t, Id version);
Result<std::optional<StoredFile>> find_file(Transaction& t, Id repository,
                                            std::string_view path);
Result<std::optional<StoredFile>> find_file_with(Transaction& t, Id repository,
                                                 const Digest& digest);
/// Where a file belongs.
struct Owner {
    Id package = 0;  // 0: to the repository itself
    std::string package_key;
    Id version = 0;
    std::string version_key;
};
Result<Owner> owner_of(Transaction& t, Id version);
/// Paths beginning with `prefix`, after `last`, bytewise.
Result<std::vector<StoredFile>> list_files(Transaction& t, Id repository,
                                           std::string_view prefix,
                                           std::size_t n,
                                           std::string_view last);
/// The blob and its digests get rows if they have none.
Result<Id> add_file(Transaction& t, Id repository, Id version,
                    const StoredFile& file, Id blob);
Result<void> change_file(Transaction& t, const StoredFile& file);
Result<void> delete_file(Transaction& t, Id file);
Result<void> put_digests(Transaction& t, Id blob, const Digests& digests);
/// What is known of a blob's digests; nullopt: nothing.
Result<std::optional<Digests>> digests_of(Transaction& t, Id blob);

/// A file with what it belongs to, for the makers of indexes.
struct IndexRow {
    StoredFile file;
    StoredVersion version;  // without files
    Id package_id = 0;
    std::string package_name;
    std::string package_key;
};
/// Files of the repository with ids above `after` up to `last`, in order of
/// id, at most n.
Result<std::vector<IndexRow>> index_rows(Transaction& t, Id repository,
                                         std::size_t n, Id after, Id last);

/// Ids of files in one bucket.
inline constexpr Id kBucketFiles = 512;
/// 512 files by their ids: from number × kBucketFiles on.
struct FileBucket {
    Id number = 0;
    std::int64_t revision = 0;  // grows with each change of one of them
};
/// In order of number.
Result<std::vector<FileBucket>> file_buckets(Transaction& t, Id repository);

// Tags.
Result<std::vector<PackageTag>> tags_of_package(Transaction& t, Id package);
Result<void> put_package_tag(Transaction& t, Id package, std::string_view tag,
                             Id version);
Result<void> delete_package_tag(Transaction& t, Id package,
                                std::string_view tag);

// Properties.
enum class Subject : std::uint8_t { package, version, file };
Result<std::vector<Property>> properties_of(Transaction& t, Subject subject,
                                            Id id);
/// All of the subject's; those it had before are gone.
Result<void> put_properties(Transaction& t, Id repository, Subject subject,
                            Id id, std::span<const Property> properties);
/// Packages of which they, a version or a file has the property, by key.
Result<std::vector<StoredPackage>> packages_with(Transaction& t, Id repository,
                                                 const Property& property,
                                                 std::size_t n,
                                                 std::string_view last);

// Tombstones.
struct Tombstone {
    std::string package_key;
    std::string version_key;  // "": the package
    std::string path;         // "": the version
};
Result<bool> is_buried(Transaction& t, Id repository, const Tombstone& stone);
Result<void> bury(Transaction& t, Id repository, const Tombstone& stone,
                  std::int64_t at_ms);

// Search. `match` is an FTS5 expression made by registry/, never a client's
// text.
struct Found {
    Id repository = 0;
    StoredPackage package;
};
Result<std::vector<Found>> search_packages(Transaction& t,
                                           std::string_view match,
                                           std::size_t n, std::size_t skip);
/// How many there are, at most `most`.
Result<std::size_t> count_found(Transaction& t, std::string_view match,
                                std::size_t most);

/// Adds `count` downloads of that day to a file and its package.
Result<void> count_download(Transaction& t, Id repository,
                            std::string_view path, std::uint64_t count,
                            std::int64_t day);

}  // namespace longshore::db
