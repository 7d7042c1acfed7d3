#include "db/folder_lock.hpp"

#include <cerrno>
#include <chrono>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace longshore {
namespace {

constexpr std::string_view kReplaceLock = "/replace.lock";
// Longer than a write waits for another one (Connection).
constexpr std::chrono::seconds kLongestWrite{15};
constexpr std::chrono::milliseconds kPause{20};

}  // namespace

FolderLock::~FolderLock() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<void> FolderLock::open(const std::string& file) {
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd_ < 0 ? errno_error("open " + file, errno) : Result<void>();
}

Result<void> FolderLock::take(const std::string& folder) {
    auto file = folder + "/lock";
    LS_CHECK(open(file));
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
        return {};
    }
    if (errno == EWOULDBLOCK) {
        return Error{Code::conflict,
                     folder + " is in use by another registryd or registryctl"};
    }
    return errno_error("lock " + file, errno);
}

Result<void> FolderLock::take_to_write_beside(const std::string& folder) {
    auto file = folder + std::string(kReplaceLock);
    LS_CHECK(open(file));
    if (::flock(fd_, LOCK_SH | LOCK_NB) == 0) {
        return {};
    }
    if (errno == EWOULDBLOCK) {
        return Error{Code::conflict,
                     "the database in " + folder +
                         " is being made anew: try again when that is done"};
    }
    return errno_error("lock " + file, errno);
}

Result<void> FolderLock::take_to_replace(const std::string& folder) {
    auto file = folder + std::string(kReplaceLock);
    LS_CHECK(open(file));
    auto until = std::chrono::steady_clock::now() + kLongestWrite;
    while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return errno_error("lock " + file, errno);
        }
        if (std::chrono::steady_clock::now() > until) {
            return Error{Code::conflict,
                         "another registryctl writes to the database in " +
                             folder + " and does not end"};
        }
        std::this_thread::sleep_for(kPause);
    }
    return {};
}

}  // namespace longshore
