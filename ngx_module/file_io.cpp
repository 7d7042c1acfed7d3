#include "ngx_module/file_io.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace longshore {
namespace {

constexpr std::uint64_t kFlushBytes = std::uint64_t{1} << 20;

}  // namespace

bool may_pass(int error_number) noexcept {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT:
        case EROFS:
        case EIO:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
            return true;
        default:
            return false;
    }
}

void close_fd(int& fd) noexcept {
    if (fd >= 0) {
        ::close(fd);
        fd = -1;
    }
}

bool write_all(int fd, const char* bytes, std::size_t size,
               off_t offset) noexcept {
    while (size > 0) {
        auto written = ::pwrite(fd, bytes, size, offset);
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return false;
        }
        bytes += written;
        size -= static_cast<std::size_t>(written);
        offset += written;
    }
    return true;
}

void WriteBack::advance(int fd, std::uint64_t offset) noexcept {
    if (offset - started_ < kFlushBytes) {
        return;
    }
    // Only a hint; what it fails to do the sync will do.
    (void)::sync_file_range(fd, static_cast<off_t>(started_),
                            static_cast<off_t>(offset - started_),
                            SYNC_FILE_RANGE_WRITE);
    started_ = offset;
}

}  // namespace longshore
