// Rebuild: makes the database anew from the directory, while no daemon runs.
// The old file and its log stay beside it under the name plus ".old". Accounts,
// grants and packages, which are only in the database, are taken over from the
// old one.
#pragma once

#include <string>

#include "common/result.hpp"
#include "model/actor.hpp"
#include "registry/takeover.hpp"

namespace longshore {

class BlobStore;

struct RebuildReport {
    /// Why the old database could not be used to finish what it had begun
    /// (link files of the last writes) and for its accounts; empty if it could
    /// or there was none.
    std::string old_database;
};

/// The audit log goes on in the new database, which tells of the rebuild `by`
/// whom. Refuses to start from a disk that lacks acknowledged writes.
/// @errors conflict (a daemon runs), unavailable, corrupt
Result<RebuildReport> rebuild(const std::string& database_folder,
                              BlobStore& store, ManifestReader reader,
                              const Actor& by = {});

/// What a rebuild has left that was ended in the middle. For whoever has the
/// database open to write: no rebuild runs then.
void discard_unfinished_rebuild(const std::string& database_folder) noexcept;

}  // namespace longshore
