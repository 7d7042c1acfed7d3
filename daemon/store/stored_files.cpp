#include "store/stored_files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.hpp"
#include "common/layout.hpp"
#include "store/folder.hpp"

namespace longshore {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;
// What O_DIRECT wants of memory and offsets, and more than any disk does.
constexpr std::size_t kAligned = 4096;
constexpr std::string_view kQuarantine = "quarantine";

struct Free {
    void operator()(char* memory) const noexcept { std::free(memory); }
};

// Of this process or machine, not of the file.
bool is_passing(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

std::string unreadable(int error) {
    return errno_error("cannot be read", error).message;
}

// "a/b/c" → "a/b"
std::string_view folder_of(std::string_view path) noexcept {
    return path.substr(0, path.rfind('/'));
}

std::string leaf_of(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));
}

bool is_same(const struct stat& a, const struct stat& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Opens past the page cache where that can be.
Fd open_to_read(const RootFolder& folder, const std::string& path,
                bool& direct) {
    constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    auto fd = folder.try_open(path, kFlags | O_DIRECT);
    direct = fd.valid();
    return !direct && errno == EINVAL ? folder.try_open(path, kFlags)
                                      : std::move(fd);
}

}  // namespace

struct StoredFiles::Held {
    Fd fd;  // as long as it is open no other file gets its number
    struct stat info {};
    std::string path;
};

struct StoredFiles::Parts {
    explicit Parts(RootFolder root)
        : folder(std::move(root)),
          buffer(static_cast<char*>(std::aligned_alloc(kAligned, kChunk))) {}

    RootFolder folder;
    std::unique_ptr<char, Free> buffer;
};

StoredFiles::StoredFiles(std::string root) : root_(std::move(root)) {}
StoredFiles::~StoredFiles() = default;

Result<std::unique_ptr<StoredFiles>> StoredFiles::open(
    const std::string& root) {
    std::string clean = root;
    while (clean.size() > 1 && clean.back() == '/') {
        clean.pop_back();
    }
    LS_TRY(folder, RootFolder::open(clean));
    std::unique_ptr<StoredFiles> files(new StoredFiles(std::move(clean)));
    files->parts_ = std::make_unique<Parts>(std::move(folder));
    if (files->parts_->buffer == nullptr) {
        return errno_error("buffer of the scrubber", ENOMEM);
    }
    return files;
}

Area StoredFiles::area_of(std::size_t shelf) noexcept {
    return shelf < 512 ? Area::blobs : Area::documents;
}

std::string StoredFiles::place(Area area, const Digest& digest) const {
    auto path = area == Area::blobs ? layout::blob_data(root_, digest)
                                    : layout::document_data(root_, digest);
    return std::string(path.view().substr(root_.size() + 1));
}

bool StoredFiles::there(Area area, const Digest& digest) const {
    return parts_->folder.try_open(place(area, digest), O_PATH | O_NOFOLLOW)
        .valid();
}

Result<std::vector<Digest>> StoredFiles::list(std::size_t shelf) {
    constexpr std::string_view kHex = "0123456789abcdef";
    auto algorithm = shelf / 256 == 1 ? Algorithm::sha512 : Algorithm::sha256;
    // Any digest of the shelf says where it is.
    std::string text(algorithm_name(algorithm));
    text += ':';
    text += kHex[shelf % 256 / 16];
    text += kHex[shelf % 16];
    auto begin = text;
    text.resize(7 + encoded_length(algorithm), '0');
    LS_TRY(first, Digest::parse(text));
    auto path = place(area_of(shelf), first);
    auto folder = std::string(folder_of(path));
    if (area_of(shelf) == Area::blobs) {
        folder = std::string(folder_of(folder));
    }
    std::vector<Digest> digests;
    auto fd = parts_->folder.try_open(folder, O_RDONLY | O_DIRECTORY);
    if (!fd.valid()) {
        return errno == ENOENT ? Result(std::move(digests))
                               : errno_error("list " + folder, errno);
    }
    int copy = ::dup(fd.get());
    std::unique_ptr<DIR, int (*)(DIR*)> stream(
        copy >= 0 ? ::fdopendir(copy) : nullptr, ::closedir);
    if (stream == nullptr) {
        auto error = errno_error("list " + folder, errno);
        ::close(copy);
        return error;
    }
    for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
        Digest digest;
        if (Digest::parse(std::string(text, 0, 7) + entry->d_name, digest) &&
            digest.text().starts_with(begin)) {
            digests.push_back(digest);
        }
    }
    if (errno != 0) {
        return errno_error("list " + folder, errno);
    }
    std::sort(digests.begin(), digests.end());
    return digests;
}

// What is in the place of a digest, whatever it is.
struct StoredFiles::Found {
    std::shared_ptr<Held> held;  // null: nothing, or `error`
    int error = 0;
    std::string problem = {};  // it is no file
};

Result<StoredFiles::Found> StoredFiles::find(Area area,
                                             const Digest& digest) const {
    auto held = std::make_shared<Held>();
    Found found;
    held->path = place(area, digest);
    held->fd = parts_->folder.try_open(held->path, O_PATH | O_NOFOLLOW);
    if (!held->fd.valid() && errno == ENOTDIR && area == Area::blobs) {
        held->path = std::string(folder_of(held->path));
        found.problem = "its folder is none";
        held->fd = parts_->folder.try_open(held->path, O_PATH | O_NOFOLLOW);
    }
    if (!held->fd.valid() || ::fstat(held->fd.get(), &held->info) != 0) {
        if (is_passing(errno)) {
            return errno_error("open " + held->path, errno);
        }
        found.error = errno == ENOENT || errno == ENOTDIR ? 0 : errno;
        return found;
    }
    auto mode = held->info.st_mode;
    if (found.problem.empty() && !S_ISREG(mode) && !S_ISLNK(mode)) {
        found.problem = S_ISDIR(mode) ? "it is a folder" : "it is no file";
    }
    found.held = std::move(held);
    return found;
}

