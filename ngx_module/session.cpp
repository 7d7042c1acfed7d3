#include "ngx_module/session.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>

#include "common/layout.hpp"
#include "common/probe.hpp"
#include "common/range.hpp"
#include "common/upload_state.hpp"

namespace longshore {
namespace {

constexpr std::uint64_t kCheckpointBytes = std::uint64_t{64} << 20;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxRecord = kUploadStateBytes;

constexpr const char* kData = "data";
constexpr const char* kState = "state";
constexpr const char* kStartedAt = "startedat";
constexpr const char* kCommitted = "committed";

// Whole small file, or nothing.
std::optional<std::string> read_record(int folder, const char* name) {
    int fd = ::openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return std::nullopt;
    }
    std::array<char, kMaxRecord> text;
    auto size = ::read(fd, text.data(), text.size());
    ::close(fd);
    if (size < 0) {
        return std::nullopt;
    }
    return std::string(text.data(), static_cast<std::size_t>(size));
}

bool is_same_size(const std::string& path, std::uint64_t size) noexcept {
    struct stat info;
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
           static_cast<std::uint64_t>(info.st_size) == size;
}

bool sync_folder(const std::string& path) noexcept {
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool done = ::fsync(fd) == 0;
    int error_number = errno;
    ::close(fd);
    errno = error_number;
    return done;
}

std::string parent_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

// The garbage collector leaves what was changed lately.
bool make_new(int folder_fd, const char* name) {
    return ::utimensat(folder_fd, name, nullptr, 0) == 0;
}

// Makes `path` and what is missing above it. New folders are made durable in
// their parents, but for the `unsynced` lowest ones, which the caller does.
bool make_folders(const std::string& path, int unsynced) {
    if (::mkdir(path.c_str(), 0755) != 0) {
        if (errno == EEXIST) {
            return true;
        }
        if (errno != ENOENT || path.size() < 2 ||
            !make_folders(parent_of(path), unsynced - 1) ||
            (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)) {
            return false;
        }
    }
    return unsynced > 0 || sync_folder(parent_of(path));
}

// Makes the name of a blob durable. The two folders above too: they hold the
// names of those below, and whoever made them may not have got so far.
bool sync_blob(const std::string& folder) {
    auto above = parent_of(folder);
    return sync_folder(folder) && sync_folder(above) &&
           sync_folder(parent_of(above));
}

bool exists_in(int folder, const char* name) noexcept {
    return ::faccessat(folder, name, F_OK, 0) == 0;
}

std::int64_t now_s(clockid_t clock) noexcept {
    timespec now{};
    ::clock_gettime(clock, &now);
    return now.tv_sec;
}

// How many bytes of `data`, which no state covers, a process wrote that died.
// When the machine died too there is no telling: its size may be on the disk
// and some of the bytes not. What has a damaged state was synced with it.
std::uint64_t uncovered(int folder, const struct stat& data) noexcept {
    struct stat state;
    bool synced =
        ::fstatat(folder, kState, &state, 0) == 0 && state.st_size > 0;
    auto began_s = now_s(CLOCK_REALTIME) - now_s(CLOCK_BOOTTIME);
    return synced || data.st_mtim.tv_sec >= began_s
               ? static_cast<std::uint64_t>(data.st_size)
               : 0;
}

// One of the two says that the session lives, whatever else a cancelled one
// may have left: `startedat` becomes `committed`.
bool is_alive(int folder) noexcept {
    return exists_in(folder, kStartedAt) || exists_in(folder, kCommitted);
}

}  // namespace

Session::Session(const SessionPlace& place)
    : root_(place.root),
      top_(place.top),
      folder_(place.folder),
      spool_(place.spool) {}

Session::~Session() {
    close();
}

void Session::close() noexcept {
    close_fd(data_fd_);
    close_fd(folder_fd_);
}

SessionResult Session::fail(int error_number) noexcept {
    error_number_ = error_number;
    if (may_pass(error_number)) {
        return SessionResult::no_storage;
    }
    return error_number == ENOENT || error_number == ENOTDIR
               ? SessionResult::unknown
               : SessionResult::failed;
}

