#include "db/folder_lock.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace longshore {

FolderLock::~FolderLock() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<void> FolderLock::take(const std::string& folder) {
    auto file = folder + "/lock";
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) {
        return errno_error("open " + file, errno);
    }
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
        return {};
    }
    if (errno == EWOULDBLOCK) {
        return Error{Code::conflict,
                     folder + " is in use by another registryd or registryctl"};
    }
    return errno_error("lock " + file, errno);
}

}  // namespace longshore
