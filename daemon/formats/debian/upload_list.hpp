// What a .changes or a .dsc file says of the files that come with it. Pure.
// Specification: deb-changes(5), dsc(5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.hpp"
#include "common/result.hpp"
#include "syntax/control_file.hpp"

namespace longshore::debian {

inline constexpr std::size_t kMaxListBytes = std::size_t{4} << 20;

struct ListedFile {
    std::string name;
    std::uint64_t size_bytes = 0;
    std::string md5;   // lower-case hex
    std::string sha1;  // "": not said
    Digest digest;     // sha256
    std::string section;
    std::string priority;
};

struct UploadList {
    Stanza stanza;  // without the signature's frame
    std::vector<ListedFile> files;

    const ListedFile* find(std::string_view name) const;
    /// The first whose name ends so.
    const ListedFile* ending(std::string_view end) const;
};

/// Of either kind. Who signed it is not looked at: the upload was authorized.
/// @errors invalid_argument (no such list, names that are none, files without
///         SHA-256), too_large
Result<UploadList> read_upload_list(std::string_view text);

/// The stanza of a source package for Sources. `dsc` is how its own file is
/// listed.
std::string source_stanza(const UploadList& source, const ListedFile& dsc,
                          std::string_view folder);

}  // namespace longshore::debian