Result<StoredFiles::Look> StoredFiles::look(Area area, const Digest& digest,
                                            const Pace& pace) {
    LS_TRY(found, find(area, digest));
    Look look;
    if (found.error != 0) {
        look.verdict = Verdict::unreadable;
        look.problem = unreadable(found.error);
        return look;
    }
    if (found.held == nullptr) {
        return look;
    }
    look.size_bytes = static_cast<std::uint64_t>(found.held->info.st_size);
    look.held = found.held;
    if (!found.problem.empty()) {
        look.verdict = Verdict::wrong;
        look.problem = std::move(found.problem);
        return look;
    }
    LS_CHECK(read(digest, pace, look));
    return look;
}

Result<void> StoredFiles::read(const Digest& digest, const Pace& pace,
                               Look& look) {
    bool is_link = S_ISLNK(look.held->info.st_mode);
    bool direct = false;
    auto fd = open_to_read(parts_->folder, look.held->path, direct);
    struct stat info {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
        if (is_passing(errno)) {
            return errno_error("open " + look.held->path, errno);
        }
        bool lost = errno == ENOENT || errno == ELOOP || errno == EXDEV;
        bool dangles = is_link && lost;
        look.verdict = dangles           ? Verdict::wrong
                       : errno == ENOENT ? Verdict::gone
                                         : Verdict::unreadable;
        look.problem =
            dangles ? "it is a link that leads nowhere" : unreadable(errno);
        return {};
    }
    if (!is_link && !is_same(info, look.held->info)) {
        look.verdict = Verdict::gone;  // another one took its place just now
        return {};
    }
    if (!S_ISREG(info.st_mode)) {
        look.verdict = Verdict::wrong;
        look.problem = "it is a link to no file";
        return {};
    }
    look.size_bytes = static_cast<std::uint64_t>(info.st_size);
    LS_CHECK(compare(fd.get(), direct, digest, pace, look));
    if (!direct) {
        (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
    return {};
}

// Reads all of it; `direct` becomes false once that turns out not to be.
Result<void> StoredFiles::compare(int fd, bool& direct, const Digest& digest,
                                  const Pace& pace, Look& look) {
    Hash hash(digest.algorithm());
    std::uint64_t at = 0;
    for (;;) {
        auto left = look.size_bytes > at ? look.size_bytes - at : 0;
        if (!pace(std::min<std::uint64_t>(kChunk, left))) {
            look.verdict = Verdict::stopped;
            return {};
        }
        auto n =
            ::pread(fd, parts_->buffer.get(), kChunk, static_cast<off_t>(at));
        if (n < 0 && errno == EINVAL && direct) {
            direct = ::fcntl(fd, F_SETFL, O_NONBLOCK) != 0;
            if (!direct) {
                continue;
            }
        }
        if (n < 0 && errno != EINTR) {
            if (is_passing(errno)) {
                return errno_error("read " + look.held->path, errno);
            }
            look.verdict = Verdict::unreadable;
            look.problem = unreadable(errno);
            return {};
        }
        if (n == 0) {
            bool same = hash.digest() == digest;
            look.verdict = same ? Verdict::healthy : Verdict::wrong;
            look.problem = same      ? ""
                           : at == 0 ? "it is empty"
                                     : "it holds other bytes";
            return {};
        }
        if (n > 0) {
            hash.update(parts_->buffer.get(), static_cast<std::size_t>(n));
            at += static_cast<std::uint64_t>(n);
        }
    }
}

Result<bool> StoredFiles::is_still(const Look& look) const {
    const auto& held = *look.held;
    auto from = parts_->folder.try_open(std::string(folder_of(held.path)),
                                        O_RDONLY | O_DIRECTORY);
    struct stat info {};
    if (!from.valid() || ::fstatat(from.get(), leaf_of(held.path).c_str(),
                                   &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? Result(false)
                               : errno_error("look at " + held.path, errno);
    }
    return is_same(info, held.info);
}

Result<bool> StoredFiles::quarantine(const Look& look,
                                     const std::string& name) {
    LS_TRY(still, is_still(look));
    if (!still) {
        return false;
    }
    const auto& held = *look.held;
    LS_TRY(to, parts_->folder.make_folder(kQuarantine));
    auto folder = std::string(folder_of(held.path));
    auto leaf = leaf_of(held.path);
    auto from = parts_->folder.try_open(folder, O_RDONLY | O_DIRECTORY);
    struct stat info {};
    if (!from.valid()) {
        return errno == ENOENT ? Result(false)
                               : errno_error("quarantine " + held.path, errno);
    }
    if (::renameat2(from.get(), leaf.c_str(), to.fd.get(), name.c_str(),
                    RENAME_NOREPLACE) != 0) {
        return errno == ENOENT ? Result(false)
                               : errno_error("quarantine " + held.path, errno);
    }
    if (::fstatat(to.fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        !is_same(info, held.info)) {
        // Somebody brought it anew between the look and the rename: back with
        // it. One that came even later has the same bytes.
        (void)::renameat2(to.fd.get(), name.c_str(), from.get(), leaf.c_str(),
                          RENAME_NOREPLACE);
        return false;
    }
    // After a power cut the file may be back: it is looked at again.
    (void)::fsync(to.fd.get());
    (void)::fsync(from.get());
    return true;
}

}  // namespace longshore
