// PackageStore on a local file system.
#include "store/package_store.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/encoding.hpp"
#include "common/layout.hpp"
#include "common/probe.hpp"
#include "store/folder.hpp"
#include "store/spare_copies.hpp"

namespace longshore {
namespace {

// What is worth a copy that was made ahead.
constexpr std::uint64_t kLeastSpare = std::uint64_t{64} << 10;

class FileSource final : public ByteSource {
public:
    FileSource(std::string path, Fd fd, std::uint64_t size)
        : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

    std::uint64_t size() const override { return size_; }

    Result<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> into) const override {
        return longshore::read_at(fd_.get(), offset, into);
    }

    const std::string& path() const noexcept { return path_; }
    int fd() const noexcept { return fd_.get(); }

private:
    std::string path_;
    Fd fd_;
    std::uint64_t size_;
};

Result<std::string> random_name() {
    std::array<std::uint8_t, 16> bytes;
    if (::getrandom(bytes.data(), bytes.size(), 0) !=
        static_cast<ssize_t>(bytes.size())) {
        return errno_error("getrandom", errno);
    }
    // "d…" is what the daemon sweeps of its own at start.
    std::string name = "d" + std::string(2 * bytes.size(), '0');
    hex_encode(bytes, name.data() + 1);
    return name;
}

class FileWriter final : public SpoolWriter {
public:
    FileWriter(const RootFolder& root, SpareCopies& spares, std::string name,
               Fd fd)
        : root_(root),
          spares_(spares),
          name_(std::move(name)),
          fd_(std::move(fd)) {}

    ~FileWriter() override {
        if (!finished_) {
            (void)::unlinkat(root_.fd(), ("spool/" + name_).c_str(), 0);
        }
    }

    Result<void> write(std::string_view bytes) override {
        empty_ = false;
        return write_all(fd_.get(), bytes);
    }

    Result<void> copy(const ByteSource& source, std::uint64_t offset,
                      std::uint64_t size) override {
        if (const auto* file = dynamic_cast<const FileSource*>(&source)) {
            bool first = std::exchange(empty_, false) && offset == 0;
            if (first && size >= kLeastSpare && take_spare(*file, size)) {
                return {};
            }
            LS_TRY(done, copy_in_kernel(file->fd(), offset, size, fd_.get()));
            if (done) {
                return {};
            }
        }
        std::string buffer(std::size_t{256} << 10, '\0');
        while (size > 0) {
            auto wanted = std::min<std::uint64_t>(size, buffer.size());
            LS_TRY(got, source.read_at(offset, {buffer.data(), wanted}));
            if (got == 0) {
                return Error{Code::corrupt, "a file ended before its end"};
            }
            LS_CHECK(write({buffer.data(), got}));
            offset += got;
            size -= got;
        }
        return {};
    }

    Result<std::string> finish(bool durable) override {
        if (durable) {
            LS_CHECK(sync_fd(fd_.get()));
            LS_PROBE(stage, synced);
        }
        if (fd_.close() != 0) {
            return errno_error("close", errno);
        }
        finished_ = true;
        return name_;
    }

private:
    // A copy that was made ahead, cut to this length, in the place of the file
    // that is empty still.
    bool take_spare(const FileSource& source, std::uint64_t size) {
        auto spare = spares_.take(source.path());
        if (!spare || spare->size_bytes < size) {
            return false;
        }
        auto other = random_name();
        if (!other) {
            return false;
        }
        const auto end = static_cast<off_t>(size);
        auto link = "/proc/self/fd/" + std::to_string(spare->file.get());
        if (::ftruncate(spare->file.get(), end) != 0 ||
            ::lseek(spare->file.get(), end, SEEK_SET) != end ||
            ::linkat(AT_FDCWD, link.c_str(), root_.fd(),
                     ("spool/" + *other).c_str(), AT_SYMLINK_FOLLOW) != 0) {
            return false;
        }
        (void)::unlinkat(root_.fd(), ("spool/" + name_).c_str(), 0);
        name_ = std::move(*other);
        fd_ = std::move(spare->file);
        return true;
    }

    const RootFolder& root_;
    SpareCopies& spares_;
    std::string name_;
    Fd fd_;
    bool empty_ = true;
    bool finished_ = false;
};

// Names in the spool are hexadecimal, with our own letter before them: no
// part of a path.
bool is_spool_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 64 &&
           name.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz.-_") ==
               std::string_view::npos &&
           name.front() != '.';
}

class FilePackageStore final : public PackageStore {
public:
    FilePackageStore(std::string root, RootFolder folder,
                     std::shared_ptr<DigestLocks> locks)
        : PackageStore(std::move(locks)),
          root_(std::move(root)),
          folder_(std::move(folder)) {}

    Result<void> prepare() {
        LS_CHECK(make("spool"));
        return make("documents");
    }

