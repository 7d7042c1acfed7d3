// Looks into a package: a gzip-compressed tar with everything below one
// folder, whatever its name. Bounded by the archive reader's limits.
// Specification: docs.npmjs.com, "npm pack".
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "common/byte_source.hpp"
#include "common/result.hpp"

namespace longshore::npm {

/// What a readme has at most; the rest of it is cut off.
inline constexpr std::size_t kMaxReadme = 64 * 1024;

struct TarballFacts {
    nlohmann::json manifest;  // package.json
    std::uint64_t files = 0;
    std::uint64_t unpacked_bytes = 0;
    bool has_shrinkwrap = false;
    bool has_binding_gyp = false;
    std::string readme;  // UTF-8
    std::string readme_name;
};

/// @errors invalid_argument (damaged, no package.json, or two), too_large,
///         those of the source
Result<TarballFacts> inspect_tarball(const ByteSource& source);

}  // namespace longshore::npm
