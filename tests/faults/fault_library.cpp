// A library that is loaded before all others (LD_PRELOAD) and makes chosen
// system calls of the program fail: those of one kind, on files below one
// folder, from the n-th on, with a chosen errno. Allocations too, and the wall
// clock can be set. What is to fail is read from a shared file, so a running
// program goes from one fault to the next; harness/faults.py writes it.

// What that would define in line is defined here.
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

// The C library's own names.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace {

enum Kind : std::uint32_t {
    kOpen = 1,
    kRead = 2,
    kWrite = 4,
    kSync = 8,
    kRename = 16,
    kLink = 32,
    kUnlink = 64,
    kMkdir = 128,
    kTruncate = 256,
    kTouch = 512,
    kMemory = 1024,
};

// The shared file; harness/faults.py knows this layout.
struct Plan {
    std::atomic<std::uint32_t> kinds;        // that are counted; 0: none
    std::atomic<std::int32_t> error;         // 0: a short read or write
    std::atomic<std::int64_t> first;         // the call that fails, from 0
    std::atomic<std::int64_t> count;         // how many; -1: all from then on
    std::atomic<std::int64_t> every;         // of those each so-and-so-many-th
    std::atomic<std::int64_t> seen;          // calls counted
    std::atomic<std::int64_t> failed;        // calls that failed
    std::atomic<std::int64_t> clock_ms;      // added to the wall clock
    std::atomic<std::uint64_t> least_bytes;  // of an allocation that counts
    std::array<char, 256> folder;            // without a slash at its end
    std::array<char, 256> last;              // what failed last
};

