// Writing to descriptors, in a thread of the pool.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace longshore {

/// Whether what failed with this errno may succeed later, without a change of
/// the request: a full or broken disk, quota, a limit of the process. Such a
/// request is answered 503.
bool may_pass(int error_number) noexcept;

/// Closes it and sets it to -1.
void close_fd(int& fd) noexcept;

/// All of it at `offset`; false with errno set.
bool write_all(int fd, const char* bytes, std::size_t size,
               off_t offset) noexcept;

/// Starts write-back early, so that the sync at the end finds little to do.
class WriteBack {
public:
    /// Up to here nothing is to be done.
    explicit WriteBack(std::uint64_t offset = 0) noexcept : started_(offset) {}

    /// The file was written to up to `offset`.
    void advance(int fd, std::uint64_t offset) noexcept;

private:
    std::uint64_t started_;
};

}  // namespace longshore
