// repodata/ of a group of packages, which is what a client calls a repository:
// repomd.xml with its signature, primary, filelists, other, and what was
// uploaded beside. The group of a file is what its path has before
// "Packages/" or "repodata/"; "" is the repository's root.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "registry/index_context.hpp"

namespace longshore::rpm {

inline constexpr std::string_view kPackages = "Packages/";
inline constexpr std::string_view kRepodata = "repodata/";

/// A file that an upload adds to the metadata.
struct LooseKind {
    std::string_view file;  // "updateinfo.xml"
    std::string_view type;  // in repomd.xml
    std::string_view media_type;
    std::string_view root;  // the root element; "": YAML
    /// Also as it is, for clients that take this one so.
    bool plain = false;
};
inline constexpr std::array kLooseKinds = {
    LooseKind{"comps.xml", "group", "application/xml", "comps", true},
    LooseKind{"updateinfo.xml", "updateinfo", "application/xml", "updates"},
    LooseKind{"modules.yaml", "modules", "application/yaml", ""},
};
inline constexpr std::uint64_t kMaxLoose = std::uint64_t{32} << 20;

/// "a/b/" of a group, "" of the root: what paths begin with.
std::string folder_of(std::string_view group);
std::string_view group_of(std::string_view path);

/// @errors invalid_argument
Result<void> check_settings(std::string_view settings);

/// Makes all documents of a group; none where there never was a package.
/// @errors those of IndexContext, of the signer
Result<void> make_group(IndexContext& ctx, std::string_view group);

}  // namespace longshore::rpm
