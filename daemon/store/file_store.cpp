// BlobStore on a local file system. Everything appears by rename: a reader
// sees a whole file or none.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/probe.hpp"
#include "store/blob_store.hpp"
#include "store/folder.hpp"
#include "store/root_marks.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxSmallFile = 64 * 1024;
constexpr std::int64_t kSpoolMaxAgeS = 24 * 3600;
constexpr int kMaxDepth = 32;
// Of the trash: blobs that may be had back, "<algorithm>-<hex>" each. What lies
// beside it is half done.
constexpr std::string_view kTrashedBlobs = "blobs";

std::string trashed(const Digest& digest) {
    std::string name = "trash/blobs/" + digest.str();
    name[name.find(':')] = '-';
    return name;
}

// Parts of a relative path: "a/b/c" → "a/b" and "c".
struct Split {
    std::string_view folder;
    std::string leaf;
};

Split split(std::string_view path) {
    auto slash = path.rfind('/');
    return {path.substr(0, slash), std::string(path.substr(slash + 1))};
}

Result<std::string> read_fd(int fd, std::size_t max_bytes) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) {
        return errno_error("stat", errno);
    }
    auto size = static_cast<std::size_t>(info.st_size);
    if (size > max_bytes) {
        return Error{Code::too_large,
                     "file has " + std::to_string(size) + " bytes, at most " +
                         std::to_string(max_bytes) + " are read"};
    }
    std::string bytes(size, '\0');
    LS_TRY(got, read_at(fd, 0, bytes));
    bytes.resize(got);
    return bytes;
}

class FolderStream {
public:
    explicit FolderStream(Fd fd) : stream_(nullptr) {
        int copy = ::dup(fd.get());
        stream_ = copy >= 0 ? ::fdopendir(copy) : nullptr;
        if (stream_ == nullptr && copy >= 0) {
            ::close(copy);
        }
    }
    ~FolderStream() {
        if (stream_ != nullptr) {
            ::closedir(stream_);
        }
    }
    FolderStream(const FolderStream&) = delete;
    FolderStream& operator=(const FolderStream&) = delete;

    bool valid() const noexcept { return stream_ != nullptr; }
    int fd() const noexcept { return ::dirfd(stream_); }

    // nullptr at the end, errno set after an error.
    const dirent* next() noexcept {
        for (;;) {
            errno = 0;
            const dirent* entry = ::readdir(stream_);
            if (entry == nullptr) {
                return nullptr;
            }
            std::string_view name = entry->d_name;
            if (name != "." && name != "..") {
                return entry;
            }
        }
    }

private:
    DIR* stream_;
};

