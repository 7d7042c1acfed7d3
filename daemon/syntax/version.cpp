#include "syntax/version.hpp"

#include <array>

#include "syntax/debian_version.hpp"
#include "syntax/go_version.hpp"
#include "syntax/maven_version.hpp"
#include "syntax/pacman_version.hpp"
#include "syntax/pep440.hpp"
#include "syntax/rpm_version.hpp"
#include "syntax/semver.hpp"
#include "syntax/version_key.hpp"

namespace longshore {
namespace {

struct Scheme {
    std::string_view name;
    Result<Version> (*parse)(std::string_view text);
};

template <SemverDialect dialect>
Result<Version> parse_dialect(std::string_view text) {
    return parse_semver(text, dialect);
}

// In the order of VersionScheme.
constexpr std::array<Scheme, 10> kSchemes = {{
    {"semver", parse_dialect<SemverDialect::strict>},
    {"npm", parse_dialect<SemverDialect::npm>},
    {"cargo", parse_dialect<SemverDialect::cargo>},
    {"helm", parse_dialect<SemverDialect::helm>},
    {"go", parse_go_version},
    {"pep440", parse_pep440},
    {"maven", parse_maven_version},
    {"debian", parse_debian_version},
    {"rpm", parse_rpm_version},
    {"pacman", parse_pacman_version},
}};

const Scheme& row(VersionScheme scheme) noexcept {
    return kSchemes[static_cast<std::size_t>(scheme)];
}

Result<void> check_size(std::string_view text) {
    if (text.empty() || text.size() > kMaxVersion) {
        return version::refused(text, "has not 1 to 256 bytes");
    }
    return {};
}

}  // namespace

std::strong_ordering compare(const Version& a, const Version& b) noexcept {
    return a.key <=> b.key;
}

Result<Version> parse_version(VersionScheme scheme, std::string_view text) {
    LS_CHECK(check_size(text));
    return row(scheme).parse(text);
}

Result<std::string> version_sort_key(VersionScheme scheme,
                                     std::string_view text) {
    LS_CHECK(check_size(text));
    if (auto version = row(scheme).parse(text)) {
        return std::move(version->key);
    }
    // No key of a version begins with this mark.
    std::string key(1, version::kEnd);
    version::append_bytes(key, text);
    return key;
}

std::optional<VersionScheme> version_scheme(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kSchemes.size(); ++i) {
        if (kSchemes[i].name == name) {
            return static_cast<VersionScheme>(i);
        }
    }
    return std::nullopt;
}

std::string_view version_scheme_name(VersionScheme scheme) noexcept {
    return row(scheme).name;
}

}  // namespace longshore
