// FolderLock: at most one process owns a database folder; and its file is not
// replaced while a tool beside that one writes. The kernel drops a lock with
// the process, however it ends.
#pragma once

#include <string>

#include "common/result.hpp"

namespace longshore {

class FolderLock {
public:
    FolderLock() = default;
    ~FolderLock();
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;

    /// Does not wait. @errors conflict (another process has it), unavailable
    Result<void> take(const std::string& folder);

    /// As long as it lives the database's file stays the one that it is. Does
    /// not wait. @errors conflict (it is being replaced), unavailable
    Result<void> take_to_write_beside(const std::string& folder);
    /// Until those have ended, some seconds at most; then nobody writes beside.
    /// @errors conflict (they did not end), unavailable
    Result<void> take_to_replace(const std::string& folder);

private:
    Result<void> open(const std::string& file);

    int fd_ = -1;
};

}  // namespace longshore
