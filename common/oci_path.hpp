// From a raw request target under /v2/ to what it names. The one place where
// such a target is taken apart, for nginx and daemon alike, so that both
// always read the same name. A repository name may hold segments such as
// "blobs" or "manifests", therefore the target is read from the right.
// Specification: OCI distribution-spec, "Endpoints" and "Pulling manifests".
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace longshore {

enum class OciRoute : std::uint8_t {
    unknown,     // not a path of the protocol
    ping,        // /v2/ and /v2
    catalog,     // /v2/_catalog
    extensions,  // /v2/_oci/ext/discover, /v2/<name>/_oci/ext/discover
    tags,        // /v2/<name>/tags/list
    manifest,    // /v2/<name>/manifests/<reference>
    blob,        // /v2/<name>/blobs/<digest>
    uploads,     // /v2/<name>/blobs/uploads/
    upload,      // /v2/<name>/blobs/uploads/<id>
    referrers,   // /v2/<name>/referrers/<digest>
};

/// What is wrong with a target whose route is known.
enum class OciProblem : std::uint8_t {
    none,
    bad_escape,     // broken or forbidden percent-escape, "." or ".." segment
    bad_name,       // repository name breaks the grammar: NAME_INVALID
    bad_reference,  // neither tag nor digest: TAG_INVALID or DIGEST_INVALID
    bad_upload,     // upload id is not one that we make
};

struct OciPath {
    OciRoute route = OciRoute::unknown;
    OciProblem problem = OciProblem::none;
    std::string_view name;       // repository, decoded and valid if no problem
    std::string_view reference;  // tag, digest or upload id
    std::string_view query;      // raw text after '?'
};

/// `target` is the raw request target (path and query) below the mount,
/// starting with "/". `scratch` must be at least as large as the path and
/// must outlive the result when the path has escapes; without escapes the
/// views point into `target`. No allocation.
OciPath parse_oci_path(std::string_view target,
                       std::span<char> scratch) noexcept;

/// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* joined by "/", at most 255 characters.
bool is_repository_name(std::string_view name) noexcept;

/// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}
bool is_tag(std::string_view tag) noexcept;

/// 8-4-4-4-12 lower-case hex, the form of RFC 9562.
bool is_upload_id(std::string_view id) noexcept;

}  // namespace longshore