Plan* map_plan() noexcept {
    const char* path = std::getenv("LONGSHORE_FAULTS");
    if (path == nullptr) {
        return nullptr;
    }
    auto fd = static_cast<int>(
        syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
    if (fd < 0) {
        return nullptr;
    }
    void* memory = ::mmap(nullptr, sizeof(Plan), PROT_READ | PROT_WRITE,
                          MAP_SHARED, fd, 0);
    ::close(fd);
    return memory == MAP_FAILED ? nullptr : static_cast<Plan*>(memory);
}

Plan* the_plan = nullptr;

[[gnu::constructor]] void begin() noexcept {
    the_plan = map_plan();
}

bool wants(Kind kind) noexcept {
    return the_plan != nullptr &&
           (the_plan->kinds.load(std::memory_order_relaxed) & kind) != 0;
}

// Counts a call; true if it is one of those that fail.
bool strikes(const char* what) noexcept {
    auto after = the_plan->seen.fetch_add(1) - the_plan->first.load();
    auto count = the_plan->count.load();
    if (after < 0 || (count >= 0 && after >= count) ||
        after % the_plan->every.load() != 0) {
        return false;
    }
    the_plan->failed.fetch_add(1);
    std::strncpy(the_plan->last.data(), what, the_plan->last.size() - 1);
    return true;
}

using Name = std::array<char, 512>;

// The path behind a descriptor; "" if there is none.
void name_of(int fd, Name& name) noexcept {
    std::array<char, 32> link;
    std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
    auto size = ::readlink(link.data(), name.data(), name.size() - 1);
    name[size > 0 ? static_cast<std::size_t>(size) : 0] = '\0';
}

bool is_below(const char* path) noexcept {
    auto size = ::strnlen(the_plan->folder.data(), the_plan->folder.size());
    return size > 0 && std::strncmp(path, the_plan->folder.data(), size) == 0 &&
           (path[size] == '/' || path[size] == '\0');
}

// Whether a call on this descriptor fails.
bool fails(Kind kind, int fd) noexcept {
    if (!wants(kind)) {
        return false;
    }
    int kept = errno;
    Name name;
    name_of(fd, name);
    bool struck = is_below(name.data()) && strikes(name.data());
    errno = struck ? the_plan->error.load() : kept;
    return struck;
}

// Whether a call on this path, relative to `folder`, fails.
bool fails(Kind kind, int folder, const char* path) noexcept {
    if (!wants(kind) || path == nullptr) {
        return false;
    }
    int kept = errno;
    Name name;
    if (path[0] == '/') {
        std::snprintf(name.data(), name.size(), "%s", path);
    } else if (folder == AT_FDCWD) {
        name[0] = '\0';  // the programs under test never use it
    } else {
        name_of(folder, name);
        auto size = std::strlen(name.data());
        std::snprintf(name.data() + size, name.size() - size, "/%s", path);
    }
    bool struck = is_below(name.data()) && strikes(name.data());
    errno = struck ? the_plan->error.load() : kept;
    return struck;
}

// A count of bytes; one that fails with errno 0 is short instead: half.
template <typename Call>
ssize_t transfer(Kind kind, int fd, std::size_t size, Call call) noexcept {
    if (!fails(kind, fd)) {
        return call(size);
    }
    return errno == 0 ? call(size > 1 ? size / 2 : size) : -1;
}

// ZeroMQ ends the process when there is no memory, and says so in its manual.
bool is_of_zmq(void* caller) noexcept {
    Dl_info info{};
    return ::dladdr(caller, &info) != 0 && info.dli_fname != nullptr &&
           std::strstr(info.dli_fname, "libzmq") != nullptr;
}

bool has_no_memory(std::size_t size, void* caller) noexcept {
    if (!wants(kMemory) || size < the_plan->least_bytes.load() ||
        is_of_zmq(caller) || !strikes("memory")) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

void* allocate(std::size_t size, void* caller) {
    void* memory = has_no_memory(size, caller) ? nullptr : __libc_malloc(size);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

template <typename Function>
Function next(const char* name) noexcept {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

// The variable argument of open and its like.
#define MODE_OF(flags)                                                \
    mode_t mode = 0;                                                  \
    if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) { \
        std::va_list rest;                                            \
        va_start(rest, flags);                                        \
        mode = va_arg(rest, mode_t);                                  \
        va_end(rest);                                                 \
    }

int open_at(int folder, const char* path, int flags, mode_t mode) noexcept {
    if (fails(kOpen, folder, path)) {
        return -1;
    }
    static auto real = next<int (*)(int, const char*, int, ...)>("openat64");
    return real(folder, path, flags, mode);
}

std::int64_t clock_shift_ms() noexcept {
    return the_plan == nullptr ? 0 : the_plan->clock_ms.load();
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
    MODE_OF(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
    MODE_OF(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
    MODE_OF(flags)
    return open_at(folder, path, flags, mode);
}

int openat64(int folder, const char* path, int flags, ...) {
    MODE_OF(flags)
    return open_at(folder, path, flags, mode);
}

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
int __open_2(const char* path, int flags) {
    return open_at(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char* path, int flags) {
    return open_at(AT_FDCWD, path, flags, 0);
}

int __openat_2(int folder, const char* path, int flags) {
    return open_at(folder, path, flags, 0);
}

int __openat64_2(int folder, const char* path, int flags) {
    return open_at(folder, path, flags, 0);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

// registryd's openat2, which has no function of its own.
long syscall(long number, ...) noexcept {
    std::va_list rest;
    va_start(rest, number);
    std::array<long, 6> a;
    for (auto& one : a) {
        one = va_arg(rest, long);
    }
    va_end(rest);
    if (number == SYS_openat2 && fails(kOpen, static_cast<int>(a[0]),
                                       reinterpret_cast<const char*>(a[1]))) {
        return -1;
    }
    static auto real = next<long (*)(long, ...)>("syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t read(int fd, void* into, std::size_t size) {
    static auto real = next<ssize_t (*)(int, void*, std::size_t)>("read");
    return transfer(kRead, fd, size,
                    [=](std::size_t n) { return real(fd, into, n); });
}

ssize_t pread(int fd, void* into, std::size_t size, off_t at) {
    static auto real =
        next<ssize_t (*)(int, void*, std::size_t, off_t)>("pread");
    return transfer(kRead, fd, size,
                    [=](std::size_t n) { return real(fd, into, n, at); });
}

ssize_t pread64(int fd, void* into, std::size_t size, off_t at) {
    return pread(fd, into, size, at);
}

ssize_t sendfile(int to, int from, off_t* at, std::size_t size) noexcept {
    static auto real =
        next<ssize_t (*)(int, int, off_t*, std::size_t)>("sendfile");
    return transfer(kRead, from, size,
                    [=](std::size_t n) { return real(to, from, at, n); });
}

ssize_t sendfile64(int to, int from, off_t* at, std::size_t size) noexcept {
    return sendfile(to, from, at, size);
}

ssize_t write(int fd, const void* from, std::size_t size) {
    static auto real =
        next<ssize_t (*)(int, const void*, std::size_t)>("write");
    return transfer(kWrite, fd, size,
                    [=](std::size_t n) { return real(fd, from, n); });
}

ssize_t pwrite(int fd, const void* from, std::size_t size, off_t at) {
    static auto real =
        next<ssize_t (*)(int, const void*, std::size_t, off_t)>("pwrite");
    return transfer(kWrite, fd, size,
                    [=](std::size_t n) { return real(fd, from, n, at); });
}

ssize_t pwrite64(int fd, const void* from, std::size_t size, off_t at) {
    return pwrite(fd, from, size, at);
}

// Of one buffer, as the programs under test use it.
ssize_t pwritev2(int fd, const iovec* parts, int count, off_t at, int flags) {
    static auto real =
        next<ssize_t (*)(int, const iovec*, int, off_t, int)>("pwritev2");
    return transfer(kWrite, fd, parts->iov_len, [=](std::size_t n) {
        iovec part = {parts->iov_base, n};
        return n == parts->iov_len ? real(fd, parts, count, at, flags)
                                   : real(fd, &part, 1, at, flags);
    });
}

ssize_t pwritev64v2(int fd, const iovec* parts, int count, off_t at,
                    int flags) {
    return pwritev2(fd, parts, count, at, flags);
}

ssize_t copy_file_range(int from, off64_t* first, int to, off64_t* at,
                        std::size_t size, unsigned flags) {
    static auto real =
        next<ssize_t (*)(int, off64_t*, int, off64_t*, std::size_t, unsigned)>(
            "copy_file_range");
    return transfer(kWrite, to, size, [=](std::size_t n) {
        return real(from, first, to, at, n, flags);
    });
}

int fsync(int fd) {
    static auto real = next<int (*)(int)>("fsync");
    return fails(kSync, fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
    static auto real = next<int (*)(int)>("fdatasync");
    return fails(kSync, fd) ? -1 : real(fd);
}

int syncfs(int fd) noexcept {
    static auto real = next<int (*)(int)>("syncfs");
    return fails(kSync, fd) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size) noexcept {
    static auto real = next<int (*)(int, off_t)>("ftruncate");
    return fails(kTruncate, fd) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off_t size) noexcept {
    return ftruncate(fd, size);
}

int rename(const char* from, const char* to) noexcept {
    static auto real = next<int (*)(const char*, const char*)>("rename");
    return fails(kRename, AT_FDCWD, from) ? -1 : real(from, to);
}

int renameat(int folder, const char* from, int other, const char* to) noexcept {
    static auto real =
        next<int (*)(int, const char*, int, const char*)>("renameat");
    return fails(kRename, folder, from) ? -1 : real(folder, from, other, to);
}

int renameat2(int folder, const char* from, int other, const char* to,
              unsigned flags) noexcept {
    static auto real =
        next<int (*)(int, const char*, int, const char*, unsigned)>(
            "renameat2");
    return fails(kRename, folder, from) ? -1
                                        : real(folder, from, other, to, flags);
}

int linkat(int folder, const char* from, int other, const char* to,
           int flags) noexcept {
    static auto real =
        next<int (*)(int, const char*, int, const char*, int)>("linkat");
    return fails(kLink, other, to) ? -1 : real(folder, from, other, to, flags);
}

int unlink(const char* path) noexcept {
    static auto real = next<int (*)(const char*)>("unlink");
    return fails(kUnlink, AT_FDCWD, path) ? -1 : real(path);
}

int unlinkat(int folder, const char* path, int flags) noexcept {
    static auto real = next<int (*)(int, const char*, int)>("unlinkat");
    return fails(kUnlink, folder, path) ? -1 : real(folder, path, flags);
}

int remove(const char* path) noexcept {
    static auto real = next<int (*)(const char*)>("remove");
    return fails(kUnlink, AT_FDCWD, path) ? -1 : real(path);
}

int mkdir(const char* path, mode_t mode) noexcept {
    static auto real = next<int (*)(const char*, mode_t)>("mkdir");
    return fails(kMkdir, AT_FDCWD, path) ? -1 : real(path, mode);
}

int mkdirat(int folder, const char* path, mode_t mode) noexcept {
    static auto real = next<int (*)(int, const char*, mode_t)>("mkdirat");
    return fails(kMkdir, folder, path) ? -1 : real(folder, path, mode);
}

int utimensat(int folder, const char* path, const timespec* times,
              int flags) noexcept {
    static auto real =
        next<int (*)(int, const char*, const timespec*, int)>("utimensat");
    return fails(kTouch, folder, path) ? -1 : real(folder, path, times, flags);
}

int clock_gettime(clockid_t clock, timespec* now) noexcept {
    static auto real = next<int (*)(clockid_t, timespec*)>("clock_gettime");
    int result = real(clock, now);
    auto shift = clock_shift_ms();
    if (result == 0 && shift != 0 &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        auto all = now->tv_nsec + shift % 1000 * 1'000'000 + 1'000'000'000;
        now->tv_sec += shift / 1000 + all / 1'000'000'000 - 1;
        now->tv_nsec = all % 1'000'000'000;
    }
    return result;
}

int gettimeofday(timeval* now, void*) noexcept {
    timespec exact{};
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

std::time_t time(std::time_t* into) noexcept {
    timespec exact{};
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into != nullptr) {
        *into = exact.tv_sec;
    }
    return exact.tv_sec;
}

void* malloc(std::size_t size) noexcept {
    return has_no_memory(size, __builtin_return_address(0))
               ? nullptr
               : __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) noexcept {
    return has_no_memory(count * size, __builtin_return_address(0))
               ? nullptr
               : __libc_calloc(count, size);
}

void* realloc(void* old, std::size_t size) noexcept {
    return has_no_memory(size, __builtin_return_address(0))
               ? nullptr
               : __libc_realloc(old, size);
}

int posix_memalign(void** into, std::size_t alignment,
                   std::size_t size) noexcept {
    if (has_no_memory(size, __builtin_return_address(0))) {
        return ENOMEM;
    }
    *into = __libc_memalign(alignment, size);
    return *into == nullptr ? ENOMEM : 0;
}

}  // extern "C"

void* operator new(std::size_t size) {
    return allocate(size, __builtin_return_address(0));
}

void* operator new[](std::size_t size) {
    return allocate(size, __builtin_return_address(0));
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return has_no_memory(size, __builtin_return_address(0))
               ? nullptr
               : __libc_malloc(size);
}

void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return has_no_memory(size, __builtin_return_address(0))
               ? nullptr
               : __libc_malloc(size);
}

void operator delete(void* memory) noexcept {
    std::free(memory);
}

void operator delete[](void* memory) noexcept {
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
