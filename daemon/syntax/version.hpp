// Versions of packages as their ecosystems read, write and order them. Each
// ecosystem has a file of its own here; this is their common face. A version
// is read once; its order is that of its key, a text that compares byte by
// byte (memcmp), so that a database orders by it too. Pure values, usable
// from any thread. The header of each ecosystem names its specification.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// Whose rules a version follows.
enum class VersionScheme : unsigned char {
    semver,
    npm,
    cargo,
    helm,
    go,
    pep440,
    maven,
    debian,
    rpm,
    pacman,
};

/// Bytes of the longest version that is read.
inline constexpr std::size_t kMaxVersion = 256;

/// Bytes of the longest key.
inline constexpr std::size_t kMaxVersionKey = 1024;

struct Version {
    /// In the form that the ecosystem writes; the text that was read where
    /// it has none.
    std::string text;
    /// Printable ASCII ('!' to '~'). No key is the beginning of another, so
    /// it does not matter how a database compares texts of unlike lengths.
    std::string key;
    bool prerelease = false;  // only where the ecosystem knows such a thing
};

/// Equal are versions of one precedence, such as 1.0 and 1.0.0 of Maven;
/// their texts may differ. Only for versions of one scheme.
std::strong_ordering compare(const Version& a, const Version& b) noexcept;

/// @errors invalid_argument (not a version of this scheme, too long)
Result<Version> parse_version(VersionScheme scheme, std::string_view text);

/// The key of any text, also of one that parse_version() refuses, as old
/// registries hold them: those come before all versions, in the order of
/// their bytes.
/// @errors invalid_argument (empty or too long)
Result<std::string> version_sort_key(VersionScheme scheme,
                                     std::string_view text);

/// "semver", "npm", …; nullopt for a name that no scheme has.
std::optional<VersionScheme> version_scheme(std::string_view name) noexcept;
std::string_view version_scheme_name(VersionScheme scheme) noexcept;

}  // namespace longshore
