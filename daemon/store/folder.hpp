// File system calls confined to one root: every path is relative to it and is
// resolved by the kernel beneath it (openat2, RESOLVE_BENEATH), so neither a
// ".." nor a symbolic link can lead out. Private to store/.
// @errors of all functions here: as errno_error(); others where said.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace longshore {

/// Owns a file descriptor.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Fd& operator=(Fd&& other) noexcept;
    ~Fd();

    int get() const noexcept { return fd_; }
    bool valid() const noexcept { return fd_ >= 0; }
    /// Closes and tells about a late write error.
    int close() noexcept;

private:
    int fd_ = -1;
};

class RootFolder {
public:
    static Result<RootFolder> open(const std::string& root);

    /// open(2) below the root. @errors as errno_error()
    Result<Fd> open_file(std::string_view path, int flags) const;
    /// The same for who wants to know errno; not valid after an error.
    Fd try_open(const std::string& path, int flags) const noexcept;

    /// The folder `path`, made with its parents if needed.
    struct Made {
        Fd fd;
        /// Parents that got a new entry and want an fsync to keep it.
        std::vector<std::string> dirty;
    };
    Result<Made> make_folder(std::string_view path) const;

    /// fsync of a folder.
    Result<void> sync_folder(std::string_view path) const;

    int fd() const noexcept { return root_.get(); }

private:
    explicit RootFolder(Fd root) : root_(std::move(root)) {}
    Fd root_;
};

/// pread(2) until `into` is full or the file ends. Returns how much was read.
Result<std::size_t> read_at(int fd, std::uint64_t offset, std::span<char> into);

/// write(2) until all is written. @errors unavailable, internal
Result<void> write_all(int fd, std::string_view bytes);

/// Appends a part of a file to another one within the kernel; false: this
/// kernel or file system cannot, nothing was done. @errors corrupt (it has
/// less); as errno_error()
Result<bool> copy_in_kernel(int from, std::uint64_t first, std::uint64_t size,
                            int to);

/// fsync(2). @errors unavailable: the data may be lost, never retried
Result<void> sync_fd(int fd);

}  // namespace longshore
