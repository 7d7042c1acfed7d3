// Undelete: brings a manifest back that was deleted, with all that it refers
// to: its children, configuration and layers, as long as their bytes are in
// the store or in the trash. It is a push whose bytes are there already, so
// everything that holds for a push holds for it.
// Used by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "common/digest.hpp"
#include "common/result.hpp"
#include "model/access.hpp"
#include "model/manifest.hpp"

namespace longshore {

class BlobStore;
class Publisher;
struct ManifestDraft;

/// What came back.
struct Undeleted {
    std::int64_t manifests = 0;
    std::int64_t blobs = 0;
    /// Children of an index whose bytes are nowhere: they stay away.
    std::vector<Digest> missing;
};

class Undelete {
public:
    /// As for Takeover: from bytes and Content-Type to what a manifest says.
    using Reader = Result<ManifestFacts> (*)(std::string_view bytes,
                                             std::string_view content_type);
    using Publish = std::function<void(const std::vector<std::string>& keys)>;

    /// `publish` tells nginx which keys to drop.
    Undelete(BlobStore& store, Publisher& publisher, Reader reader,
             std::uint64_t max_manifest_bytes, Publish publish)
        : store_(store),
          publisher_(publisher),
          reader_(reader),
          max_manifest_bytes_(max_manifest_bytes),
          publish_(std::move(publish)) {}

    /// The manifest and what is below it, the tags last.
    /// @errors not_found (its bytes, or those of a configuration or a layer,
    ///         are gone: named in the message), invalid_argument (no
    ///         manifest), and those of Publisher::put_manifest()
    Result<Undeleted> run(const Access& access, const Digest& digest,
                          std::vector<std::string> tags);

private:
    struct Work;
    Result<void> bring(const Digest& digest);
    Result<void> manifest(Work& work, const Digest& digest,
                          std::vector<std::string> tags, int depth);
    Result<void> below(Work& work, const ManifestFacts& facts, int depth);

    BlobStore& store_;
    Publisher& publisher_;
    Reader reader_;
    std::uint64_t max_manifest_bytes_;
    Publish publish_;
};

}  // namespace longshore