bool is_folder(int parent, const dirent& entry) noexcept {
    if (entry.d_type != DT_UNKNOWN) {
        return entry.d_type == DT_DIR;
    }
    struct stat info {};
    return ::fstatat(parent, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(info.st_mode);
}

// Removes what is in the folder behind `fd`, but for `kept`; then the caller
// removes it.
void clear_folder(Fd fd, int depth, std::string_view kept = {}) {
    if (depth > kMaxDepth) {
        return;
    }
    FolderStream stream(std::move(fd));
    if (!stream.valid()) {
        return;
    }
    while (const auto* entry = stream.next()) {
        if (entry->d_name == kept) {
            continue;
        }
        if (is_folder(stream.fd(), *entry)) {
            clear_folder(
                Fd(::openat(stream.fd(), entry->d_name,
                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)),
                depth + 1);
            (void)::unlinkat(stream.fd(), entry->d_name, AT_REMOVEDIR);
        } else {
            (void)::unlinkat(stream.fd(), entry->d_name, 0);
        }
    }
}

class FileStore final : public BlobStore {
public:
    FileStore(std::string root, RootFolder folder)
        : root_(std::move(root)), folder_(std::move(folder)) {}

    const std::string& root() const noexcept override { return root_; }

    Result<void> prepare() {
        LS_TRY(spool, folder_.make_folder("spool"));
        LS_TRY(trash, folder_.make_folder("trash"));
        clear_folder(std::move(trash.fd), 0, kTrashedBlobs);
        LS_TRY(blobs, folder_.make_folder("trash/blobs"));
        static_cast<void>(blobs);
        (void)clear_old_temporaries(std::move(spool.fd));
        return {};
    }

    Result<void> put(const Digest& digest, std::string_view bytes) override {
        auto path = layout::blob_data(root_, digest);
        auto known = read(digest, bytes.size());
        if (known && *known == bytes) {
            // Somebody else may have renamed it a moment ago and not synced
            // its folders yet; where all is clean this costs nothing.
            return sync_blob_folders(digest);
        }
        return place(path, bytes, true);
    }

    Result<std::uint64_t> size(const Digest& digest) override {
        auto path = layout::blob_data(root_, digest);
        LS_TRY(fd, folder_.open_file(relative(path), O_PATH));
        struct stat info {};
        if (::fstat(fd.get(), &info) != 0) {
            return errno_error("stat " + path.str(), errno);
        }
        if (!S_ISREG(info.st_mode)) {
            return Error{Code::corrupt, path.str() + " is no file"};
        }
        return static_cast<std::uint64_t>(info.st_size);
    }

    Result<std::string> read(const Digest& digest,
                             std::uint64_t max_bytes) override {
        auto path = layout::blob_data(root_, digest);
        LS_TRY(fd, folder_.open_file(relative(path), O_RDONLY));
        return read_fd(fd.get(), max_bytes);
    }

    Result<void> write_file(const Path& path, std::string_view text) override {
        return place(path, text, false);
    }

    Result<void> write_durable(const Path& path,
                               std::string_view text) override {
        return place(path, text, true);
    }

    Result<std::string> read_file(const Path& path) override {
        LS_TRY(fd, folder_.open_file(relative(path), O_RDONLY));
        return read_fd(fd.get(), kMaxSmallFile);
    }

    bool exists(const Path& path) override {
        return static_cast<bool>(folder_.open_file(relative(path), O_PATH));
    }

    Result<bool> present(const Path& path) override {
        auto fd = folder_.open_file(relative(path), O_PATH);
        if (!fd) {
            return absent(std::move(fd).error());
        }
        return true;
    }

    Result<bool> remove_file(const Path& path) override {
        auto [folder, leaf] = split(relative(path));
        auto fd = folder_.open_file(folder, O_RDONLY | O_DIRECTORY);
        if (!fd) {
            return absent(std::move(fd).error());
        }
        if (::unlinkat(fd->get(), leaf.c_str(), 0) != 0) {
            return absent(errno_error("remove " + path.str(), errno));
        }
        return true;
    }

    Result<bool> remove_folder(const Path& path) override {
        auto [folder, leaf] = split(relative(path));
        auto fd = folder_.open_file(folder, O_RDONLY | O_DIRECTORY);
        if (!fd) {
            return absent(std::move(fd).error());
        }
        auto aside = "trash/" + unique_name();
        int renamed =
            ::renameat(fd->get(), leaf.c_str(), folder_.fd(), aside.c_str());
        if (renamed != 0) {
            return absent(errno_error("remove " + path.str(), errno));
        }
        LS_PROBE(folder, aside);
        remove_aside(aside);
        return true;
    }

    Result<void> list(const Path& path,
                      const std::function<bool(const Entry&)>& visit) override {
        auto fd = folder_.open_file(relative(path), O_RDONLY | O_DIRECTORY);
        if (!fd) {
            if (fd.error().code == Code::not_found) {
                return {};
            }
            return std::move(fd).error();
        }
        FolderStream stream(std::move(*fd));
        if (!stream.valid()) {
            return errno_error("list " + path.str(), errno);
        }
        while (const auto* entry = stream.next()) {
            if (!visit({entry->d_name, is_folder(stream.fd(), *entry)})) {
                return {};
            }
        }
        if (errno != 0) {
            return errno_error("list " + path.str(), errno);
        }
        return {};
    }

    Result<std::int64_t> age_s(const Path& path) override {
        LS_TRY(fd, folder_.open_file(relative(path), O_PATH));
        struct stat info {};
        if (::fstat(fd.get(), &info) != 0) {
            return errno_error("stat " + path.str(), errno);
        }
        return static_cast<std::int64_t>(std::time(nullptr)) -
               info.st_mtim.tv_sec;
    }

    Result<bool> touch(const Path& path) override {
        auto [folder, leaf] = split(relative(path));
        auto fd = folder_.open_file(folder, O_RDONLY | O_DIRECTORY);
        if (!fd) {
            return absent(std::move(fd).error());
        }
        if (!touch_at(fd->get(), leaf)) {
            return absent(errno_error("touch " + path.str(), errno));
        }
        return true;
    }

    Result<std::optional<Aside>> set_aside(const Path& path) override {
        auto [folder, leaf] = split(relative(path));
        auto fd = folder_.open_file(folder, O_RDONLY | O_DIRECTORY);
        if (!fd) {
            return none_if_absent(std::move(fd).error());
        }
        Aside aside;
        aside.name = "trash/" + unique_name();
        if (::renameat(fd->get(), leaf.c_str(), folder_.fd(),
                       aside.name.c_str()) != 0) {
            return none_if_absent(
                errno_error("set aside " + path.str(), errno));
        }
        LS_PROBE(gc, one_aside);
        struct stat info {};
        if (::fstatat(folder_.fd(), aside.name.c_str(), &info,
                      AT_SYMLINK_NOFOLLOW) != 0) {
            auto error = errno_error("stat " + aside.name, errno);
            (void)::renameat(folder_.fd(), aside.name.c_str(), fd->get(),
                             leaf.c_str());
            return error;
        }
        aside.age_s =
            static_cast<std::int64_t>(std::time(nullptr)) - info.st_mtim.tv_sec;
        aside.size_bytes = static_cast<std::uint64_t>(info.st_size);
        return std::optional(std::move(aside));
    }

    Result<void> put_back(const Aside& aside, const Path& path) override {
        auto [folder, leaf] = split(relative(path));
        LS_TRY(made, folder_.make_folder(folder));
        if (::renameat(folder_.fd(), aside.name.c_str(), made.fd.get(),
                       leaf.c_str()) != 0) {
            return errno_error("put back " + path.str(), errno);
        }
        return {};
    }

    void discard(const Aside& aside) noexcept override {
        remove_aside(aside.name);
    }

    void throw_away(const Aside& aside,
                    const Digest& digest) noexcept override {
        // Its time in the trash begins now.
        if (!touch_at(folder_.fd(), aside.name) ||
            ::renameat(folder_.fd(), aside.name.c_str(), folder_.fd(),
                       trashed(digest).c_str()) != 0) {
            discard(aside);
        }
        LS_PROBE(trash, filled);
    }

    Result<bool> take_back(const Digest& digest) override {
        auto path = layout::blob_data(root_, digest);
        LS_TRY(there, touch(path));
        if (there) {
            LS_CHECK(sync_blob_folders(digest));
            return true;
        }
        auto name = trashed(digest);
        if (!touch_at(folder_.fd(), name)) {
            return absent(errno_error("touch " + name, errno));
        }
        auto [folder, leaf] = split(relative(path));
        LS_TRY(made, folder_.make_folder(folder));
        if (::renameat(folder_.fd(), name.c_str(), made.fd.get(),
                       leaf.c_str()) != 0) {
            return absent(errno_error("take back " + name, errno));
        }
        LS_PROBE(trash, taken_back);
        LS_CHECK(sync_blob_folders(digest));
        return true;
    }

    Result<std::int64_t> trash_age_s(const Digest& digest) override {
        auto name = trashed(digest);
        struct stat info {};
        if (::fstatat(folder_.fd(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) !=
            0) {
            return errno_error("stat " + name, errno);
        }
        return static_cast<std::int64_t>(std::time(nullptr)) -
               info.st_mtim.tv_sec;
    }

    Result<Trash> empty_trash(std::int64_t age_s) override {
        Trash left;
        auto fd = folder_.open_file("trash/blobs", O_RDONLY | O_DIRECTORY);
        if (!fd && fd.error().code == Code::not_found) {
            return left;
        }
        if (!fd) {
            return std::move(fd).error();
        }
        FolderStream stream(std::move(*fd));
        if (!stream.valid()) {
            return errno_error("list the trash", errno);
        }
        auto now = static_cast<std::int64_t>(std::time(nullptr));
        while (const auto* entry = stream.next()) {
            struct stat info {};
            if (::fstatat(stream.fd(), entry->d_name, &info,
                          AT_SYMLINK_NOFOLLOW) != 0) {
                continue;  // taken back meanwhile
            }
            if (now - info.st_mtim.tv_sec >= age_s &&
                ::unlinkat(stream.fd(), entry->d_name, 0) == 0) {
                continue;
            }
            ++left.blobs;
            left.bytes += static_cast<std::uint64_t>(info.st_size);
        }
        return left;
    }

    void remove_empty(const Path& folder) noexcept override {
        auto [parent, leaf] = split(relative(folder));
        auto fd = folder_.open_file(parent, O_RDONLY | O_DIRECTORY);
        if (fd) {
            // The kernel refuses one that is not empty.
            (void)::unlinkat(fd->get(), leaf.c_str(), AT_REMOVEDIR);
        }
    }

    Result<std::size_t> sweep_spool() override {
        std::vector<std::string> again;
        {
            std::lock_guard guard(asides_mutex_);
            again.swap(asides_);
        }
        for (const auto& aside : again) {
            remove_aside(aside);
        }
        LS_TRY(fd, folder_.open_file("spool", O_RDONLY | O_DIRECTORY));
        return clear_old_temporaries(std::move(fd));
    }

    Result<void> sync() override {
        if (::syncfs(folder_.fd()) != 0) {
            auto error = errno_error("syncfs " + root_, errno);
            error.code = Code::unavailable;
            return error;
        }
        return {};
    }

private:
    std::string_view relative(const Path& path) const noexcept {
        // An empty path (one that did not fit) stays one that open refuses.
        return path.empty() ? std::string_view()
                            : path.view().substr(root_.size() + 1);
    }

    // Sets errno.
    static bool touch_at(int folder, const std::string& name) noexcept {
        constexpr std::array<timespec, 2> kNow{
            {{0, UTIME_OMIT}, {0, UTIME_NOW}}};
        return ::utimensat(folder, name.c_str(), kNow.data(),
                           AT_SYMLINK_NOFOLLOW) == 0;
    }

    static Result<bool> absent(Error error) {
        if (error.code == Code::not_found) {
            return false;
        }
        return error;
    }

    static Result<std::optional<Aside>> none_if_absent(Error error) {
        if (error.code == Code::not_found) {
            return std::optional<Aside>();
        }
        return error;
    }

    // A file or folder in the trash; what stays is tried again by the sweep.
    void remove_aside(const std::string& aside) noexcept {
        if (::unlinkat(folder_.fd(), aside.c_str(), 0) == 0 ||
            errno == ENOENT) {
            return;
        }
        try {
            auto moved = folder_.open_file(aside, O_RDONLY | O_DIRECTORY);
            if (moved) {
                clear_folder(std::move(*moved), 0);
                LS_PROBE(folder, cleared);
            }
            if (::unlinkat(folder_.fd(), aside.c_str(), AT_REMOVEDIR) != 0 &&
                errno != ENOENT) {
                std::lock_guard guard(asides_mutex_);
                asides_.push_back(aside);
            }
        } catch (const std::exception&) {
            return;  // no memory: the next start clears the trash
        }
    }

    // Unique among all stores and processes that share the root.
    static std::string unique_name() {
        static std::atomic<std::uint64_t> made{0};
        static const auto kBorn = [] {
            timespec now{};
            ::clock_gettime(CLOCK_REALTIME, &now);
            return std::to_string(now.tv_sec) + "." +
                   std::to_string(now.tv_nsec);
        }();
        return "d" + std::to_string(::getpid()) + "." + kBorn + "." +
               std::to_string(made.fetch_add(1));
    }

    // A folder of ours that went away is nothing that the client asked for
    // and did not find.
    static Error missing_folder(Error error) {
        if (error.code == Code::not_found) {
            error.code = Code::unavailable;
        }
        return error;
    }

    // Temporary file in the spool, then rename into place.
    Result<void> place(const Path& path, std::string_view bytes, bool durable) {
        if (path.empty()) {
            return Error{Code::invalid_argument, "path is too long"};
        }
        auto temporary = "spool/" + unique_name();
        auto fd = folder_.open_file(temporary, O_WRONLY | O_CREAT | O_EXCL);
        if (!fd) {
            return missing_folder(std::move(fd).error());
        }
        auto placed =
            fill_and_rename(std::move(*fd), temporary, path, bytes, durable);
        if (!placed) {
            (void)::unlinkat(folder_.fd(), temporary.c_str(), 0);
            return missing_folder(std::move(placed).error());
        }
        return placed;
    }

    Result<void> fill_and_rename(Fd file, const std::string& temporary,
                                 const Path& path, std::string_view bytes,
                                 bool durable) {
        LS_CHECK(write_all(file.get(), bytes));
        LS_PROBE(file, written);
        if (durable) {
            LS_CHECK(sync_fd(file.get()));
            LS_PROBE(file, synced);
        }
        if (file.close() != 0) {
            return errno_error("close " + temporary, errno);
        }
        auto [folder, leaf] = split(relative(path));
        // The folder may be cleared away between making and use (a tag that
        // is deleted meanwhile): once more, then it is an error.
        std::vector<std::string> dirty;
        for (int attempt = 0;; ++attempt) {
            LS_TRY(made, folder_.make_folder(folder));
            // Also what an attempt before has made.
            dirty.insert(dirty.end(), made.dirty.begin(), made.dirty.end());
            if (::renameat(folder_.fd(), temporary.c_str(), made.fd.get(),
                           leaf.c_str()) != 0) {
                if (errno == ENOENT && attempt < 3) {
                    continue;
                }
                return errno_error("rename to " + path.str(), errno);
            }
            if (!durable) {
                return {};
            }
            LS_PROBE(file, renamed);
            LS_CHECK(sync_fd(made.fd.get()));
            for (const auto& one : dirty) {
                LS_CHECK(folder_.sync_folder(one));
            }
            LS_PROBE(file, folder_synced);
            return {};
        }
    }

    Result<void> sync_blob_folders(const Digest& digest) {
        auto path = layout::blob_folder(root_, digest);
        auto folder = relative(path);
        for (int level = 0; level < 3; ++level) {
            LS_CHECK(folder_.sync_folder(folder));
            LS_PROBE(file, known);
            folder = folder.substr(0, folder.rfind('/'));
        }
        return {};
    }

    // Of both writers: ours ("d…") and nginx's ("n…"), whose workers may have
    // been killed. One that is being written to is never so old.
    static std::size_t clear_old_temporaries(Fd fd) {
        std::size_t removed = 0;
        FolderStream stream(std::move(fd));
        if (!stream.valid()) {
            return removed;
        }
        auto now = static_cast<std::int64_t>(std::time(nullptr));
        while (const auto* entry = stream.next()) {
            struct stat info {};
            auto writer = entry->d_name[0];
            if ((writer == 'd' || writer == 'n') &&
                ::fstatat(stream.fd(), entry->d_name, &info,
                          AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISREG(info.st_mode) &&
                now - info.st_mtim.tv_sec > kSpoolMaxAgeS &&
                ::unlinkat(stream.fd(), entry->d_name, 0) == 0) {
                ++removed;
            }
        }
        return removed;
    }

    std::string root_;
    RootFolder folder_;
    std::mutex asides_mutex_;
    std::vector<std::string> asides_;  // in the trash, not removed yet
};

Result<std::unique_ptr<FileStore>> open_at(const std::string& root) {
    std::string clean = root;
    while (clean.size() > 1 && clean.back() == '/') {
        clean.pop_back();
    }
    if (clean.size() > kMaxRoot) {
        return Error{Code::invalid_argument,
                     "root has " + std::to_string(clean.size()) +
                         " characters, at most " + std::to_string(kMaxRoot) +
                         " are allowed"};
    }
    LS_TRY(folder, RootFolder::open(clean));
    return std::make_unique<FileStore>(std::move(clean), std::move(folder));
}

}  // namespace

Result<std::unique_ptr<BlobStore>> open_file_store(const std::string& root) {
    LS_TRY(store, open_at(root));
    auto mark = store->root() + "/" + std::string(kRestoreMark);
    if (::access(mark.c_str(), F_OK) == 0) {
        return Error{Code::unavailable,
                     "a restore into " + root +
                         " did not end: run it again (registryctl backup "
                         "restore), or empty the folder"};
    }
    LS_CHECK(store->prepare());
    return std::unique_ptr<BlobStore>(std::move(store));
}

Result<std::unique_ptr<BlobStore>> open_file_store_for_reading(
    const std::string& root) {
    LS_TRY(store, open_at(root));
    return std::unique_ptr<BlobStore>(std::move(store));
}

}  // namespace longshore
