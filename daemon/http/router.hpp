// Patterns of targets below a repository: "/{name}/-/{file}". A pattern is
// text between slashes, "{x}" (one segment) or "{x+}" (one or more, joined by
// "/"); a final "/" must be there in the target too, "{x*}" at the end is
// "{x+}" or nothing. Segments were split at raw slashes and decoded once
// (common/package_path.hpp), so "{x}" may hold a decoded slash.
// Pure functions; time in proportion to the product of both lengths.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/package_path.hpp"

namespace longshore {

/// What the parts of a pattern stand for, in its order.
using Parameters = std::vector<std::pair<std::string_view, std::string>>;

/// nullopt: the path is not of this pattern. Names are views into `pattern`.
std::optional<Parameters> match_pattern(std::string_view pattern,
                                        const PackageSegments& path);

/// Whether the text is a pattern at all: for the check of tables at start.
bool is_pattern(std::string_view pattern) noexcept;

}  // namespace longshore
