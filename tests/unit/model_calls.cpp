#include "model_calls.hpp"

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <string_view>
#include <utility>

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "model_fibers.hpp"

namespace longshore::model {
namespace {

std::function<void(const std::string&)> gone;

template <typename Argument>
long word(Argument argument) noexcept {
    return (long)argument;  // NOLINT: a register holds either
}

// Past what this program calls `syscall`.
long kernel(long number, long a = 0, long b = 0, long c = 0, long d = 0,
            long e = 0, long f = 0) noexcept {
    static const auto kReal =
        reinterpret_cast<long (*)(long, ...)>(::dlsym(RTLD_NEXT, "syscall"));
    return kReal(number, a, b, c, d, e, f);
}

bool is_leaf(std::string_view path, std::string_view leaf) {
    return path == leaf ||
           (path.ends_with(leaf) && path[path.size() - leaf.size() - 1] == '/');
}

std::string folder_of(int fd) {
    if (fd == AT_FDCWD) {
        return {};
    }
    std::array<char, 4096> path{};
    auto link = "/proc/self/fd/" + std::to_string(fd);
    auto size = ::readlink(link.c_str(), path.data(), path.size());
    return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size))
                    : "?";
}

std::string whole(int fd, const char* path) {
    return fd == AT_FDCWD || path[0] == '/' ? path : folder_of(fd) + '/' + path;
}

// A folder of files that begin alike: a deep run looks at 512 of them, a
// scrub at 768.
bool is_shelf(std::string_view path) {
    auto slash = path.rfind('/');
    return slash != std::string_view::npos && slash > 6 &&
           path.size() - slash == 3 && path[slash - 7] == '/' &&
           path.substr(slash - 6, 3) == "sha";
}

// False: the process has ended, and so has the call.
bool may(const void* caller, const char* call, int fd, const char* path) {
    if (is_dead()) {
        errno = EIO;
        return false;
    }
    if (is_own_code(caller) && !is_shelf(path)) {
        point({call, fd, path});
        if (is_dead()) {
            errno = EIO;
            return false;
        }
    }
    return true;
}

// After a call that took away what had this name.
int tell_gone(long result, int fd, const char* path) {
    if (result == 0 && gone && is_leaf(path, "data")) {
        int error_number = errno;
        gone(whole(fd, path));
        errno = error_number;
    }
    return static_cast<int>(result);
}

}  // namespace

void on_gone(std::function<void(const std::string& path)> told) {
    gone = std::move(told);
}

std::string text_of(const Step& step) {
    std::string text = step.call;
    if (step.path[0] != '\0') {
        text += ' ' + (step.fd == -1 ? step.path : whole(step.fd, step.path));
    }
    return text;
}

}  // namespace longshore::model

namespace model = longshore::model;
using model::kernel;
using model::word;

#define LS_MAY(call, fd, path) \
    model::may(__builtin_return_address(0), call, fd, path)

