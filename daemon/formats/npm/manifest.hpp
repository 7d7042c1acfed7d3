// From what a client says of a version, and what is in its package, to the
// texts that are kept of it; and from those to what clients read. Nothing is
// parsed to make a document of many versions: texts are put side by side.
// Specification: the npm registry's package-metadata.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/result.hpp"
#include "formats/npm/tarball.hpp"
#include "model/package.hpp"

namespace longshore::npm {

inline constexpr std::string_view kTarballRole = "tarball";
inline constexpr std::string_view kReadmeRole = "readme";
inline constexpr std::string_view kAttestationsRole = "attestations";

/// A version's manifest, as the client sent it, becomes what is kept: what
/// decides on an installation is taken from the package itself, so that the
/// two cannot say different things.
/// @errors invalid_argument: name or version are others than in the package
Result<void> settle_manifest(nlohmann::json& manifest,
                             const TarballFacts& facts, std::string_view name,
                             std::string_view version,
                             std::string_view publisher);

/// StoredVersion::data: the manifest, and what resolvers need of it.
std::string version_data(const nlohmann::json& manifest);

/// Of a version's data. Views into it; "{}" for data that is not ours.
std::string_view manifest_text(std::string_view data) noexcept;
std::string_view abbreviated_text(std::string_view data) noexcept;

/// Appends one of those two as clients read it, with `dist` and `deprecated`.
void append_manifest(std::string& out, std::string_view text,
                     std::string_view name, const StoredVersion& version,
                     std::string_view base_url);

/// What the package's row has of its latest version.
struct PackageSummary {
    std::string data;
    std::string summary;
    std::string keywords;
};
PackageSummary summarize(const nlohmann::json& manifest,
                         std::int64_t published_at_ms);

/// After an edit: `latest` names a version that is there, and the row is of
/// that version.
void settle_latest(StoredPackage& package);

}  // namespace longshore::npm
