#include "ngx_module/spool_file.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/encoding.hpp"
#include "common/layout.hpp"
#include "common/probe.hpp"

namespace longshore {

// registryd's own files in the same folder begin with another letter.
std::string new_spool_name() {
    std::array<std::uint8_t, 16> random;
    if (::getrandom(random.data(), random.size(), 0) !=
        static_cast<ssize_t>(random.size())) {
        return {};
    }
    std::string name(1 + 2 * random.size(), 'n');
    hex_encode(random, name.data() + 1);
    return name;
}

SpoolFile::SpoolFile(std::string_view root, std::uint8_t algorithms)
    : name_(new_spool_name()),
      path_(layout::spool_file(root, name_).view()),
      extra_(algorithms) {}

SpoolFile::~SpoolFile() {
    close();
}

SessionResult SpoolFile::fail(int error_number) noexcept {
    error_number_ = error_number;
    return may_pass(error_number) ? SessionResult::no_storage
                                  : SessionResult::failed;
}

SessionResult SpoolFile::prepare() {
    if (fd_ >= 0) {
        return SessionResult::ok;
    }
    if (!is_valid()) {
        return SessionResult::failed;
    }
    // Readable by others like everything in the store: that is where it goes.
    fd_ = ::open(path_.c_str(),
                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd_ < 0) {
        return fail(errno);
    }
    exists_ = true;
    LS_PROBE(spool, opened);
    return SessionResult::ok;
}

SessionResult SpoolFile::append(const void* bytes, std::size_t size) {
    const auto* text = static_cast<const char*>(bytes);
    hash_.update(text, size);
    extra_.update(text, size);
    if (!write_all(fd_, text, size, static_cast<off_t>(size_))) {
        return fail(errno);
    }
    LS_PROBE(spool, written);
    size_ += size;
    write_back_.advance(fd_, size_);
    return SessionResult::ok;
}

SessionResult SpoolFile::commit(const Digest& digest) {
    digest_ = hash_.digest();
    texts_ = extra_.finish();
    if (!digest.encoded().empty() && !(digest == digest_)) {
        return SessionResult::mismatch;
    }
    if (::fsync(fd_) != 0) {
        return fail(errno);
    }
    LS_PROBE(spool, synced);
    exists_ = false;
    return SessionResult::ok;
}

SessionResult SpoolFile::finish(Finish finish, const Digest& digest,
                                SessionResult so_far) {
    auto result = so_far;
    if (finish == Finish::commit && result == SessionResult::ok) {
        result = prepare();  // of an empty body nothing was written yet
        if (result == SessionResult::ok) {
            result = commit(digest);
        }
    }
    close();
    return result;
}

void SpoolFile::close() noexcept {
    close_fd(fd_);
    if (exists_) {
        ::unlink(path_.c_str());
        exists_ = false;
    }
}

}  // namespace longshore
