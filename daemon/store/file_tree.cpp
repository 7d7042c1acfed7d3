#include "store/file_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/folder.hpp"

namespace longshore {
namespace {

constexpr int kMaxDepth = 32;

// A link where a folder or file should be is damage, not absence.
Error failed(std::string_view what, std::string_view path, int number) {
    auto error =
        errno_error(std::string(what) + " " + std::string(path), number);
    if (number == ELOOP || number == ENOTDIR || number == EISDIR) {
        error.code = Code::corrupt;
        error.message += " (a link, or no such kind of file)";
    }
    return error;
}

Result<void> check_name(std::string_view name, std::string_view path) {
    if (name.empty() || name == "." || name == ".." ||
        name.find('\0') != std::string_view::npos) {
        return Error{Code::invalid_argument,
                     "\"" + std::string(path) + "\" is no path here"};
    }
    return {};
}

class TreeSource final : public ByteSource {
public:
    TreeSource(Fd fd, std::uint64_t size) : fd_(std::move(fd)), size_(size) {}

    std::uint64_t size() const override { return size_; }

    Result<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> into) const override {
        return longshore::read_at(fd_.get(), offset, into);
    }

private:
    Fd fd_;
    std::uint64_t size_;
};

class FdWriter final : public TreeWriter {
public:
    explicit FdWriter(Fd fd) : fd_(std::move(fd)) {}
    Result<void> write(std::string_view bytes) override {
        return write_all(fd_.get(), bytes);
    }
    Result<void> sync() override { return sync_fd(fd_.get()); }

private:
    Fd fd_;
};

// All names in a folder. errno after an error.
bool list(int folder, std::vector<std::string>& into) {
    int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = copy >= 0 ? ::fdopendir(copy) : nullptr;
    if (stream == nullptr) {
        int error = errno;
        if (copy >= 0) {
            ::close(copy);
        }
        errno = error;
        return false;
    }
    for (;;) {
        errno = 0;
        const auto* entry = ::readdir(stream);
        if (entry == nullptr) {
            break;
        }
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            into.emplace_back(name);
        }
    }
    int error = errno;
    ::closedir(stream);
    errno = error;
    return error == 0;
}

