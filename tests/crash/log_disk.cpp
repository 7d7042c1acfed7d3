// A disk in memory that writes down what is done to it, as a plugin of
// nbdkit: every write with its bytes and every flush, in the order in which
// they came. disk.py reads the log and adds marks of its own; every record is
// one append, so their order is that of time.
//
// A record is a head of three numbers (kind, offset, size; 64 bits, of the
// machine's byte order) and `size` bytes.
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

// One request at a time: a write that was answered stands in the log before
// a flush that comes afterwards.
#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS

namespace {

constexpr std::uint64_t kWrite = 1;
constexpr std::uint64_t kFlush = 2;

const char* image_path = nullptr;
const char* log_path = nullptr;
char* disk = nullptr;
std::int64_t disk_size = 0;
int log_fd = -1;

int add_record(std::uint64_t kind, std::uint64_t offset, const void* bytes,
               std::uint32_t size) {
    std::array<std::uint64_t, 3> head{kind, offset, size};
    std::array<iovec, 2> parts{
        {{head.data(), sizeof head}, {const_cast<void*>(bytes), size}}};
    auto whole = static_cast<ssize_t>(sizeof head + size);
    auto written = ::writev(log_fd, parts.data(), parts.size());
    if (written == whole) {
        return 0;
    }
    nbdkit_error("log: %m");
    nbdkit_set_error(written < 0 ? errno : EIO);
    return -1;
}

int set_value(const char* key, const char* value) {
    if (std::strcmp(key, "image") == 0) {
        image_path = value;
    } else if (std::strcmp(key, "log") == 0) {
        log_path = value;
    } else {
        nbdkit_error("unknown setting %s", key);
        return -1;
    }
    return 0;
}

// The image is what the disk holds at first; its file never changes.
int load() {
    if (image_path == nullptr || log_path == nullptr) {
        nbdkit_error("image= and log= are needed");
        return -1;
    }
    int fd = ::open(image_path, O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (fd < 0 || ::fstat(fd, &info) != 0) {
        nbdkit_error("%s: %m", image_path);
        return -1;
    }
    disk_size = info.st_size;
    void* memory = ::mmap(nullptr, static_cast<std::size_t>(disk_size),
                          PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    ::close(fd);
    log_fd = ::open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (memory == MAP_FAILED || log_fd < 0) {
        nbdkit_error("%s: %m", log_path);
        return -1;
    }
    disk = static_cast<char*>(memory);
    return 0;
}

void* open_disk(int /*read_only*/) {
    return &disk;
}

std::int64_t get_size(void* /*handle*/) {
    return disk_size;
}

int read_disk(void* /*handle*/, void* to, std::uint32_t size,
              std::uint64_t offset, std::uint32_t /*flags*/) {
    std::memcpy(to, disk + offset, size);
    return 0;
}

int flush_disk(void* /*handle*/, std::uint32_t /*flags*/) {
    return add_record(kFlush, 0, nullptr, 0);
}

// Of a write that has to be durable by itself nbdkit makes one and a flush.
int write_disk(void* /*handle*/, const void* from, std::uint32_t size,
               std::uint64_t offset, std::uint32_t /*flags*/) {
    if (add_record(kWrite, offset, from, size) != 0) {
        return -1;
    }
    std::memcpy(disk + offset, from, size);
    return 0;
}

nbdkit_plugin make_plugin() {
    nbdkit_plugin made{};
    made.name = "logdisk";
    made.config = set_value;
    made.get_ready = load;
    made.open = open_disk;
    made.get_size = get_size;
    made.pread = read_disk;
    made.pwrite = write_disk;
    made.flush = flush_disk;
    return made;
}

nbdkit_plugin plugin = make_plugin();

}  // namespace

NBDKIT_REGISTER_PLUGIN(plugin)
