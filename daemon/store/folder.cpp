#include "store/folder.hpp"

#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/probe.hpp"

namespace longshore {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kFolderMode = 0750;

// Kernels and sandboxes without openat2 get plain openat: the paths hold only
// names that were parsed, the confinement is a second belt.
std::atomic<bool> has_openat2{true};

int open_beneath(int root, const std::string& path, int flags) noexcept {
    if (has_openat2.load(std::memory_order_relaxed)) {
        open_how how{};
        how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
        bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
        how.mode = makes ? kFileMode : 0;
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
        auto fd = static_cast<int>(
            syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return fd;
        }
        has_openat2.store(false, std::memory_order_relaxed);
    }
    return ::openat(root, path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW,
                    kFileMode);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = other.fd_;
        other.fd_ = -1;
    }
    return *this;
}

Fd::~Fd() {
    close();
}

int Fd::close() noexcept {
    int result = fd_ >= 0 ? ::close(fd_) : 0;
    fd_ = -1;
    return result;
}

Result<RootFolder> RootFolder::open(const std::string& root) {
    Fd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) {
        return errno_error("open folder " + root, errno);
    }
    return RootFolder(std::move(fd));
}

Result<Fd> RootFolder::open_file(std::string_view path, int flags) const {
    std::string text(path);
    auto fd = try_open(text, flags);
    if (!fd.valid()) {
        return errno_error("open " + text, errno);
    }
    return fd;
}

Fd RootFolder::try_open(const std::string& path, int flags) const noexcept {
    for (;;) {
        Fd fd(open_beneath(root_.get(), path, flags));
        // EAGAIN: a rename raced with the resolution of "..".
        if (fd.valid() || (errno != EINTR && errno != EAGAIN)) {
            return fd;
        }
    }
}

Result<RootFolder::Made> RootFolder::make_folder(std::string_view path) const {
    auto opened = open_file(path, O_RDONLY | O_DIRECTORY);
    if (opened) {
        return Made{std::move(*opened), {}};
    }
    if (opened.error().code != Code::not_found) {
        return std::move(opened).error();
    }
    auto slash = path.rfind('/');
    auto parent = slash == std::string_view::npos ? std::string_view(".")
                                                  : path.substr(0, slash);
    auto leaf = slash == std::string_view::npos ? path : path.substr(slash + 1);
    Made made;
    if (slash == std::string_view::npos) {
        LS_TRY(top, open_file(".", O_RDONLY | O_DIRECTORY));
        made.fd = std::move(top);
    } else {
        LS_TRY(above, make_folder(parent));
        made = std::move(above);
    }
    std::string name(leaf);
    if (::mkdirat(made.fd.get(), name.c_str(), kFolderMode) != 0 &&
        errno != EEXIST) {
        return errno_error("make folder " + std::string(path), errno);
    }
    LS_PROBE(folder, made);
    // Also when another thread was faster: its fsync may still be to come.
    made.dirty.emplace_back(parent);
    LS_TRY(fd, open_file(path, O_RDONLY | O_DIRECTORY));
    made.fd = std::move(fd);
    return made;
}

Result<void> RootFolder::sync_folder(std::string_view path) const {
    LS_TRY(fd, open_file(path, O_RDONLY | O_DIRECTORY));
    return sync_fd(fd.get());
}

Result<std::size_t> read_at(int fd, std::uint64_t offset,
                            std::span<char> into) {
    std::size_t got = 0;
    while (got < into.size()) {
        auto n = ::pread(fd, into.data() + got, into.size() - got,
                         static_cast<off_t>(offset + got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno_error("read", errno);
        }
        if (n == 0) {
            break;
        }
        got += static_cast<std::size_t>(n);
    }
    return got;
}

Result<void> write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        auto n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno_error("write", errno);
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

// Kernels and file systems that cannot copy within themselves say so at the
// first call.
Result<bool> copy_in_kernel(int from, std::uint64_t first, std::uint64_t size,
                            int to) {
    auto offset = static_cast<off_t>(first);
    const auto end = static_cast<off_t>(first + size);
    while (offset < end) {
        auto n = ::copy_file_range(from, &offset, to, nullptr,
                                   static_cast<std::size_t>(end - offset), 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && offset == static_cast<off_t>(first) &&
            (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
             errno == EOPNOTSUPP)) {
            return false;
        }
        if (n < 0) {
            return errno_error("copy", errno);
        }
        if (n == 0) {
            return Error{Code::corrupt, "a file ended before its end"};
        }
    }
    return true;
}

Result<void> sync_fd(int fd) {
    if (::fsync(fd) != 0) {
        auto error = errno_error("fsync", errno);
        error.code = Code::unavailable;
        return error;
    }
    return {};
}

}  // namespace longshore
