// FolderLock: at most one process owns a database folder. The kernel drops
// the lock with the process, however it ends.
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

private:
    int fd_ = -1;
};

}  // namespace longshore
