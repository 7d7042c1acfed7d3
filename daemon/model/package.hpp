// Values of package repositories: Repository → Package → Version → File →
// Blob, and what hangs on them. `key` is always the normalised spelling that
// something is found by, `name` and `version` what the publisher wrote.
// `data` is JSON text that belongs to the format; nobody else looks into it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/digest.hpp"

namespace longshore {

enum class RepositoryKind : std::uint8_t { local, remote, virtual_ };
std::string_view kind_name(RepositoryKind kind) noexcept;

/// A named collection of one format and one kind.
struct Repository {
    std::int64_t id = 0;
    std::string key;     // "npm-internal", one component of an OCI name
    std::string format;  // "npm"
    RepositoryKind kind = RepositoryKind::local;
    std::string description;
    std::string settings = "{}";  // JSON object of the format's switches
    std::int64_t created_at_ms = 0;
};

/// Digests of a blob beside its name, lower-case hex; "": not computed.
struct Digests {
    std::string md5;
    std::string sha1;
    std::string sha512;
    std::string blake2b_256;
};

/// Which of them are wanted, as the seam spells it (Decision::algorithms).
enum class Extra : std::uint8_t {
    md5 = 1,
    sha1 = 2,
    sha512 = 4,
    blake2b_256 = 8
};
constexpr std::uint8_t operator|(Extra a, Extra b) noexcept {
    return static_cast<std::uint8_t>(static_cast<std::uint8_t>(a) |
                                     static_cast<std::uint8_t>(b));
}
constexpr std::uint8_t operator|(std::uint8_t a, Extra b) noexcept {
    return static_cast<std::uint8_t>(a | static_cast<std::uint8_t>(b));
}

struct Property {
    std::string name;
    std::string value;
    bool operator==(const Property&) const = default;
};

struct StoredFile {
    std::int64_t id = 0;
    std::int64_t version_id = 0;  // 0: belongs to no version
    std::string path;             // decoded, without a leading slash
    Digest digest;                // sha256
    std::uint64_t size_bytes = 0;
    Digests digests;
    std::string role;  // the format's word: "tarball" "wheel" "pom" …
    std::string media_type;
    std::string data = "{}";
    std::int64_t created_at_ms = 0;
    std::uint64_t downloads = 0;
};

enum class VersionState : std::uint8_t { active, yanked, deprecated };
std::string_view state_name(VersionState state) noexcept;

struct StoredVersion {
    std::int64_t id = 0;
    std::string version;
    std::string key;
    std::string sort_key;  // bytewise order is the ecosystem's order
    VersionState state = VersionState::active;
    std::string reason;  // of yanked and deprecated
    std::string data = "{}";
    std::string publisher;  // principal
    std::int64_t published_at_ms = 0;
    std::vector<StoredFile> files;
};

/// A tag of a package ("latest"): the version's key.
struct PackageTag {
    std::string tag;
    std::string version_key;
};

struct StoredPackage {
    std::int64_t id = 0;
    std::string name;
    std::string key;
    std::int64_t revision = 0;  // grows with every change of it and below it
    std::string data = "{}";
    std::string summary;   // one line, searched
    std::string keywords;  // blank separated, searched
    std::string latest;  // version of the greatest sort_key, not yanked; or ""
    std::int64_t created_at_ms = 0;
    std::int64_t updated_at_ms = 0;
    std::uint64_t downloads = 0;
    std::vector<StoredVersion> versions;  // in order of sort_key
    std::vector<PackageTag> tags;         // in order of tag

    const StoredVersion* find(std::string_view version_key) const noexcept;
    StoredVersion* find(std::string_view version_key) noexcept;
    const std::string* tag(std::string_view tag) const noexcept;
};

/// A document derived from packages, as it is served.
struct Document {
    std::string path;
    Digest digest;
    std::uint64_t size_bytes = 0;
    std::string media_type;
    std::string encoding;  // Content-Encoding, or ""
    std::int64_t modified_at_ms = 0;
};

}  // namespace longshore
