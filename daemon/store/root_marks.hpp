// What says at the top of a root what goes on with it: a backup is at work, a
// restore has not ended. Any thread.
// @errors of all functions here: as errno_error()
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// There as long as a restore into this root has not ended; its first line
/// names the backup. No store of such a root opens.
inline constexpr std::string_view kRestoreMark = "restore.unfinished";

/// A lock on the root's folder that ends with the process at the latest. While
/// a backup has it no blob leaves the disk: the snapshot of the database may
/// name it. It needs no file, for which a full disk might have no room.
class BackupLease {
public:
    /// A backup's, shared with others. Waits for what the collector is just
    /// at, which is milliseconds.
    static Result<BackupLease> hold(const std::string& root);
    /// The collector's, until a few blobs are gone; nullopt while a backup is
    /// at work.
    static Result<std::optional<BackupLease>> try_alone(
        const std::string& root);

    BackupLease(BackupLease&& other) noexcept : fd_(other.fd_) {
        other.fd_ = -1;
    }
    BackupLease& operator=(BackupLease&&) = delete;
    ~BackupLease();

private:
    explicit BackupLease(int fd) noexcept : fd_(fd) {}
    static Result<BackupLease> open(const std::string& root);

    int fd_;
};

}  // namespace longshore
