// One entry of an archive, as its headers tell. A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace longshore {

enum class EntryType : std::uint8_t { file, folder, symlink, hardlink, other };

struct ArchiveEntry {
    /// Relative, "/" between parts, UTF-8, without "." and "..".
    std::string path;
    EntryType type = EntryType::file;
    /// Unknown where only reading tells; checked where it is known.
    std::optional<std::uint64_t> size;
    /// Permissions, at most 07777.
    unsigned mode = 0;
    /// Seconds since 1970, as the archive says.
    std::int64_t mtime = 0;
    /// A symlink's text as it is; a hardlink's path as of an entry.
    std::string target;
};

}  // namespace longshore
