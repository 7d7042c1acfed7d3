// Verify: compares what the database says with what lies on disk, both ways.
// Reads only; may run beside a daemon: a difference counts when it is still
// there after a moment.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace longshore {

class BlobStore;
class Database;

struct Difference {
    /// "manifest" "layer" "tag" "file", then what is wrong: "… is not on disk",
    /// "… is not in the database", "… has no blob", "… differs".
    std::string problem;
    std::string name;
    std::string reference;  // digest, tag, or path of a package's file
    std::string wanted;     // what the database says, or empty
    std::string found;      // what the disk says, or empty

    friend bool operator==(const Difference&, const Difference&) = default;
};

struct VerifyReport {
    bool takeover_complete = false;
    std::size_t repositories = 0;
    std::size_t manifests = 0;
    std::size_t layers = 0;
    std::size_t tags = 0;
    std::size_t files = 0;  // of packages
    /// Links on disk whose blob or manifest is gone, unknown to the database
    /// too: left by another registry's garbage collection, harmless.
    std::size_t dangling = 0;
    std::vector<Difference> differences;
    /// What a scrub has taken away and nobody has brought again.
    std::vector<std::string> quarantined;

    /// One JSON document.
    std::string json() const;
};

/// `settle_ms`: how long to wait before differences are looked at again.
/// @errors unavailable, corrupt
Result<VerifyReport> verify(Database& database, BlobStore& store,
                            int settle_ms);

}  // namespace longshore
