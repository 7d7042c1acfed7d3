// FileTree: files below a folder, for whoever moves whole stores (backup and
// restore). Every path is relative and walked name by name, and no name on the
// way may be a link: a folder that somebody else filled leads nowhere else.
// One thread at a time.
// @errors of all functions here: as errno_error(); invalid_argument for a path
//         with an empty, "." or ".." name; corrupt where a link, or another
//         kind of file than wanted, is in the way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "common/byte_source.hpp"
#include "common/result.hpp"

namespace longshore {

/// A new file. Removed by nobody: its folder is one for unfinished files.
class TreeWriter {
public:
    virtual ~TreeWriter() = default;
    virtual Result<void> write(std::string_view bytes) = 0;
    /// fsync. @errors unavailable: the bytes may be lost
    virtual Result<void> sync() = 0;
};

class FileTree {
public:
    /// Modes of what is made below.
    struct Modes {
        mode_t file = 0600;
        mode_t folder = 0700;
    };

    /// `folder` itself may be a link. @errors not_found
    static Result<FileTree> open(const std::string& folder, Modes modes);

    FileTree(FileTree&& other) noexcept;
    FileTree& operator=(FileTree&&) = delete;
    ~FileTree();

    const std::string& path() const noexcept { return path_; }

    /// @errors not_found
    Result<std::unique_ptr<ByteSource>> read(std::string_view path) const;
    /// @errors not_found, too_large
    Result<std::string> read_text(std::string_view path,
                                  std::size_t max_bytes) const;
    /// nullopt if nothing is there.
    Result<std::optional<std::uint64_t>> size(std::string_view path) const;
    /// Names in a folder, in bytewise order; none if it is not there.
    Result<std::vector<std::string>> names(std::string_view folder) const;

    /// A file that is not there yet, in a folder that is.
    /// @errors already_exists
    Result<std::unique_ptr<TreeWriter>> create(std::string_view path) const;
    /// As create(), with this mode in place of the tree's.
    Result<std::unique_ptr<TreeWriter>> create(std::string_view path,
                                               mode_t mode) const;
    /// With its parents; those that are there stay as they are.
    Result<void> make_folder(std::string_view path) const;
    Result<void> make_folder(std::string_view path, mode_t mode) const;
    /// Both folders are there; what has the name already gives way.
    Result<void> rename(std::string_view from, std::string_view to) const;
    /// No error if nothing is there.
    Result<void> remove(std::string_view path) const;
    /// A folder with the files and folders in it.
    Result<void> remove_folder(std::string_view path) const;

    /// fsync of a folder; "" is the tree's own.
    Result<void> sync_folder(std::string_view path) const;
    /// Makes everything written so far durable (syncfs).
    Result<void> sync() const;
    /// Bytes that may still be written.
    Result<std::uint64_t> free_bytes() const;

    /// Locks a file, which is made unless `shared`, until the tree goes.
    /// @errors conflict: somebody else has it; not_found (`shared`)
    Result<void> lock(std::string_view path, bool shared);

private:
    FileTree(std::string path, int fd, Modes modes)
        : path_(std::move(path)), fd_(fd), modes_(modes) {}
    struct Place;
    Result<Place> folder_of(std::string_view path) const;
    Result<Place> walk(std::string_view folder) const;

    std::string path_;
    int fd_;
    int lock_ = -1;
    Modes modes_;
};

}  // namespace longshore
