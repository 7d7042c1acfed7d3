// The body of a PUT of a package: a JSON document that carries the package
// itself as a string of base64, of any size. One pass over it, in which the
// package becomes a StagedBlob; what is left is a document of bounded size.
// Specification: the npm registry's REGISTRY-API.md; libnpmpublish.
// @errors of all functions here: invalid_argument, too_large, those of Blobs
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "registry/format.hpp"

namespace longshore::npm {

/// Bytes of a body without what it carries; of one with a package.
inline constexpr std::size_t kMaxDocument = std::size_t{32} << 20;
inline constexpr std::size_t kMaxPublished = std::size_t{2} << 20;
inline constexpr std::size_t kMaxBundle = std::size_t{1} << 20;

struct Body {
    /// Compact JSON, without the data of attachments and without readmes.
    std::string document;
    std::optional<StagedBlob> tarball;
    std::string tarball_name;
    /// A sigstore bundle, JSON; "": none.
    std::string bundle;
};

Result<Body> read_body(Context& ctx, const Request& request);

/// What a document without a package asks for.
struct Changes {
    std::string revision;  // "": it names none
    struct Version {
        std::string version;
        std::optional<std::string> deprecated;
    };
    std::vector<Version> versions;
};
Result<Changes> read_changes(std::string_view document);

/// A JSON object of a stranger's: strict, at most 64 levels deep.
Result<nlohmann::json> read_object(std::string_view text);

}  // namespace longshore::npm