extern "C" {

long syscall(long number, ...) noexcept {
    std::va_list list;
    va_start(list, number);
    std::array<long, 6> a{};
    for (auto& one : a) {
        one = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_openat2) {
        const auto* path = reinterpret_cast<const char*>(a[1]);
        if (!LS_MAY("open", static_cast<int>(a[0]), path)) {
            return -1;
        }
    }
    return kernel(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int openat(int fd, const char* path, int flags, ...) {
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        std::va_list list;
        va_start(list, flags);
        mode = va_arg(list, mode_t);
        va_end(list);
    }
    if (!LS_MAY("open", fd, path)) {
        return -1;
    }
    return static_cast<int>(kernel(SYS_openat, fd, word(path), flags, mode));
}

int open(const char* path, int flags, ...) {
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        std::va_list list;
        va_start(list, flags);
        mode = va_arg(list, mode_t);
        va_end(list);
    }
    if (!LS_MAY("open", AT_FDCWD, path)) {
        return -1;
    }
    return static_cast<int>(
        kernel(SYS_openat, AT_FDCWD, word(path), flags, mode));
}

// What the two above are called where the compiler checks their use.

int __open_2(const char* path, int flags) {  // NOLINT
    return LS_MAY("open", AT_FDCWD, path)
               ? static_cast<int>(
                     kernel(SYS_openat, AT_FDCWD, word(path), flags, 0))
               : -1;
}

int __openat_2(int fd, const char* path, int flags) {  // NOLINT
    return LS_MAY("open", fd, path)
               ? static_cast<int>(kernel(SYS_openat, fd, word(path), flags, 0))
               : -1;
}

int stat(const char* path, struct stat* info) noexcept {
    return LS_MAY("stat", AT_FDCWD, path)
               ? static_cast<int>(kernel(SYS_newfstatat, AT_FDCWD, word(path),
                                         word(info), 0))
               : -1;
}

int fstatat(int fd, const char* path, struct stat* info, int flags) noexcept {
    return LS_MAY("stat", fd, path)
               ? static_cast<int>(
                     kernel(SYS_newfstatat, fd, word(path), word(info), flags))
               : -1;
}

int faccessat(int fd, const char* path, int mode, int) noexcept {
    return LS_MAY("access", fd, path)
               ? static_cast<int>(kernel(SYS_faccessat, fd, word(path), mode))
               : -1;
}

int mkdirat(int fd, const char* path, mode_t mode) noexcept {
    return LS_MAY("mkdir", fd, path)
               ? static_cast<int>(kernel(SYS_mkdirat, fd, word(path), mode))
               : -1;
}

int mkdir(const char* path, mode_t mode) noexcept {
    return LS_MAY("mkdir", AT_FDCWD, path)
               ? static_cast<int>(
                     kernel(SYS_mkdirat, AT_FDCWD, word(path), mode))
               : -1;
}

int utimensat(int fd, const char* path, const timespec* times,
              int flags) noexcept {
    return LS_MAY("touch", fd, path)
               ? static_cast<int>(
                     kernel(SYS_utimensat, fd, word(path), word(times), flags))
               : -1;
}

int unlinkat(int fd, const char* path, int flags) noexcept {
    if (!LS_MAY("unlink", fd, path)) {
        return -1;
    }
    return model::tell_gone(kernel(SYS_unlinkat, fd, word(path), flags), fd,
                            path);
}

int linkat(int from_fd, const char* from, int fd, const char* path,
           int flags) noexcept {
    return LS_MAY("link", fd, path)
               ? static_cast<int>(kernel(SYS_linkat, from_fd, word(from), fd,
                                         word(path), flags))
               : -1;
}

int renameat2(int from_fd, const char* from, int fd, const char* path,
              unsigned flags) noexcept {
    // What is set aside is told by where it was.
    bool takes = std::strncmp(path, "trash/", 6) == 0;
    if (!(takes ? LS_MAY("set aside", from_fd, from)
                : LS_MAY("rename to", fd, path))) {
        return -1;
    }
    return model::tell_gone(kernel(SYS_renameat2, from_fd, word(from), fd,
                                   word(path), static_cast<long>(flags)),
                            from_fd, from);
}

int renameat(int from_fd, const char* from, int fd, const char* path) noexcept {
    bool takes = std::strncmp(path, "trash/", 6) == 0;
    if (!(takes ? LS_MAY("set aside", from_fd, from)
                : LS_MAY("rename to", fd, path))) {
        return -1;
    }
    return model::tell_gone(
        kernel(SYS_renameat2, from_fd, word(from), fd, word(path), 0), from_fd,
        from);
}

// Others see what a file holds once it has its name: no points.

ssize_t write(int fd, const void* bytes, size_t size) {
    if (model::is_dead() && fd > STDERR_FILENO) {
        errno = EIO;
        return -1;
    }
    return kernel(SYS_write, fd, word(bytes), word(size));
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
    if (model::is_dead()) {
        errno = EIO;
        return -1;
    }
    return kernel(SYS_pwrite64, fd, word(bytes), word(size), offset);
}

ssize_t pwritev2(int fd, const iovec* parts, int count, off_t offset, int) {
    if (model::is_dead()) {
        errno = EIO;
        return -1;
    }
    return kernel(SYS_pwritev, fd, word(parts), count, offset, 0);
}

// What a power cut does is shown elsewhere; here nothing outlives the kernel.

int fsync(int) {
    errno = EIO;
    return model::is_dead() ? -1 : 0;
}

int fdatasync(int) {
    errno = EIO;
    return model::is_dead() ? -1 : 0;
}

int syncfs(int) noexcept {
    errno = EIO;
    return model::is_dead() ? -1 : 0;
}

}  // extern "C"
