#include "syntax/semver.hpp"

#include <algorithm>

#include "syntax/version_key.hpp"

namespace longshore {
namespace {

using version::is_digit;
using version::refused;

constexpr std::string_view kMaxSafeInteger = "9007199254740991";
constexpr std::string_view kMaxCounted = "9007199254740990";
constexpr std::string_view kMax64 = "18446744073709551615";

// In a key: a prerelease is a row of identifiers and kEnd, numbers before
// others; a release is above all of them.
constexpr char kOther = 'u';
constexpr char kRelease = '~';

bool is_number(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

bool has_leading_zero(std::string_view digits) noexcept {
    return digits.size() > 1 && digits.front() == '0';
}

bool is_identifier_character(char c) noexcept {
    return version::is_alphanumeric(c) || c == '-';
}

// What a dialect allows beyond SemVer, or forbids within it.
struct Rules {
    std::string_view before;  // characters that may come first
    std::size_t most_before = 0;
    std::size_t fewest_numbers = 3;
    bool fewer_alone = false;       // these have nothing after them
    bool zeros = false;             // in front of the three numbers
    bool prerelease_zeros = false;  // and of a prerelease's
    bool hyphen_optional = false;
    std::string_view highest = {};  // of the three numbers, if any
};

Rules rules_of(SemverDialect dialect) noexcept {
    Rules rules;
    switch (dialect) {
        case SemverDialect::strict:
            break;
        case SemverDialect::npm:
            rules.before = "v= \t\r\n\f\v";
            rules.most_before = kMaxVersion;
            rules.zeros = rules.prerelease_zeros = true;
            rules.hyphen_optional = true;
            rules.highest = kMaxSafeInteger;
            break;
        case SemverDialect::cargo:
            rules.highest = kMax64;
            break;
        case SemverDialect::helm:
            rules.before = "v";
            rules.most_before = 1;
            rules.fewest_numbers = 1;
            rules.zeros = true;
            rules.highest = kMax64;
            break;
        case SemverDialect::go:
            rules.fewest_numbers = 1;
            rules.fewer_alone = true;
            break;
    }
    return rules;
}

// Up to three numbers with dots between.
Result<void> take_numbers(std::string_view text, std::string_view& rest,
                          const Rules& rules, Semver& out) {
    std::size_t count = 0;
    for (auto* number : {&out.major, &out.minor, &out.patch}) {
        if (count > 0 && !version::take(rest, ".")) {
            break;
        }
        auto digits = version::take_while(rest, is_digit);
        if (digits.empty()) {
            return refused(text, "has no number where one has to be");
        }
        if (!rules.zeros && has_leading_zero(digits)) {
            return refused(text, "has a number with a leading zero");
        }
        // Without a hyphen the last digit may be a prerelease: "1.2.34.5" is
        // read as "1.2.3-4.5".
        if (++count == 3 && rules.hyphen_optional && digits.size() > 1 &&
            rest.starts_with('.')) {
            digits.remove_suffix(1);
            rest = {digits.data() + digits.size(), rest.size() + 1};
        }
        *number = version::number(digits);
        if (!rules.highest.empty() &&
            !version::at_most(*number, rules.highest)) {
            return refused(text, "has too large a number");
        }
    }
    if (count < rules.fewest_numbers) {
        return refused(text, "has fewer than three numbers");
    }
    if (count < 3 && rules.fewer_alone && !rest.empty()) {
        return refused(text, "has fewer than three numbers, and more");
    }
    return {};
}

// Identifiers with dots between; none of them is empty.
bool take_identifiers(std::string_view& rest,
                      std::vector<std::string_view>& out) {
    do {
        auto identifier = version::take_while(rest, is_identifier_character);
        if (identifier.empty()) {
            return false;
        }
        out.push_back(identifier);
    } while (version::take(rest, "."));
    return true;
}

Result<void> take_prerelease(std::string_view text, std::string_view& rest,
                             const Rules& rules, Semver& out) {
    if (rest.empty() || rest.front() == '+') {
        return {};
    }
    // Where the hyphen may be missing, one at the end is an identifier.
    bool alone = rules.hyphen_optional && rest.front() == '-' &&
                 (rest.size() == 1 || !is_identifier_character(rest[1]));
    bool hyphen = !alone && version::take(rest, "-");
    if ((!hyphen && !rules.hyphen_optional) ||
        !take_identifiers(rest, out.prerelease)) {
        return refused(text, "has no prerelease where one has to be");
    }
    for (auto& identifier : out.prerelease) {
        if (!is_number(identifier) || !has_leading_zero(identifier)) {
            continue;
        }
        if (!rules.prerelease_zeros) {
            return refused(text, "has a prerelease with a leading zero");
        }
        // npm keeps the spelling of those that it cannot count to.
        if (version::at_most(identifier, kMaxCounted)) {
            identifier = version::number(identifier);
        }
    }
    return {};
}

}  // namespace

Result<Semver> read_semver(std::string_view text, SemverDialect dialect) {
    const auto rules = rules_of(dialect);
    auto rest = text;
    if (dialect == SemverDialect::npm) {
        rest = rest.substr(0, rest.find_last_not_of(" \t\r\n\f\v") + 1);
    }
    auto before = rest.find_first_not_of(rules.before);
    rest.remove_prefix(std::min({before, rules.most_before, rest.size()}));
    Semver out;
    LS_CHECK(take_numbers(text, rest, rules, out));
    LS_CHECK(take_prerelease(text, rest, rules, out));
    if (version::take(rest, "+")) {
        auto build = rest;
        std::vector<std::string_view> identifiers;
        if (!take_identifiers(rest, identifiers)) {
            return refused(text, "has no build metadata after its '+'");
        }
        out.build = build.substr(0, build.size() - rest.size());
    }
    if (!rest.empty()) {
        return refused(text, "has something after its end");
    }
    return out;
}

Result<Version> parse_semver(std::string_view text, SemverDialect dialect) {
    LS_TRY(read, read_semver(text, dialect));
    Version out;
    out.text = semver_text(read);
    if (dialect != SemverDialect::npm && !read.build.empty()) {
        out.text.append("+").append(read.build);
    }
    out.key = semver_key(read);
    out.prerelease = !read.prerelease.empty();
    return out;
}

std::string semver_text(const Semver& version) {
    std::string out(version.major);
    out.append(".").append(version.minor).append(".").append(version.patch);
    char between = '-';
    for (auto identifier : version.prerelease) {
        out += between;
        out += identifier;
        between = '.';
    }
    return out;
}

std::string semver_key(const Semver& version) {
    std::string key;
    for (auto number : {version.major, version.minor, version.patch}) {
        version::append_number(key, number);
    }
    if (version.prerelease.empty()) {
        key += kRelease;
        return key;
    }
    for (auto identifier : version.prerelease) {
        if (is_number(identifier)) {
            version::append_number(key, identifier);
        } else {
            key += kOther;
            version::append_bytes(key, identifier);
        }
    }
    key += version::kEnd;
    return key;
}

}  // namespace longshore
