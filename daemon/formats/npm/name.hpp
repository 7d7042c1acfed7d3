// Names, versions, tags and revisions as npm spells them, and the paths that
// are made of them. Pure functions, any thread.
// Specification: docs.npmjs.com, package.json "name"; the npm registry's
// package-metadata.md.
// @errors of all functions here: invalid_argument; others where said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore::npm {

inline constexpr std::string_view kLatest = "latest";

/// Checks "name" or "@scope/name". Letters may be of either case, as in names
/// of old packages.
Result<void> check_name(std::string_view name);

/// "name" of "@scope/name".
std::string_view base_name(std::string_view name) noexcept;

/// What a path that begins with a package's name is about.
struct Place {
    std::string name;
    std::string version;  // or a tag; "": the package
};

/// From "name", "@scope/name", "name/1.0.0" …
/// @errors not_found: no package can have such a path
Result<Place> read_place(std::string_view path);

/// Path of a version's package, which clients of all kinds also make up by
/// themselves: "@scope/name/-/name-1.0.0.tgz".
std::string tarball_path(std::string_view name, std::string_view version);

/// Paths of what else belongs to a version; no package's name begins so.
std::string attestations_path(std::string_view name, std::string_view version);
std::string readme_path(std::string_view name, std::string_view version);

/// A version as npm writes it: "1.0.0-rc.1", not "v1.0.0".
/// @returns the key that it is sorted by
Result<std::string> version_order(std::string_view version);

/// What could be a range of versions is no tag.
Result<void> check_tag(std::string_view tag);

/// `_rev` of a package: "12-npm".
std::string revision_text(std::int64_t revision);

/// @errors conflict: it is another revision
Result<void> check_revision(std::string_view text, std::int64_t revision);

}  // namespace longshore::npm
