#include "system_calls.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace longshore::system_calls {
namespace {

struct Plan {
    int error_number = 0;
    std::function<void()> action;
};

std::array<Plan, 7> plans;
std::vector<std::string> calls_made;
std::pair<std::string, int> unreadable;
bool bytewise = false;
bool interrupt = false;

void note(const char* call, const char* path) {
    calls_made.push_back(std::string(call) + ' ' + path);
}

void note(const char* call, int fd) {
    std::array<char, 4096> path{};
    auto link = "/proc/self/fd/" + std::to_string(fd);
    if (::readlink(link.c_str(), path.data(), path.size() - 1) > 0) {
        note(call, path.data());
    }
}

// True if the call is to fail; errno is set.
bool strikes(Call call) {
    auto& plan = plans[static_cast<std::size_t>(call)];
    if (auto action = std::exchange(plan.action, nullptr)) {
        action();
    }
    errno = plan.error_number;
    return plan.error_number != 0;
}

}  // namespace

void fail(Call call, int error_number) {
    plans[static_cast<std::size_t>(call)].error_number = error_number;
}

void fail_read(std::string name, int error_number) {
    unreadable = {std::move(name), error_number};
}

void before(Call call, std::function<void()> action) {
    plans[static_cast<std::size_t>(call)].action = std::move(action);
}

void write_bytewise_with_interrupts() {
    bytewise = true;
}

const std::vector<std::string>& journal() {
    return calls_made;
}

void reset() {
    plans = {};
    unreadable = {};
    calls_made.clear();
    bytewise = interrupt = false;
}

}  // namespace longshore::system_calls

namespace calls = longshore::system_calls;
using calls::Call;

extern "C" {

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
    calls::note("pwrite", fd);
    if (calls::strikes(Call::pwrite)) {
        return -1;
    }
    if (calls::bytewise && size > 0) {
        calls::interrupt = !calls::interrupt;
        if (calls::interrupt) {
            errno = EINTR;
            return -1;
        }
        size = 1;
    }
    return ::syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t pwritev2(int fd, const iovec* parts, int count, off_t offset,
                 int flags) {
    calls::note((flags & RWF_DSYNC) != 0 ? "pwritev2 synced" : "pwritev2", fd);
    if (calls::strikes(Call::pwritev2)) {
        return -1;
    }
    return ::syscall(SYS_pwritev2, fd, parts, count, offset, 0L, flags);
}

int fdatasync(int fd) {
    calls::note("fdatasync", fd);
    return calls::strikes(Call::fdatasync)
               ? -1
               : static_cast<int>(::syscall(SYS_fdatasync, fd));
}

int fsync(int fd) {
    calls::note("fsync", fd);
    return calls::strikes(Call::fsync)
               ? -1
               : static_cast<int>(::syscall(SYS_fsync, fd));
}

int renameat(int from, const char* old_name, int to,
             const char* new_name) noexcept {
    calls::note("renameat", new_name);
    return std::string_view(new_name).ends_with("/data") &&
                   calls::strikes(Call::renameat_data)
               ? -1
               : static_cast<int>(
                     ::syscall(SYS_renameat, from, old_name, to, new_name));
}

int flock(int fd, int operation) noexcept {
    return calls::strikes(Call::flock)
               ? -1
               : static_cast<int>(::syscall(SYS_flock, fd, operation));
}

int openat(int folder, const char* name, int flags, ...) {
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    if ((flags & O_ACCMODE) == O_RDONLY && name == calls::unreadable.first) {
        errno = calls::unreadable.second;
        return -1;
    }
    if ((flags & O_ACCMODE) != O_RDONLY && calls::strikes(Call::openat_write)) {
        return -1;
    }
    return static_cast<int>(::syscall(SYS_openat, folder, name, flags, mode));
}

}  // extern "C"
