#include "ctl/marked_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace longshore {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFile = 1 << 20;

std::string_view closing(std::string_view comment) {
    return comment.starts_with("<!--") ? " -->"
           : comment.starts_with("/*") ? " */"
                                       : "";
}

std::string begin_mark(const Marks& marks) {
    return marks.comment + " longshore " + marks.name + " begin [";
}

std::string end_mark(const Marks& marks) {
    return marks.comment + " longshore " + marks.name + " end" +
           std::string(closing(marks.comment)) + "\n";
}

// Where the marks and what lies between them are.
struct Block {
    std::size_t begin = 0;  // of the first mark
    std::size_t lines = 0;
    std::size_t lines_end = 0;
    std::size_t end = 0;  // behind the last mark
    std::string state;    // what is in the brackets
};

std::optional<Block> find(std::string_view text, const Marks& marks) {
    auto first = begin_mark(marks);
    auto last = end_mark(marks);
    Block block;
    for (block.begin = 0;; ++block.begin) {
        block.begin = text.find(first, block.begin);
        if (block.begin == std::string_view::npos) {
            return std::nullopt;
        }
        if (block.begin == 0 || text[block.begin - 1] == '\n') {
            break;
        }
    }
    auto line_end = text.find('\n', block.begin);
    auto bracket = text.find(']', block.begin);
    if (line_end == std::string_view::npos || bracket > line_end) {
        return std::nullopt;
    }
    auto state_at = block.begin + first.size();
    block.state = text.substr(state_at, bracket - state_at);
    block.lines = line_end + 1;
    // The end of the first mark's line will do, where nothing is between.
    block.lines_end = text.find("\n" + last, line_end);
    if (block.lines_end == std::string_view::npos) {
        return std::nullopt;
    }
    ++block.lines_end;
    block.end = block.lines_end + last.size();
    return block;
}

std::string octal(mode_t mode) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%04o",
                  static_cast<unsigned>(mode & 07777));
    return text.data();
}

Error failed(const std::string& what, int error) {
    auto out = errno_error(what, error);
    out.code = Code::unavailable;
    return out;
}

Result<void> write_beside(const std::string& path, const FileState& file) {
    auto beside = path + ".XXXXXX";
    int fd = ::mkstemp(beside.data());
    if (fd < 0) {
        return failed("write " + path, errno);
    }
    std::string_view rest = file.text;
    bool good = ::fchmod(fd, file.mode) == 0;
    while (good && !rest.empty()) {
        auto n = ::write(fd, rest.data(), rest.size());
        good = n > 0 || (n < 0 && errno == EINTR);
        rest.remove_prefix(n > 0 ? static_cast<std::size_t>(n) : 0);
    }
    good = good && ::fsync(fd) == 0;
    int error = errno;
    ::close(fd);
    if (good && ::rename(beside.c_str(), path.c_str()) != 0) {
        good = false;
        error = errno;
    }
    if (!good) {
        ::unlink(beside.c_str());
        return failed("write " + path, error);
    }
    return {};
}

}  // namespace

std::string put_lines(const FileState& file, const Marks& marks,
                      std::string_view lines) {
    auto out = file.text;
    if (auto block = find(out, marks)) {
        return out.replace(block->lines, block->lines_end - block->lines,
                           lines);
    }
    std::string state = file.there ? octal(file.mode) : "new";
    if (!out.empty() && !out.ends_with('\n')) {
        out += '\n';
        state += " joined";
    }
    out += begin_mark(marks) + state + "]" +
           std::string(closing(marks.comment)) + "\n";
    out += lines;
    out += end_mark(marks);
    return out;
}

std::optional<std::string> find_lines(std::string_view text,
                                      const Marks& marks) {
    auto block = find(text, marks);
    if (!block) {
        return std::nullopt;
    }
    return std::string(
        text.substr(block->lines, block->lines_end - block->lines));
}

std::optional<FileState> take_lines(const FileState& file, const Marks& marks) {
    auto block = find(file.text, marks);
    if (!block) {
        return std::nullopt;
    }
    FileState before = file;
    auto begin = block->begin;
    // What was put behind it since needs the line end.
    bool last = block->end == file.text.size();
    if (block->state.ends_with(" joined") && begin > 0 && last) {
        --begin;
    }
    before.text.erase(begin, block->end - begin);
    if (block->state == "new") {
        before.there = !before.text.empty();
    } else {
        auto mode = std::strtoul(block->state.c_str(), nullptr, 8);
        before.mode = static_cast<mode_t>(mode & 0777);
    }
    return before;
}

bool is_made_of(std::string_view text, std::string_view pattern) {
    auto first = pattern.find('{');
    auto head = pattern.substr(0, first);
    if (!text.starts_with(head)) {
        return false;
    }
    if (first == std::string_view::npos) {
        return text.size() == head.size();
    }
    text.remove_prefix(head.size());
    auto close = pattern.find('}', first);
    auto name = close == std::string_view::npos
                    ? std::string_view()
                    : pattern.substr(first + 1, close - first - 1);
    bool placeholder =
        !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz") ==
                             std::string_view::npos;
    if (!placeholder) {
        return text.starts_with('{') &&
               is_made_of(text.substr(1), pattern.substr(first + 1));
    }
    auto rest = pattern.substr(close + 1);
    // A value lies within its line.
    for (std::size_t n = 0; n <= text.size(); ++n) {
        if (is_made_of(text.substr(n), rest)) {
            return true;
        }
        if (n == text.size() || text[n] == '\n') {
            return false;
        }
    }
    return false;
}

Result<FileState> read_file_state(const std::string& path) {
    FileState file;
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? Result<FileState>(file)
                   : Result<FileState>(failed("read " + path, errno));
    }
    if (!S_ISREG(info.st_mode) ||
        static_cast<std::size_t>(info.st_size) > kMaxFile) {
        return Error{Code::invalid_argument,
                     path + " is no file of at most 1 MiB"};
    }
    std::ifstream in(path, std::ios::binary);
    file.text.resize(static_cast<std::size_t>(info.st_size));
    in.read(file.text.data(), static_cast<std::streamsize>(file.text.size()));
    if (!in.is_open() || in.bad()) {
        return failed("read " + path, EIO);
    }
    file.text.resize(static_cast<std::size_t>(in.gcount()));
    file.there = true;
    file.mode = info.st_mode & 07777;
    return file;
}

Result<void> write_file_state(const std::string& path, const FileState& file) {
    std::error_code code;
    auto real = fs::weakly_canonical(path, code);
    auto target = code ? path : real.string();
    if (!file.there) {
        return ::unlink(target.c_str()) == 0 || errno == ENOENT
                   ? Result<void>()
                   : failed("remove " + path, errno);
    }
    fs::create_directories(fs::path(target).parent_path(), code);
    if (code) {
        return failed("make the folder of " + path, code.value());
    }
    return write_beside(target, file);
}

}  // namespace longshore
