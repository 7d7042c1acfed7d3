// Readers of the rows of schema 0005, for the files that hold its statements.
// Private to db/.
// @errors of all functions here: corrupt
#pragma once

#include "db/packages.hpp"
#include "db/rows.hpp"

namespace longshore::db {

inline std::string text_at(const Rows& row, int column) {
    return std::string(row.text(column));
}

inline std::uint64_t count_at(const Rows& row, int column) {
    return static_cast<std::uint64_t>(row.integer(column));
}

inline RepositoryKind parse_kind(std::string_view name) {
    return name == "remote"    ? RepositoryKind::remote
           : name == "virtual" ? RepositoryKind::virtual_
                               : RepositoryKind::local;
}

inline Result<Repository> read_repository(const Rows& row) {
    return Repository{row.integer(0),          text_at(row, 1), text_at(row, 2),
                      parse_kind(row.text(3)), text_at(row, 4), text_at(row, 5),
                      row.integer(6)};
}

inline Result<StoredPackage> read_package(const Rows& row) {
    StoredPackage package;
    package.id = row.integer(0);
    package.key = row.text(1);
    package.name = row.text(2);
    package.revision = row.integer(3);
    package.data = row.text(4);
    package.summary = row.text(5);
    package.keywords = row.text(6);
    package.created_at_ms = row.integer(7);
    package.updated_at_ms = row.integer(8);
    package.downloads = count_at(row, 9);
    package.latest = row.text(10);
    return package;
}

inline VersionState parse_state(std::string_view name) {
    return name == "yanked"       ? VersionState::yanked
           : name == "deprecated" ? VersionState::deprecated
                                  : VersionState::active;
}

inline StoredVersion version_at(const Rows& row, int first) {
    StoredVersion version;
    version.id = row.integer(first);
    version.key = row.text(first + 1);
    version.version = row.text(first + 2);
    version.sort_key = row.text(first + 3);
    version.state = parse_state(row.text(first + 4));
    version.reason = row.text(first + 5);
    version.data = row.text(first + 6);
    version.publisher = row.text(first + 7);
    version.published_at_ms = row.integer(first + 8);
    return version;
}

inline Result<StoredVersion> read_version(const Rows& row) {
    return version_at(row, 0);
}

inline Result<StoredFile> read_file(const Rows& row) {
    StoredFile file;
    file.id = row.integer(0);
    file.version_id = row.integer(1);  // 0 for NULL
    file.path = row.text(2);
    if (!Digest::parse(row.text(3), file.digest)) {
        return Error{Code::corrupt, "the database holds a bad digest"};
    }
    file.size_bytes = count_at(row, 4);
    file.role = row.text(5);
    file.media_type = row.text(6);
    file.data = row.text(7);
    file.created_at_ms = row.integer(8);
    file.downloads = count_at(row, 9);
    file.digests = {text_at(row, 10), text_at(row, 11), text_at(row, 12),
                    text_at(row, 13)};
    return file;
}

inline Result<PackageTag> read_tag(const Rows& row) {
    return PackageTag{text_at(row, 0), text_at(row, 1)};
}

inline Result<Property> read_property(const Rows& row) {
    return Property{text_at(row, 0), text_at(row, 1)};
}

// The least text above every text that begins so; prefixes are UTF-8, which
// never holds 0xff.
inline std::string above(std::string_view prefix) {
    return std::string(prefix) + '\xff';
}

inline Result<Id> read_id(const Rows& row) {
    return row.integer(0);
}

}  // namespace longshore::db