    Result<std::unique_ptr<SpoolWriter>> create() override {
        LS_TRY(name, random_name());
        LS_TRY(fd,
               folder_.open_file("spool/" + name, O_WRONLY | O_CREAT | O_EXCL));
        return std::unique_ptr<SpoolWriter>(std::make_unique<FileWriter>(
            folder_, spares_, std::move(name), std::move(fd)));
    }

    Result<std::unique_ptr<ByteSource>> open_spool(
        std::string_view name) override {
        if (!is_spool_name(name)) {
            return Error{Code::not_found, "no such file in the spool"};
        }
        return open("spool/" + std::string(name));
    }

    Result<std::unique_ptr<ByteSource>> open_blob(
        const Digest& digest) override {
        return open(relative(layout::blob_data(root_, digest)));
    }

    Result<std::unique_ptr<ByteSource>> open_document(
        const Digest& digest) override {
        return open(relative(layout::document_data(root_, digest)));
    }

    Result<void> adopt_blob(std::string_view name,
                            const Digest& digest) override {
        return adopt(name, relative(layout::blob_data(root_, digest)), true);
    }

    Result<void> adopt_document(std::string_view name,
                                const Digest& digest) override {
        return adopt(name, relative(layout::document_data(root_, digest)),
                     false);
    }

    Result<void> remove_document(const Digest& digest) override {
        auto path = relative(layout::document_data(root_, digest));
        if (::unlinkat(folder_.fd(), path.c_str(), 0) != 0 && errno != ENOENT) {
            return errno_error("remove " + path, errno);
        }
        LS_PROBE(document, removed);
        spares_.forget(path);
        return {};
    }

    void copy_ahead(std::string_view owner, const Digest& document) override {
        spares_.order(owner, relative(layout::document_data(root_, document)));
    }

    void drop(std::string_view name) noexcept override {
        if (!is_spool_name(name)) {
            return;
        }
        try {
            auto path = "spool/" + std::string(name);
            (void)::unlinkat(folder_.fd(), path.c_str(), 0);
        } catch (const std::bad_alloc&) {
            return;  // the sweep finds it
        }
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
    Result<void> make(std::string_view folder) {
        LS_TRY(made, folder_.make_folder(folder));
        static_cast<void>(made);
        return {};
    }

    std::string relative(const Path& path) const {
        return path.empty() ? std::string()
                            : std::string(path.view().substr(root_.size() + 1));
    }

    Result<std::unique_ptr<ByteSource>> open(const std::string& path) {
        LS_TRY(fd, folder_.open_file(path, O_RDONLY | O_NOFOLLOW));
        struct stat info {};
        if (::fstat(fd.get(), &info) != 0) {
            return errno_error("stat " + path, errno);
        }
        if (!S_ISREG(info.st_mode)) {
            return Error{Code::corrupt, path + " is no file"};
        }
        return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(
            path, std::move(fd), static_cast<std::uint64_t>(info.st_size)));
    }

    // An equal blob that is there already gives way: both have these bytes,
    // and those of the spool are known to be durable.
    Result<void> adopt(std::string_view name, const std::string& path,
                       bool durable) {
        if (!is_spool_name(name) || path.empty()) {
            return Error{Code::not_found, "no such file in the spool"};
        }
        auto slash = path.rfind('/');
        auto from = "spool/" + std::string(name);
        auto leaf = path.substr(slash + 1);
        // The garbage collector removes empty folders: then once more.
        RootFolder::Made made;
        for (int attempt = 0;; ++attempt) {
            LS_TRY(again, folder_.make_folder(path.substr(0, slash)));
            made.fd = std::move(again.fd);
            // Also what an attempt before has made.
            made.dirty.insert(made.dirty.end(), again.dirty.begin(),
                              again.dirty.end());
            if (::renameat(folder_.fd(), from.c_str(), made.fd.get(),
                           leaf.c_str()) == 0) {
                break;
            }
            if (errno != ENOENT || attempt == 3) {
                return errno_error("rename to " + path, errno);
            }
        }
        if (!durable) {
            LS_PROBE(document, renamed);
            return {};
        }
        LS_PROBE(package, renamed);
        LS_CHECK(sync_fd(made.fd.get()));
        for (const auto& dirty : made.dirty) {
            LS_CHECK(folder_.sync_folder(dirty));
        }
        LS_PROBE(package, folder_synced);
        return {};
    }

    std::string root_;
    RootFolder folder_;
    SpareCopies spares_{folder_};
};

}  // namespace

Result<std::unique_ptr<PackageStore>> open_package_store(
    const std::string& root, std::shared_ptr<DigestLocks> locks) {
    std::string clean = root;
    while (clean.size() > 1 && clean.back() == '/') {
        clean.pop_back();
    }
    LS_TRY(folder, RootFolder::open(clean));
    auto store = std::make_unique<FilePackageStore>(
        std::move(clean), std::move(folder), std::move(locks));
    LS_CHECK(store->prepare());
    return std::unique_ptr<PackageStore>(std::move(store));
}

}  // namespace longshore
