#include "model_tree.hpp"

#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "model_common.hpp"

namespace longshore::model {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

}  // namespace

void Tree::read(const std::string& folder) {
    for (const auto& entry : fs::directory_iterator(folder)) {
        auto path = entry.path().string();
        bool is_folder = entry.is_directory();
        // A tag's link may say something else by then.
        bool changes = changing_.contains(path) ||
                       path.find("/tags/") != std::string::npos;
        files_[path] = {is_folder ? "" : read_text(path), is_folder, changes,
                        false};
        if (is_folder) {
            read(path);
        }
    }
}

// What the last history left; marks what is as it should be. A few system
// calls for each folder: this is most of what a history costs.
void Tree::remove_others(const std::string& folder) {
    struct Entry {
        ino64_t inode;
        off64_t offset;
        std::uint16_t size;
        std::uint8_t type;
        char name[1];
    };
    alignas(Entry) std::array<char, 16384> entries;
    int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must_be(fd >= 0, "open a folder");
    auto size = ::syscall(SYS_getdents64, fd, entries.data(), entries.size());
    must_be(size >= 0 && size < 16000, "list a folder");
    std::string path;
    for (long at = 0; at < size;) {
        const auto* entry =
            reinterpret_cast<Entry*>(&entries[static_cast<std::size_t>(at)]);
        at += entry->size;
        std::string_view name = &entry->name[0];
        if (name == "." || name == "..") {
            continue;
        }
        path.assign(folder).append("/").append(name);
        auto known = files_.find(path);
        bool is_folder = entry->type == DT_DIR;
        if (is_folder) {
            remove_others(path);
        }
        if (known != files_.end()) {
            known->second.is_there = true;
        } else {
            must_be(
                ::unlinkat(fd, entry->name, is_folder ? AT_REMOVEDIR : 0) == 0,
                "remove");
        }
    }
    ::close(fd);
}

void Tree::keep() {
    files_.clear();
    read(root_);
}

void Tree::restore(std::int64_t age_s) {
    remove_others(root_);
    const auto old = std::time(nullptr) - age_s;
    const timespec times[] = {{old, 0}, {old, 0}};
    for (auto& [path, file] : files_) {
        bool was_there = std::exchange(file.is_there, false);
        if (file.is_folder) {
            must_be(was_there || ::mkdir(path.c_str(), 0755) == 0, "mkdir");
            continue;
        }
        if (was_there && !file.changes) {
            must_be(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0,
                    "make a file old");
            continue;
        }
        int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        must_be(fd >= 0 &&
                    ::write(fd, file.bytes.data(), file.bytes.size()) ==
                        static_cast<ssize_t>(file.bytes.size()) &&
                    ::futimens(fd, times) == 0,
                "make a file");
        ::close(fd);
    }
}

}  // namespace longshore::model
