// What reads and writes of packages share: from names to rows. Private to
// registry/.
// @errors of all functions here: those of Transaction; others where said.
#pragma once

#include <optional>
#include <string_view>

#include "db/packages.hpp"
#include "model/access.hpp"

namespace longshore::rows {

/// The row of the repository that the access is for, which is not that of OCI
/// names. @errors not_found
Result<std::int64_t> repository_id(Transaction& t, const Access& access);

/// With versions, files and tags; nullopt if there is none.
Result<std::optional<StoredPackage>> whole_package(Transaction& t,
                                                   std::int64_t repository,
                                                   std::string_view key);

struct SubjectRow {
    db::Subject kind = db::Subject::package;
    std::int64_t id = 0;
};
/// A file if `path` is not empty, else a version if that is not, else the
/// package. @errors not_found
Result<SubjectRow> find_subject(Transaction& t, std::int64_t repository,
                                std::string_view package_key,
                                std::string_view version_key,
                                std::string_view path);

}  // namespace longshore::rows
