#include "store/spare_copies.hpp"

#include <algorithm>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace longshore {
namespace {

// Of all copies together; each has its file open.
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;
constexpr std::size_t kMaxCopies = 64;
// What a disk has to have left.
constexpr std::uint64_t kLeastFree = 2 * kMaxBytes;
// Files on their way to the disk.
constexpr std::size_t kMaxFlushes = 16;
// Between two looks whether the copy is still wanted.
constexpr std::uint64_t kPiece = std::uint64_t{4} << 20;

bool has_room(int fd) {
    struct statvfs info {};
    return ::fstatvfs(fd, &info) == 0 &&
           std::uint64_t{info.f_bavail} * info.f_frsize >= kLeastFree;
}

}  // namespace

SpareCopies::~SpareCopies() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
        for (auto& entry : entries_) {
            entry.state = State::unwanted;
        }
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void SpareCopies::order(std::string_view owner, std::string_view path) {
    std::lock_guard lock(mutex_);
    for (auto at = entries_.begin(); at != entries_.end();) {
        auto entry = at++;
        if (entry->owner == owner && entry->state != State::unwanted) {
            drop(entry);
        }
    }
    entries_.push_back({std::string(owner), std::string(path)});
    if (!thread_.joinable()) {
        try {
            thread_ = std::thread([this] { run(); });
        } catch (const std::system_error&) {
            entries_.clear();  // it goes without
            return;
        }
    }
    changed_.notify_all();
}

std::optional<SpareCopies::Copy> SpareCopies::take(std::string_view path) {
    std::unique_lock lock(mutex_);
    for (;;) {
        auto entry = std::find_if(
            entries_.begin(), entries_.end(), [&](const Entry& one) {
                return one.path == path && one.state != State::unwanted;
            });
        if (entry == entries_.end()) {
            return std::nullopt;
        }
        if (entry->state == State::making) {
            changed_.wait(lock);
            continue;
        }
        std::optional<Copy> copy;
        if (entry->state == State::ready) {
            copy = std::move(entry->copy);
        }
        entries_.erase(entry);
        return copy;
    }
}

void SpareCopies::forget(std::string_view path) {
    std::lock_guard lock(mutex_);
    for (auto at = entries_.begin(); at != entries_.end();) {
        auto entry = at++;
        if (entry->path == path && entry->state != State::unwanted) {
            drop(entry);
        }
    }
    changed_.notify_all();
}

// The thread drops what it is at.
void SpareCopies::drop(Entries::iterator entry) {
    if (entry->state == State::making) {
        entry->state = State::unwanted;
    } else {
        entries_.erase(entry);
    }
}

void SpareCopies::make_room() {
    std::uint64_t bytes = 0;
    std::size_t copies = 0;
    for (auto at = entries_.end(); at != entries_.begin();) {
        auto entry = --at;
        if (entry->state != State::ready) {
            continue;
        }
        bytes += entry->copy.size_bytes;
        if (++copies > kMaxCopies || bytes > kMaxBytes) {
            at = entries_.erase(entry);
        }
    }
}

void SpareCopies::run() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
        auto entry = std::find_if(
            entries_.begin(), entries_.end(),
            [](const Entry& one) { return one.state == State::ordered; });
        if (entry != entries_.end()) {
            make_ordered(entry, lock);
        } else if (!flushes_.empty()) {
            lock.unlock();
            flush_piece();
            lock.lock();
        } else {
            changed_.wait(lock);
        }
    }
}

void SpareCopies::make_ordered(Entries::iterator entry,
                               std::unique_lock<std::mutex>& lock) {
    entry->state = State::making;
    auto path = entry->path;
    Copy copy;
    lock.unlock();
    bool made = make(path, entry->state, copy);
    lock.lock();
    if (made && entry->state == State::making) {
        add_flush(copy);
        entry->copy = std::move(copy);
        entry->state = State::ready;
        make_room();
    } else {
        entries_.erase(entry);
    }
    changed_.notify_all();
}

// What sync() would find all at once, with the database's own syncs waiting
// behind it, goes to the disk piece by piece. It costs nothing to give up.
void SpareCopies::add_flush(const Copy& copy) {
    Fd file(::fcntl(copy.file.get(), F_DUPFD_CLOEXEC, 0));
    if (file.valid()) {
        flushes_.push_back({std::move(file)});
    }
    if (flushes_.size() > kMaxFlushes) {
        flushes_.pop_front();
    }
}

void SpareCopies::flush_piece() {
    auto& flush = flushes_.front();
    struct stat info {};
    if (::fstat(flush.file.get(), &info) != 0 ||
        flush.done >= static_cast<std::uint64_t>(info.st_size) ||
        ::sync_file_range(flush.file.get(), static_cast<off_t>(flush.done),
                          static_cast<off_t>(kPiece),
                          SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) !=
            0) {
        flushes_.pop_front();
        return;
    }
    flush.done += kPiece;
}

// Without the lock; the entry stays while it is being made.
bool SpareCopies::make(const std::string& path, const State& state,
                       Copy& copy) {
    auto from = root_.open_file(path, O_RDONLY | O_NOFOLLOW);
    struct stat info {};
    if (!from || ::fstat(from->get(), &info) != 0 || !has_room(from->get())) {
        return false;
    }
    auto to = root_.open_file("spool", O_WRONLY | O_TMPFILE);
    if (!to) {
        return false;
    }
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size > kMaxBytes) {
        return false;
    }
    for (std::uint64_t done = 0; done < size; done += kPiece) {
        {
            std::lock_guard lock(mutex_);
            if (state != State::making) {
                return false;
            }
        }
        auto copied = copy_in_kernel(from->get(), done,
                                     std::min(kPiece, size - done), to->get());
        if (!copied || !*copied) {
            return false;
        }
    }
    copy = {std::move(*to), size};
    return true;
}

}  // namespace longshore