SessionResult Session::open_folder() {
    folder_fd_ = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd_ < 0) {
        return fail(errno);
    }
    return is_alive(folder_fd_) ? SessionResult::ok : SessionResult::unknown;
}

SessionResult Session::lock_data() {
    // Between open and lock another request may have turned `data` into a
    // blob: then the file in hand is that blob, and must not be written to.
    for (int attempt = 0; attempt < 3; ++attempt) {
        data_fd_ = ::openat(folder_fd_, kData, O_RDWR | O_CLOEXEC);
        if (data_fd_ < 0 && errno == ENOENT) {
            if (exists_in(folder_fd_, kCommitted)) {
                // Without its text (a power cut) the note still says that
                // the bytes are gone.
                return read_committed() ? SessionResult::committed
                                        : SessionResult::unknown;
            }
            data_fd_ =
                ::openat(folder_fd_, kData, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        }
        if (data_fd_ < 0) {
            return fail(errno);
        }
        if (::flock(data_fd_, LOCK_EX | LOCK_NB) != 0) {
            return errno == EWOULDBLOCK ? SessionResult::busy : fail(errno);
        }
        struct stat held;
        struct stat named;
        if (::fstat(data_fd_, &held) != 0) {
            return fail(errno);
        }
        if (held.st_nlink > 1 && spool_.empty()) {
            // linkat() published it and this name was left over: it is a
            // blob, and nothing may write to it.
            if (::unlinkat(folder_fd_, kData, 0) != 0) {
                return fail(errno);
            }
            close_fd(data_fd_);
            continue;
        }
        if (::fstatat(folder_fd_, kData, &named, 0) == 0 &&
            held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
            return SessionResult::ok;
        }
        close_fd(data_fd_);
    }
    return SessionResult::busy;
}

bool Session::read_state() {
    auto file = read_record(folder_fd_, kState);
    auto state = file ? decode_upload_state_file(*file) : std::nullopt;
    if (!state) {
        return false;
    }
    generation_ = state->generation;
    has_record_ = true;
    offset_ = saved_offset_ = state->offset;
    start_state_ = state->hash;
    return true;
}

bool Session::read_committed() {
    auto record = read_record(folder_fd_, kCommitted);
    if (!record) {
        return false;
    }
    auto space = record->find(' ');
    if (space == std::string::npos) {
        return false;
    }
    Digest digest;
    auto size = parse_decimal(std::string_view(*record).substr(space + 1));
    committed_ = record->substr(0, space);
    if (!size || !Digest::parse(committed_, digest)) {
        return false;
    }
    committed_size_ = *size;
    return true;
}

SessionResult Session::open() {
    auto result = open_folder();
    if (result != SessionResult::ok) {
        return result;
    }
    result = lock_data();
    if (result != SessionResult::ok && result != SessionResult::busy) {
        return result;
    }
    struct stat info;
    if (result == SessionResult::ok && !spool_.empty() &&
        exists_in(folder_fd_, kCommitted)) {
        // Its bytes may be a blob already: nothing is written any more.
        return read_committed() ? SessionResult::committed
                                : SessionResult::unknown;
    }
    if (data_fd_ < 0 || ::fstat(data_fd_, &info) != 0) {
        return result == SessionResult::busy ? result : fail(errno);
    }
    auto size = static_cast<std::uint64_t>(info.st_size);
    has_state_ = read_state();
    if (has_state_ && saved_offset_ <= size) {
        hash_ = Hash(*start_state_);
    } else {
        // prepare() will hash what is there, with what the client announced.
        hash_ =
            Hash(start_state_ ? start_state_->algorithm : Algorithm::sha256);
        has_state_ = false;
        offset_ = saved_offset_ = uncovered(folder_fd_, info);
    }
    start_offset_ = offset_;
    write_back_ = WriteBack(offset_);
    if (result == SessionResult::busy) {
        close();
    }
    return result;
}

SessionResult Session::prepare() {
    if (prepared_) {
        return SessionResult::ok;
    }
    struct stat info;
    if (::fstat(data_fd_, &info) != 0 ||
        (static_cast<std::uint64_t>(info.st_size) > offset_ &&
         ::ftruncate(data_fd_, static_cast<off_t>(offset_)) != 0)) {
        return fail(errno);
    }
    if (!has_state_ && offset_ > 0) {
        Hash hash(hash_.algorithm());
        auto result = hash_file(hash, offset_);
        if (result != SessionResult::ok) {
            return result;
        }
        hash_ = hash;
    }
    if (!has_state_ && exists_in(folder_fd_, kState)) {
        // It outlived its bytes and must not cover others later.
        if (auto kept = keep(); kept != SessionResult::ok) {
            return kept;
        }
    }
    start_state_ = hash_.state();
    prepared_ = true;
    return SessionResult::ok;
}

SessionResult Session::hash_file(Hash& hash, std::uint64_t size) {
    auto buffer = std::make_unique_for_overwrite<char[]>(kReadBytes);
    std::uint64_t done = 0;
    while (done < size) {
        auto want = std::min<std::uint64_t>(size - done, kReadBytes);
        auto got =
            ::pread(data_fd_, buffer.get(), want, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return fail(got < 0 ? errno : EIO);
        }
        hash.update(buffer.get(), static_cast<std::size_t>(got));
        done += static_cast<std::uint64_t>(got);
    }
    return SessionResult::ok;
}

SessionResult Session::append(const void* bytes, std::size_t size) {
    hash_.update(bytes, size);
    if (!write_all(data_fd_, static_cast<const char*>(bytes), size,
                   static_cast<off_t>(offset_))) {
        return fail(errno);
    }
    LS_PROBE(upload, written);
    offset_ += size;
    write_back_.advance(data_fd_, offset_);
    if (offset_ - saved_offset_ >= kCheckpointBytes) {
        return save();
    }
    return SessionResult::ok;
}

SessionResult Session::finish(Finish finish, const Digest& digest,
                              SessionResult so_far) {
    auto result = so_far;
    if (finish == Finish::confirm) {
        result = confirm();
    } else if (result != SessionResult::ok ||
               (result = prepare()) != SessionResult::ok) {
        (void)revert();
    } else if (finish == Finish::keep) {
        result = keep();
    } else if (finish == Finish::revert) {
        result = revert();
    } else if (finish == Finish::discard) {
        discard();
    } else {
        result = commit(digest);
    }
    close();
    return result;
}

SessionResult Session::save() {
    if (::fdatasync(data_fd_) != 0) {
        return fail(errno);
    }
    LS_PROBE(upload, synced);
    return write_state();
}

SessionResult Session::keep() {
    if (has_state_ && offset_ == saved_offset_ && offset_ == start_offset_) {
        return SessionResult::ok;
    }
    auto result = save();
    if (result == SessionResult::ok && !is_alive(folder_fd_)) {
        // Cancelled meanwhile: what was written goes with the folder.
        return SessionResult::unknown;
    }
    return result;
}

// registryd makes a session without waiting for the disk: one that never
// holds a byte across requests need not survive. This one now does.
bool Session::sync_folders() const {
    auto folder = folder_;
    while (sync_folder(folder)) {
        if (folder.size() <= top_.size()) {
            return true;
        }
        folder = parent_of(folder);
    }
    return false;
}

SessionResult Session::revert() {
    if (!prepared_) {
        return SessionResult::ok;
    }
    offset_ = start_offset_;
    hash_ = Hash(*start_state_);
    // Space first: the disk may be full. A state that is left beyond the end
    // of `data` makes the next request hash the file, no more.
    if (::ftruncate(data_fd_, static_cast<off_t>(offset_)) != 0) {
        return fail(errno);
    }
    LS_PROBE(upload, cut);
    return saved_offset_ != start_offset_ ? write_state() : SessionResult::ok;
}

SessionResult Session::write_state() {
    if (generation_ == 0 && !sync_folders()) {
        return fail(errno);
    }
    LS_PROBE(upload, state_wanted);
    UploadState state{generation_ + 1, offset_, hash_.state()};
    // A file whose records are not known (it may only have been unreadable a
    // moment ago) is replaced as a whole: one of them could be the newer.
    auto result = has_record_ ? overwrite_slot(state) : create_state(state);
    if (result == SessionResult::ok) {
        generation_ = state.generation;
        saved_offset_ = offset_;
        has_state_ = has_record_ = true;
    }
    return result;
}

// Written and durable in one call: were it two, a process that died between
// them would leave a record which the next one takes for durable, and
// overwrite the one that is.
SessionResult Session::overwrite_slot(const UploadState& state) {
    int fd = ::openat(folder_fd_, kState, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(errno);
    }
    auto record = encode_upload_state(state);
    iovec part = {record.data(), record.size()};
    auto offset = static_cast<off_t>(upload_slot_offset(state));
    ssize_t written = 0;
    do {
        written = ::pwritev2(fd, &part, 1, offset, RWF_DSYNC);
    } while (written < 0 && errno == EINTR);
    int error_number = errno;
    LS_PROBE(upload, state_overwritten);
    ::close(fd);
    if (written < 0) {
        return fail(error_number);
    }
    return static_cast<std::size_t>(written) == record.size()
               ? SessionResult::ok
               : fail(ENOSPC);
}

// By temporary file and rename: a reader sees a whole file or none.
SessionResult Session::create_state(const UploadState& state) {
    constexpr const char* kFresh = "state.new";
    int fd = ::openat(folder_fd_, kFresh,
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return fail(errno);
    }
    auto file = encode_upload_state_file(state);
    bool done =
        write_all(fd, file.data(), file.size(), 0) && ::fdatasync(fd) == 0;
    int error_number = errno;
    ::close(fd);
    if (!done) {
        return fail(error_number);
    }
    LS_PROBE(upload, state_written);
    if (::renameat(folder_fd_, kFresh, folder_fd_, kState) != 0) {
        return fail(errno);
    }
    LS_PROBE(upload, state_renamed);
    return ::fsync(folder_fd_) == 0 ? SessionResult::ok : fail(errno);
}

SessionResult Session::commit(const Digest& digest) {
    if (digest.encoded().empty()) {
        return publish(hash_.digest());
    }
    Hash hash = hash_;
    if (digest.algorithm() != hash_.algorithm()) {
        hash = Hash(digest.algorithm());
        auto result = hash_file(hash, offset_);
        if (result != SessionResult::ok) {
            return result;
        }
    }
    if (!(hash.digest() == digest)) {
        discard();
        return SessionResult::mismatch;
    }
    return publish(spool_.empty() ? digest : hash_.digest());
}

SessionResult Session::publish(const Digest& digest) {
    if (::fdatasync(data_fd_) != 0) {
        return fail(errno);
    }
    LS_PROBE(blob, synced);
    // The note comes first, so that a session without `data` always has it.
    auto result = write_note(digest);
    if (result != SessionResult::ok) {
        return result;
    }
    LS_PROBE(blob, noted);
    committed_ = digest.str();
    committed_size_ = offset_;
    if (!spool_.empty()) {
        return hand_over();
    }
    auto folder = layout::blob_folder(root_, digest).str();
    auto target = folder + "/data";
    for (int attempt = 0; attempt < 5; ++attempt) {
        // The folder may vanish between the two: a sweep removes empty ones.
        if (!make_folders(folder, 2)) {
            result = fail(errno);
            break;
        }
        LS_PROBE(blob, folder_made);
        result = move_into_store(target);
        if (result != SessionResult::unknown || !exists_in(folder_fd_, kData)) {
            break;
        }
    }
    if (result != SessionResult::ok) {
        return result == SessionResult::unknown && errno != ENOENT
                   ? SessionResult::failed
                   : result;
    }
    LS_PROBE(blob, renamed);
    if (!sync_blob(folder)) {
        return fail(errno);
    }
    LS_PROBE(blob, folder_synced);
    return SessionResult::ok;
}

// A second name, not another place: what registryd does with that one cannot
// take the bytes from a PUT that comes again.
SessionResult Session::hand_over() {
    struct stat info;
    if (data_fd_ < 0 || ::fstat(data_fd_, &info) != 0 ||
        static_cast<std::uint64_t>(info.st_size) != committed_size_) {
        return SessionResult::unknown;
    }
    if (::linkat(folder_fd_, kData, AT_FDCWD, spool_.c_str(), 0) == 0) {
        LS_PROBE(upload, handed_over);
        return SessionResult::ok;
    }
    if (errno == EPERM || errno == EOPNOTSUPP) {
        // A file system without it: there is no second time.
        if (::renameat(folder_fd_, kData, AT_FDCWD, spool_.c_str()) == 0) {
            return SessionResult::ok;
        }
    }
    auto result = fail(errno);
    return result == SessionResult::unknown && exists_in(folder_fd_, kData)
               ? SessionResult::failed  // no spool
               : result;
}

SessionResult Session::confirm() {
    Digest digest;
    if (!Digest::parse(committed_, digest)) {
        return SessionResult::unknown;
    }
    if (!spool_.empty()) {
        return hand_over();
    }
    auto folder = layout::blob_folder(root_, digest).str();
    auto data = folder + "/data";
    if (!is_same_size(data, committed_size_) ||
        !make_new(AT_FDCWD, data.c_str())) {
        return SessionResult::unknown;
    }
    LS_PROBE(blob, confirmed);
    return sync_blob(folder) ? SessionResult::ok : fail(errno);
}

// Takes the place of `startedat`: a file less to make and to remove. It need
// not be durable: without it a client only starts over.
SessionResult Session::write_note(const Digest& digest) {
    if (::renameat(folder_fd_, kStartedAt, folder_fd_, kCommitted) != 0 &&
        errno != ENOENT) {
        return fail(errno);
    }
    LS_PROBE(blob, note_renamed);
    // Never made here: without either the session was cancelled meanwhile.
    int fd = ::openat(folder_fd_, kCommitted, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0) {
        return fail(errno);
    }
    LS_PROBE(blob, note_empty);
    auto note = digest.str() + ' ' + std::to_string(offset_);
    bool done = write_all(fd, note.data(), note.size(), 0);
    int error_number = errno;
    ::close(fd);
    return done ? SessionResult::ok : fail(error_number);
}

// Ours has just been verified: it takes the place of any other, which may have
// rotted since.
SessionResult Session::move_into_store(const std::string& target) {
    // Nothing refers to it yet: its time is what keeps it.
    if (!make_new(folder_fd_, kData)) {
        return fail(errno);
    }
    return ::renameat(folder_fd_, kData, AT_FDCWD, target.c_str()) == 0
               ? SessionResult::ok
               : fail(errno);
}

SessionResult Session::peek(std::string_view folder, std::uint64_t& offset) {
    Session session({{}, folder, folder});
    auto result = session.open_folder();
    if (result != SessionResult::ok) {
        return result;
    }
    struct stat info;
    bool has_data = ::fstatat(session.folder_fd_, kData, &info, 0) == 0;
    if (!has_data && exists_in(session.folder_fd_, kCommitted)) {
        return SessionResult::unknown;
    }
    auto size = has_data ? static_cast<std::uint64_t>(info.st_size) : 0;
    if (!session.read_state() || session.offset_ > size) {
        session.offset_ = has_data ? uncovered(session.folder_fd_, info) : 0;
    }
    offset = session.offset_;
    return SessionResult::ok;
}

SessionResult Session::forget(std::string_view folder) {
    std::uint64_t offset = 0;
    auto result = peek(folder, offset);
    if (result != SessionResult::ok) {
        return result;
    }
    Session session({{}, folder, folder});
    result = session.open_folder();
    if (result == SessionResult::ok) {
        ::unlinkat(session.folder_fd_, kStartedAt, 0);
        ::unlinkat(session.folder_fd_, kCommitted, 0);
        LS_PROBE(upload, forgotten);
        ::unlinkat(session.folder_fd_, kState, 0);
    }
    return result;
}

void Session::discard() noexcept {
    remove_folder(folder_);
}

void Session::remove_folder(const std::string& folder) noexcept {
    try {
        std::error_code ignored;
        // First, or a reader could take the rest for a session.
        std::filesystem::remove(folder + '/' + kStartedAt, ignored);
        std::filesystem::remove(folder + '/' + kCommitted, ignored);
        LS_PROBE(upload, unnamed);
        std::filesystem::remove_all(folder, ignored);
    } catch (...) {
        // Memory is out: the purge of old sessions finds the folder later.
        return;
    }
}

}  // namespace longshore
