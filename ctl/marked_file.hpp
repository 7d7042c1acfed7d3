// Lines of ours in a file of somebody else's: between two marks, put in, put
// anew, and taken out again so that the file is what it was. Pure but for the
// two functions that say so.
//
//     # longshore npm internal begin [0644 joined]
//     registry=https://…
//     # longshore npm internal end
//
// In brackets: "new" if the file was not there, else its mode, and "joined" if
// its last line had no end before.
#pragma once

#include <sys/types.h>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// A file as it is; not `there`: none.
struct FileState {
    bool there = false;
    std::string text;
    mode_t mode = 0;
};

struct Marks {
    std::string comment;  // what a comment begins with: "#" "<!--"
    std::string name;     // "npm internal"
};

/// The text with `lines` between the marks, in the place of those that are
/// there, else at the end. `lines` ends in a line end.
std::string put_lines(const FileState& file, const Marks& marks,
                      std::string_view lines);

/// The lines between the marks; nullopt: there are none.
std::optional<std::string> find_lines(std::string_view text,
                                      const Marks& marks);

/// The file without marks and lines, as it was before; nullopt: it has none.
std::optional<FileState> take_lines(const FileState& file, const Marks& marks);

/// Whether `text` is what a template became, whatever stood for each of its
/// placeholders, such as {token}.
bool is_made_of(std::string_view text, std::string_view pattern);

/// Reads a file of at most 1 MiB; none is no error.
/// @errors unavailable, invalid_argument (too large)
Result<FileState> read_file_state(const std::string& path);

/// Makes it so: written beside and renamed, its folders made; removed if it is
/// not to be there. A symbolic link stays one.
/// @errors unavailable
Result<void> write_file_state(const std::string& path, const FileState& file);

}  // namespace longshore
