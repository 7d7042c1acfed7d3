// What is known of a format without asking it for anything: its names, its
// paths, how its clients are set up. Constant data.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "common/protocol.hpp"

namespace longshore {

class Format;

/// A file of the client's machine that makes it use a repository. In `path`,
/// `text` and `undo` stand {repository}, {user}, {token}, {home} and parts of
/// where it is; {token} is asked for when it is written.
///
///     {url}       https://host:8443/below/npm/ours
///     {scheme}    https
///     {address}           host:8443/below/npm/ours
///     {host}              host:8443
///     {name}              host
///     {path}                       /below/npm/ours
///
/// A line that becomes the same as the one before it is left out: of two for
/// clients that want {host} and {name}, where there is no port.
struct SetupFile {
    std::string_view path;  // "{home}/.npmrc"; "": commands to type
    std::string_view text;
    /// Lines among others, between two marks that begin with this text ("#");
    /// "": the file is ours alone.
    std::string_view comment = "#";
    std::string_view undo = "";  // commands that take those of `text` back
};

enum class IndexKind : std::uint8_t {
    none,        // every answer is made when it is asked for
    plain,       // documents without links
    with_links,  // documents that hold the base URL of who asks
};

struct FormatInfo {
    std::string_view key;    // "oci"
    std::string_view title;  // "OCI and Docker images"
    std::string_view mount;  // "/v2"
    std::string_view specification;
    std::span<const HeaderField> headers = {};  // on every answer

    // Of a format of packages.
    std::span<const std::string_view> mounts = {};  // "npm" "yarn" …
    IndexKind index = IndexKind::none;
    std::span<const SetupFile> setup = {};
    /// 403, or 404 where the client takes a 403 for the end of everything.
    int denied_status = 403;
    /// What an operator deletes may never be published again.
    bool tombstones = false;
};

/// All formats, in order of key; the table is generated from file names.
std::span<const Format* const> all_formats();

/// Null if there is none.
const Format* find_format(std::span<const Format* const> formats,
                          std::string_view key) noexcept;

/// The same for who need not know what a format does.
const FormatInfo& info_of(const Format& format) noexcept;

}  // namespace longshore
