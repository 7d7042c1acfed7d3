#include "ngx_module/token_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/encoding.hpp"
#include "common/layout.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxFile = 4096;  // kMaxTokenKeys lines are less

bool is_same(const struct stat& a, const struct stat& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
           a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
           a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

class Descriptor {
public:
    explicit Descriptor(const char* path) noexcept
        : fd_(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int fd() const noexcept { return fd_; }

private:
    int fd_;
};

Result<TokenKeys> read_keys(const char* path) {
    Descriptor file(path);
    std::array<char, kMaxFile> text;
    auto size = ::read(file.fd(), text.data(), text.size());
    if (size < 0) {
        return errno_error("cannot read the file", errno);
    }
    if (static_cast<std::size_t>(size) == text.size()) {
        return Error{Code::too_large, "the file is too large"};
    }
    return parse_token_keys({text.data(), static_cast<std::size_t>(size)});
}

}  // namespace

Result<TokenKeys> parse_token_keys(std::string_view text) {
    TokenKeys keys;
    while (!text.empty()) {
        auto end = text.find('\n');
        auto line = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
        auto space = line.find(' ');
        Ed25519Bytes bytes;
        std::array<char, 64> raw;
        auto encoded =
            space == line.npos ? std::string_view() : line.substr(space + 1);
        if (encoded.size() != base64url_length(bytes.size()) ||
            base64url_decode(encoded, raw.data()) != bytes.size()) {
            return Error{Code::invalid_argument,
                         "a line is not \"<key id> <key>\""};
        }
        std::copy_n(raw.begin(), bytes.size(), bytes.begin());
        LS_CHECK(keys.add(line.substr(0, space), bytes));
    }
    return keys;
}

void TokenFiles::look(File& file, ngx_log_t* log) {
    Path path = layout::token_keys(file.root);
    struct stat now = {};
    if (::stat(path.c_str(), &now) != 0) {
        now = {};
    }
    if (is_same(now, file.seen)) {
        return;
    }
    // Seen before it is read: what takes its place meanwhile is another one.
    file.seen = now;
    file.keys = TokenKeys();
    if (now.st_ino == 0) {
        return;
    }
    auto keys = read_keys(path.c_str());
    if (!keys) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "registry: the keys of tokens \"%s\": %s", path.c_str(),
                      keys.error().message.c_str());
        return;
    }
    file.keys = std::move(*keys);
}

const TokenKeys& TokenFiles::of(std::string_view root, ngx_log_t* log) {
    auto found =
        std::find_if(files_.begin(), files_.end(),
                     [&](const File& file) { return file.root == root; });
    if (found == files_.end()) {
        files_.emplace_back().root = root;
        found = files_.end() - 1;
    }
    if (found->looked_at != ngx_time()) {
        found->looked_at = ngx_time();
        look(*found, log);
    }
    return found->keys;
}

}  // namespace longshore
