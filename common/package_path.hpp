// From a raw request target to the repository of packages that it is about:
// /<mount>/<repository>[/<rest>][?query]. nginx and daemon both take a target
// apart here and nowhere else, so both mean the same repository. What `rest`
// means is its format's business. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longshore {

struct PackagePath {
    std::string_view mount;       // "npm"
    std::string_view repository;  // one component of an OCI name
    std::string_view rest;        // raw: empty, or starts with "/"
    std::string_view query;       // raw text after '?'
};

/// `target` is the raw request target (path and query) below the prefix. The
/// mount is [a-z][a-z0-9]{0,31} and none of those that are taken (v2, api, ui,
/// token); mount and repository have one spelling, so an escape in them is no
/// package path. Views into `target`. No allocation.
std::optional<PackagePath> parse_package_path(std::string_view target) noexcept;

/// `rest` of a path, decoded.
struct PackageSegments {
    std::vector<std::string> segments;
    bool ends_in_slash = false;
};

/// Splits at raw "/" and decodes each segment once; "+" stays "+". A segment
/// may hold an escaped "/" (npm's "@scope%2fname"). nullopt for a broken
/// escape, a control character, a backslash, and for a part between two
/// slashes, raw or escaped, that is empty, "." or ".."; the one raw slash that
/// may end `rest` is reported.
std::optional<PackageSegments> decode_segments(std::string_view rest);

}  // namespace longshore
