// Semantic versions: of Cargo and others as SemVer 2.0.0 has them, of npm and
// Helm as their clients read them. Build metadata has no part in the order.
// Pure, any thread. Specification: semver.org 2.0.0, sections 2, 9 to 11;
// node-semver ("loose"); Masterminds semver 3, NewVersion().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "syntax/version.hpp"

namespace longshore {

enum class SemverDialect : unsigned char {
    strict,
    /// Beginning with spaces, 'v' and '='; leading zeros; no hyphen needed:
    /// "v1.2.3beta". Numbers up to 2^53 - 1. The text has no build metadata.
    npm,
    /// Strict, with numbers below 2^64.
    cargo,
    /// Beginning with 'v', one number or two; leading zeros in the numbers.
    helm,
    /// Without its 'v': one number or two with nothing after them, or strict.
    go,
};

/// Numbers are without leading zeros, the rest without its '-' or '+'.
struct Semver {
    std::string_view major = "0";
    std::string_view minor = "0";
    std::string_view patch = "0";
    std::vector<std::string_view> prerelease;
    std::string_view build;
};

/// Its views are into `text`, or static.
/// @errors invalid_argument
Result<Semver> read_semver(std::string_view text, SemverDialect dialect);

/// @errors invalid_argument
Result<Version> parse_semver(std::string_view text, SemverDialect dialect);

/// MAJOR.MINOR.PATCH[-PRERELEASE], no build metadata.
std::string semver_text(const Semver& version);

/// By precedence.
std::string semver_key(const Semver& version);

}  // namespace longshore