bool clear(int folder, int depth) {
    std::vector<std::string> names;
    if (depth > kMaxDepth || !list(folder, names)) {
        return false;
    }
    for (const auto& name : names) {
        if (::unlinkat(folder, name.c_str(), 0) == 0) {
            continue;
        }
        if (errno != EISDIR && errno != EPERM) {
            return false;
        }
        Fd below(::openat(folder, name.c_str(),
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!below.valid() || !clear(below.get(), depth + 1) ||
            ::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace

struct FileTree::Place {
    Fd fd;
    std::string leaf;
};

Result<FileTree> FileTree::open(const std::string& folder, Modes modes) {
    int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed("open folder", folder, errno);
    }
    return FileTree(folder, fd, modes);
}

FileTree::FileTree(FileTree&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      lock_(std::exchange(other.lock_, -1)),
      modes_(other.modes_) {}

FileTree::~FileTree() {
    if (lock_ >= 0) {
        ::close(lock_);
    }
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<FileTree::Place> FileTree::walk(std::string_view folder) const {
    Place place;
    place.fd = Fd(::openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!place.fd.valid()) {
        return failed("open", path_, errno);
    }
    for (auto rest = folder; !rest.empty();) {
        auto slash = rest.find('/');
        std::string name(rest.substr(0, slash));
        LS_CHECK(check_name(name, folder));
        Fd next(::openat(place.fd.get(), name.c_str(),
                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!next.valid()) {
            return failed("open", folder, errno);
        }
        place.fd = std::move(next);
        rest = slash == std::string_view::npos ? std::string_view()
                                               : rest.substr(slash + 1);
    }
    return place;
}

Result<FileTree::Place> FileTree::folder_of(std::string_view path) const {
    auto slash = path.rfind('/');
    bool top = slash == std::string_view::npos;
    LS_TRY(place, walk(top ? std::string_view() : path.substr(0, slash)));
    place.leaf = path.substr(top ? 0 : slash + 1);
    LS_CHECK(check_name(place.leaf, path));
    return place;
}

Result<std::unique_ptr<ByteSource>> FileTree::read(
    std::string_view path) const {
    LS_TRY(place, folder_of(path));
    // A pipe would wait for its writer.
    Fd fd(::openat(place.fd.get(), place.leaf.c_str(),
                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) {
        return failed("open", path, errno);
    }
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) {
        return failed("stat", path, errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return Error{Code::corrupt, std::string(path) + " is no file"};
    }
    return std::unique_ptr<ByteSource>(std::make_unique<TreeSource>(
        std::move(fd), static_cast<std::uint64_t>(info.st_size)));
}

Result<std::string> FileTree::read_text(std::string_view path,
                                        std::size_t max_bytes) const {
    LS_TRY(source, read(path));
    if (source->size() > max_bytes) {
        return Error{Code::too_large,
                     std::string(path) + " has " +
                         std::to_string(source->size()) + " bytes, at most " +
                         std::to_string(max_bytes) + " are read"};
    }
    std::string text(static_cast<std::size_t>(source->size()), '\0');
    LS_TRY(got, source->read_at(0, text));
    text.resize(got);
    return text;
}

Result<std::optional<std::uint64_t>> FileTree::size(
    std::string_view path) const {
    auto place = folder_of(path);
    if (!place) {
        if (place.error().code == Code::not_found) {
            return std::optional<std::uint64_t>();
        }
        return std::move(place).error();
    }
    struct stat info {};
    if (::fstatat(place->fd.get(), place->leaf.c_str(), &info,
                  AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) {
            return std::optional<std::uint64_t>();
        }
        return failed("stat", path, errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return Error{Code::corrupt, std::string(path) + " is no file"};
    }
    return std::optional(static_cast<std::uint64_t>(info.st_size));
}

Result<std::vector<std::string>> FileTree::names(
    std::string_view folder) const {
    std::vector<std::string> found;
    auto place = walk(folder);
    if (!place) {
        if (place.error().code == Code::not_found) {
            return found;
        }
        return std::move(place).error();
    }
    if (!list(place->fd.get(), found)) {
        return failed("list", folder, errno);
    }
    std::sort(found.begin(), found.end());
    return found;
}

Result<std::unique_ptr<TreeWriter>> FileTree::create(
    std::string_view path) const {
    return create(path, modes_.file);
}

Result<std::unique_ptr<TreeWriter>> FileTree::create(std::string_view path,
                                                     mode_t mode) const {
    LS_TRY(place, folder_of(path));
    Fd fd(::openat(place.fd.get(), place.leaf.c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    // The mode is the one that was asked for, whatever the umask says.
    if (!fd.valid() || ::fchmod(fd.get(), mode) != 0) {
        int number = errno;
        auto error = failed("make", path, number);
        if (number == EEXIST) {
            error.code = Code::already_exists;
        }
        return error;
    }
    return std::unique_ptr<TreeWriter>(
        std::make_unique<FdWriter>(std::move(fd)));
}

Result<void> FileTree::make_folder(std::string_view path) const {
    return make_folder(path, modes_.folder);
}

Result<void> FileTree::make_folder(std::string_view path, mode_t mode) const {
    auto there = walk(path);
    if (there) {
        return {};
    }
    if (there.error().code != Code::not_found) {
        return std::move(there).error();
    }
    if (auto slash = path.rfind('/'); slash != std::string_view::npos) {
        LS_CHECK(make_folder(path.substr(0, slash)));
    }
    LS_TRY(place, folder_of(path));
    if (::mkdirat(place.fd.get(), place.leaf.c_str(), mode) != 0) {
        return failed("make folder", path, errno);
    }
    if (::fchmodat(place.fd.get(), place.leaf.c_str(), mode, 0) != 0) {
        return failed("make folder", path, errno);
    }
    return {};
}

Result<void> FileTree::rename(std::string_view from,
                              std::string_view to) const {
    LS_TRY(old_place, folder_of(from));
    LS_TRY(new_place, folder_of(to));
    if (::renameat(old_place.fd.get(), old_place.leaf.c_str(),
                   new_place.fd.get(), new_place.leaf.c_str()) != 0) {
        return failed("rename to", to, errno);
    }
    return {};
}

Result<void> FileTree::remove(std::string_view path) const {
    auto place = folder_of(path);
    if (!place) {
        return place.error().code == Code::not_found ? Result<void>()
                                                     : std::move(place).error();
    }
    if (::unlinkat(place->fd.get(), place->leaf.c_str(), 0) != 0 &&
        errno != ENOENT) {
        return failed("remove", path, errno);
    }
    return {};
}

Result<void> FileTree::remove_folder(std::string_view path) const {
    auto folder = walk(path);
    if (!folder) {
        return folder.error().code == Code::not_found
                   ? Result<void>()
                   : std::move(folder).error();
    }
    LS_TRY(place, folder_of(path));
    if (!clear(folder->fd.get(), 0) ||
        ::unlinkat(place.fd.get(), place.leaf.c_str(), AT_REMOVEDIR) != 0) {
        return failed("remove", path, errno);
    }
    return {};
}

Result<void> FileTree::sync_folder(std::string_view path) const {
    LS_TRY(place, walk(path));
    return sync_fd(place.fd.get());
}

Result<void> FileTree::sync() const {
    if (::syncfs(fd_) != 0) {
        auto error = failed("syncfs", path_, errno);
        error.code = Code::unavailable;
        return error;
    }
    return {};
}

Result<std::uint64_t> FileTree::free_bytes() const {
    struct statvfs space {};
    if (::fstatvfs(fd_, &space) != 0) {
        return failed("statvfs", path_, errno);
    }
    return std::uint64_t{space.f_bavail} * space.f_frsize;
}

Result<void> FileTree::lock(std::string_view path, bool shared) {
    LS_TRY(place, folder_of(path));
    int flags = (shared ? O_RDONLY : O_RDWR | O_CREAT) | O_NOFOLLOW | O_CLOEXEC;
    lock_ = ::openat(place.fd.get(), place.leaf.c_str(), flags, modes_.file);
    if (lock_ < 0) {
        return failed("open", path, errno);
    }
    if (::flock(lock_, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) {
        return {};
    }
    if (errno == EWOULDBLOCK) {
        return Error{Code::conflict,
                     "another registryctl is at work in " + path_};
    }
    return failed("lock", path, errno);
}

}  // namespace longshore
