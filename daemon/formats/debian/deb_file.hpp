// Reads a binary package: its control file and what it would install. Nothing
// is written anywhere; memory does not grow with the package but for the list
// of its paths, which is bounded. Any thread.
// Specification: deb(5), deb-control(5).
#pragma once

#include <string>

#include "common/byte_source.hpp"
#include "common/result.hpp"
#include "syntax/control_file.hpp"
#include "syntax/version.hpp"

namespace longshore::debian {

inline constexpr std::size_t kMaxControl = std::size_t{1} << 20;
inline constexpr std::size_t kMaxContents = std::size_t{16} << 20;

struct DebFile {
    Stanza control;  // as it is in the package
    std::string name;
    Version version;
    std::string architecture;
    /// Paths of what is no folder, a line each, in order of the archive.
    std::string contents;
};

/// @errors invalid_argument (no such package, damaged), too_large, those of
///         the source
Result<DebFile> read_deb(const ByteSource& source);

/// MD5 as the index of translations wants it, of a Description's value.
std::string description_md5(std::string_view description);

}  // namespace longshore::debian
