// Backups of a registry that is at work: made, looked at, thrown away. What
// one holds and how it lies on disk: docs/backup.md.
// @errors of all functions here: those of BackupFolder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "jobs/backup_folder.hpp"

namespace longshore {

/// Told of each thing that is damaged or missing, in words.
using TellDamage = std::function<void(const std::string&)>;

struct BackupOrder {
    std::string root;
    std::string database;  // folder
    std::string program;   // version of who makes it
};

struct BackupReport {
    BackupManifest manifest;
    /// What the folder did not have yet.
    std::uint64_t copied = 0;
    std::uint64_t copied_bytes = 0;
};

/// Makes one, beside a daemon or without. Blobs that the store has no more or
/// not as their digest says are told and listed as missing; the rest is kept.
/// @errors unavailable (also: no space), corrupt (the database)
Result<BackupReport> create_backup(BackupFolder& folder,
                                   const BackupOrder& order,
                                   const TellDamage& tell);

struct BackupCheck {
    std::size_t backups = 0;
    std::uint64_t blobs = 0;
    std::uint64_t bytes = 0;
    std::uint64_t damage = 0;  // things that were told
};

/// Reads all that these backups name, blobs that they share once.
Result<BackupCheck> check_backups(BackupFolder& folder,
                                  const std::vector<std::string>& names,
                                  const TellDamage& tell);

struct PruneReport {
    std::vector<std::string> removed;
    std::uint64_t blobs = 0;
    std::uint64_t bytes = 0;
};

/// Removes all backups but the newest `keep`, unfinished ones, and the blobs
/// that no backup left names. Nothing is removed if one of those cannot be
/// read whole. @errors invalid_argument (`keep` is 0)
Result<PruneReport> prune_backups(BackupFolder& folder, std::size_t keep);

}  // namespace longshore
