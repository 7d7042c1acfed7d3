#include "store/root_marks.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace longshore {

BackupLease::~BackupLease() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<BackupLease> BackupLease::open(const std::string& root) {
    int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? Result<BackupLease>(errno_error("open " + root, errno))
                  : Result<BackupLease>(BackupLease(fd));
}

Result<BackupLease> BackupLease::hold(const std::string& root) {
    LS_TRY(lease, open(root));
    while (::flock(lease.fd_, LOCK_SH) != 0) {
        if (errno != EINTR) {
            return errno_error("lock " + root, errno);
        }
    }
    return lease;
}

Result<std::optional<BackupLease>> BackupLease::try_alone(
    const std::string& root) {
    LS_TRY(lease, open(root));
    if (::flock(lease.fd_, LOCK_EX | LOCK_NB) == 0) {
        return std::optional<BackupLease>(std::move(lease));
    }
    if (errno == EWOULDBLOCK) {
        return std::optional<BackupLease>();
    }
    return errno_error("lock " + root, errno);
}

}  // namespace longshore
