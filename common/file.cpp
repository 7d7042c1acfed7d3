#include "common/file.hpp"

#include <array>
#include <cerrno>
#include <ctime>

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/probe.hpp"

namespace longshore {
namespace {

// What is being written; then it gets its name.
constexpr std::string_view kFresh = ".new";

Result<void> sync_folder(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno_error("open " + path, errno);
    }
    int synced = ::fsync(fd);
    int error = errno;
    ::close(fd);
    return synced == 0 ? Result<void>() : errno_error("sync " + path, error);
}

// A new file with this text, on the disk; none if that fails.
Result<void> write_beside(const std::string& path, std::string_view text,
                          mode_t mode) {
    int fd = ::open(path.c_str(),
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return errno_error("make " + path, errno);
    }
    // The umask must not keep nginx from reading what is public.
    bool good = ::fchmod(fd, mode) == 0;
    while (good && !text.empty()) {
        auto written = ::write(fd, text.data(), text.size());
        good = written >= 0 || errno == EINTR;
        text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    good = good && ::fsync(fd) == 0;
    int error = errno;
    ::close(fd);
    if (good) {
        return {};
    }
    ::unlink(path.c_str());
    return errno_error("write " + path, error);
}

}  // namespace

Result<void> make_folder(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
        return errno_error("make " + path, errno);
    }
    return {};
}

Result<void> write_file(const std::string& folder, const std::string& path,
                        std::string_view text, mode_t mode) {
    auto temporary = path + std::string(kFresh);
    ::unlink(temporary.c_str());
    LS_CHECK(write_beside(temporary, text, mode));
    LS_PROBE(key_file, written);
    if (::rename(temporary.c_str(), path.c_str()) == 0) {
        LS_PROBE(key_file, renamed);
        return sync_folder(folder);
    }
    int error = errno;
    ::unlink(temporary.c_str());
    return errno_error("write " + path, error);
}

Result<void> write_new_file(const std::string& folder, const std::string& path,
                            std::string_view text, mode_t mode) {
    auto temporary = path + "." + std::to_string(::getpid()) + "." +
                     std::to_string(::gettid()) + std::string(kFresh);
    ::unlink(temporary.c_str());
    LS_CHECK(write_beside(temporary, text, mode));
    // Unlike a rename this replaces nothing.
    bool linked = ::link(temporary.c_str(), path.c_str()) == 0;
    int error = errno;
    LS_PROBE(key_file, linked);
    ::unlink(temporary.c_str());
    if (linked) {
        return sync_folder(folder);
    }
    if (error == EEXIST) {
        return Error{Code::already_exists, path + " is there already"};
    }
    return errno_error("write " + path, error);
}

void remove_unfinished_files(const std::string& folder,
                             std::int64_t min_age_s) noexcept {
    DIR* listing = ::opendir(folder.c_str());
    if (listing == nullptr) {
        return;
    }
    auto latest = static_cast<std::int64_t>(std::time(nullptr)) - min_age_s;
    int parent = ::dirfd(listing);
    while (const auto* entry = ::readdir(listing)) {
        struct stat info {};
        if (std::string_view(entry->d_name).ends_with(kFresh) &&
            ::fstatat(parent, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode) && info.st_mtim.tv_sec <= latest) {
            (void)::unlinkat(parent, entry->d_name, 0);
        }
    }
    ::closedir(listing);
}

Result<std::string> read_file(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno_error("open " + path, errno);
    }
    std::array<char, 256> buffer{};
    auto got = ::read(fd, buffer.data(), buffer.size());
    int error = errno;
    ::close(fd);
    if (got < 0) {
        return errno_error("read " + path, error);
    }
    std::string text(buffer.data(), static_cast<std::size_t>(got));
    OPENSSL_cleanse(buffer.data(), buffer.size());
    return text;
}

}  // namespace longshore
