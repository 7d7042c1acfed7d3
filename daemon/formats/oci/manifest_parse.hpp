// From the bytes of a manifest to what the registry must know about it. The
// bytes stay the truth; nothing here changes them.
// Specification: OCI image-spec manifest.md, image-index.md, descriptor.md;
// Docker image manifest version 2, schema 2. Type confusion: CVE-2021-41190.
#pragma once

#include <string_view>

#include "common/result.hpp"
#include "model/manifest.hpp"

namespace longshore {

inline constexpr std::string_view kImageIndexType =
    "application/vnd.oci.image.index.v1+json";

/// `content_type` is the Content-Type of the push, may have parameters, may
/// be empty: then the body's own mediaType holds, else its shape. Media types
/// that are not known are accepted; what looks like descriptors in them is
/// recorded, but need not exist. Bounded: depth, number of values and the
/// caller's size limit.
/// @errors invalid_argument with MANIFEST_INVALID, or DIGEST_INVALID when
///         only a descriptor's digest is wrong
/// @thread any
Result<ManifestFacts> parse_manifest(std::string_view bytes,
                                     std::string_view content_type);

}  // namespace longshore
