// PackageCatalog: every read of package metadata. Thread-safe; each call
// blocks on the database. Whatever is asked, the rows of one answer come from
// one snapshot, in a number of queries that does not depend on their count.
// @errors of all functions here: unavailable, corrupt, not_found (no such
// repository); others where said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "model/access.hpp"
#include "model/manifest.hpp"
#include "model/package.hpp"

namespace longshore {

class Database;

/// A file and what it belongs to.
struct FileEntry {
    StoredFile file;
    std::string package_key;  // "": of the repository itself
    std::string version_key;
};

/// What lies directly in a folder of paths.
struct FolderEntry {
    std::string name;  // without slashes
    bool folder = false;
    StoredFile file;  // if it is one
};

/// Words that all must begin a word of name, summary or keywords. Empty: all.
struct PackageQuery {
    std::string text;
    std::size_t n = 20;
    std::size_t skip = 0;
};

struct PackagesFound {
    std::vector<StoredPackage> packages;    // downloaded most first
    std::vector<std::string> repositories;  // the key of each one's
    std::size_t total = 0;                  // at most kMostCounted
};
inline constexpr std::size_t kMostCounted = 10'000;

class PackageCatalog {
public:
    explicit PackageCatalog(Database& database) : database_(database) {}

    /// With versions, files and tags. @errors not_found
    Result<StoredPackage> package(const Access& access, std::string_view key);

    /// The package alone. @errors not_found
    Result<StoredPackage> package_row(const Access& access,
                                      std::string_view key);

    /// Packages alone whose key begins with `prefix`, after the key `last`.
    Result<Page<StoredPackage>> packages(const Access& access,
                                         std::string_view prefix, std::size_t n,
                                         std::string_view last);

    /// @errors not_found
    Result<FileEntry> file(const Access& access, std::string_view path);

    /// Any file of the repository with these bytes. @errors not_found
    Result<StoredFile> file_with(const Access& access, const Digest& digest);

    /// Files whose path begins with `prefix`, after `last`, bytewise.
    Result<Page<StoredFile>> files(const Access& access,
                                   std::string_view prefix, std::size_t n,
                                   std::string_view last);

    /// What lies in a folder ("" or "a/b/"), after the name `last`, which ends
    /// in "/" if it is that of a folder. A folder is one row, however much it
    /// holds.
    Result<Page<FolderEntry>> folder(const Access& access,
                                     std::string_view path, std::size_t n,
                                     std::string_view last);

    /// Within one repository.
    Result<PackagesFound> search(const Access& access,
                                 const PackageQuery& query);

    /// Within all of those, each of which the caller may pull from.
    Result<PackagesFound> search(std::span<const Access> accesses,
                                 const PackageQuery& query);

    /// Packages that have the property, or a version or file of which has it.
    Result<Page<StoredPackage>> packages_with(const Access& access,
                                              const Property& property,
                                              std::size_t n,
                                              std::string_view last);

    /// Of the package; with a version of that; with a path of that file.
    /// @errors not_found
    Result<std::vector<Property>> properties(const Access& access,
                                             std::string_view package_key,
                                             std::string_view version_key,
                                             std::string_view path);

private:
    Database& database_;
};

}  // namespace longshore
