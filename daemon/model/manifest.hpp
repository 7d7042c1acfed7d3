// Values of the OCI part: descriptors, manifests, tags, pages of them.
// Specification: OCI image-spec, descriptor.md and manifest.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/digest.hpp"

namespace longshore {

struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size_bytes = 0;
};

/// What a manifest points to, and how strictly it must exist.
struct ManifestReference {
    enum class Kind : std::uint8_t { config, layer, child };
    Kind kind = Kind::layer;
    Descriptor descriptor;
    /// Layers with `urls` and non-distributable media types need not be here.
    bool must_exist = true;
};

/// A manifest as parsed from its bytes; the bytes themselves are the truth
/// and are stored and returned unchanged.
struct ManifestFacts {
    std::string media_type;
    /// The manifest's artifactType, else its config's media type for an image
    /// manifest, else empty: what referrers are filtered by.
    std::string artifact_type;
    std::string annotations;  // JSON object text, or empty
    std::optional<Digest> subject;
    std::vector<ManifestReference> references;
};

struct StoredManifest {
    Digest digest;
    std::string media_type;
    std::uint64_t size_bytes = 0;
};

/// Clients read an index of at most 4 MiB, and annotations can make it long:
/// a page of referrers ends behind the one that makes it longer than this.
inline constexpr std::size_t kMaxReferrerBytes = 2 * 1024 * 1024;

struct Referrer {
    StoredManifest manifest;
    std::string artifact_type;
    std::string annotations;  // JSON object text, or empty
};

/// One page of a listing that is ordered bytewise; `more` says that another
/// page follows after the last item.
template <typename T>
struct Page {
    std::vector<T> items;
    bool more = false;
};

}  // namespace longshore
