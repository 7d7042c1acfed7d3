#include "syntax/go_version.hpp"

#include "syntax/semver.hpp"
#include "syntax/version_key.hpp"

namespace longshore {
namespace {

constexpr std::string_view kIncompatible = "incompatible";
constexpr std::size_t kTimeDigits = 14;

Result<Semver> read(std::string_view text) {
    auto rest = text;
    if (!version::take(rest, "v")) {
        return version::refused(text, "does not begin with 'v'");
    }
    return read_semver(rest, SemverDialect::go);
}

// "yyyymmddhhmmss-abcdefabcdef"
bool is_time_and_revision(std::string_view text) {
    auto time = version::take_while(text, version::is_digit);
    return time.size() == kTimeDigits && version::take(text, "-") &&
           !text.empty() && version::consists_of(text, {});
}

}  // namespace

Result<Version> parse_go_version(std::string_view text) {
    LS_TRY(version, read(text));
    Version out;
    out.text = "v" + semver_text(version);
    if (version.build == kIncompatible) {
        out.text.append("+").append(kIncompatible);
    }
    out.key = semver_key(version);
    out.prerelease = !version.prerelease.empty();
    return out;
}

bool is_pseudo_version(std::string_view text) {
    auto version = read(text);
    if (!version || version->prerelease.empty() ||
        !is_time_and_revision(version->prerelease.back())) {
        return false;
    }
    auto count = version->prerelease.size();
    return count == 1 ? version->minor == "0" && version->patch == "0"
                      : version->prerelease[count - 2] == "0";
}

}  // namespace longshore
