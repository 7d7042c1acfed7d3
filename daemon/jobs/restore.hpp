// A backup put back into an empty root: docs/backup.md.
// @errors of all functions here: those of BackupFolder.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "jobs/backup.hpp"
#include "model/actor.hpp"

namespace longshore {

struct RestoreOrder {
    std::string root;      // is there, and is empty
    std::string database;  // folder; below the root, or empty too
    /// Goes on past blobs that are damaged, without them.
    bool skip_damaged = false;
    Actor by;
};

struct RestoreReport {
    std::uint64_t blobs = 0;
    std::uint64_t bytes = 0;
    std::uint64_t links = 0;
    std::uint64_t damage = 0;  // blobs that the root now lacks
};

/// Before anything is written all of the backup but the bytes of its blobs is
/// looked at. Until the end the root is marked (kRestoreMark); done again, it
/// goes on. @errors conflict (the root is not empty, or half of another backup
/// is in it), corrupt, unavailable (also: no room)
Result<RestoreReport> restore_backup(BackupFolder& folder,
                                     const std::string& name,
                                     const RestoreOrder& order,
                                     const TellDamage& tell);

}  // namespace longshore
