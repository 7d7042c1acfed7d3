// Versions from anybody: what is read is written and read the same again,
// keys are what version.hpp says, and order as each ecosystem's algorithm
// does that walks over the two texts.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "syntax/go_version.hpp"
#include "syntax/semver.hpp"
#include "syntax/version.hpp"
#include "syntax/version_key.hpp"

namespace longshore {
namespace {

using fuzz::require;

constexpr std::size_t kTexts = 3;
constexpr VersionScheme kSchemes[] = {
    VersionScheme::semver, VersionScheme::npm,    VersionScheme::cargo,
    VersionScheme::helm,   VersionScheme::go,     VersionScheme::pep440,
    VersionScheme::maven,  VersionScheme::debian, VersionScheme::rpm,
    VersionScheme::pacman};

int sign(std::strong_ordering order) {
    return order < 0 ? -1 : order > 0 ? 1 : 0;
}

int compare_numbers(std::string_view a, std::string_view b) {
    a = version::number(a);
    b = version::number(b);
    return sign(a.size() != b.size() ? a.size() <=> b.size() : a <=> b);
}

// Semantic versioning 2.0.0, section 11.
int walk_semver(const Semver& a, const Semver& b) {
    for (auto part : {&Semver::major, &Semver::minor, &Semver::patch}) {
        if (int order = compare_numbers(a.*part, b.*part)) {
            return order;
        }
    }
    if (a.prerelease.empty() || b.prerelease.empty()) {
        return sign(b.prerelease.size() <=> a.prerelease.size());
    }
    auto is_number = [](std::string_view text) {
        return std::all_of(text.begin(), text.end(), version::is_digit);
    };
    for (std::size_t i = 0;; ++i) {
        if (i == a.prerelease.size() || i == b.prerelease.size()) {
            return sign(a.prerelease.size() <=> b.prerelease.size());
        }
        auto left = a.prerelease[i];
        auto right = b.prerelease[i];
        int order = 0;
        if (is_number(left) != is_number(right)) {
            order = is_number(left) ? -1 : 1;
        } else {
            order = is_number(left) ? compare_numbers(left, right)
                                    : sign(left <=> right);
        }
        if (order != 0) {
            return order;
        }
    }
}

int debian_weight(std::string_view rest) {
    if (rest.empty() || version::is_digit(rest.front())) {
        return 0;
    }
    char c = rest.front();
    return c == '~' ? -1 : version::is_letter(c) ? c : c + 256;
}

// Policy 5.6.12.
int walk_debian(std::string_view a, std::string_view b) {
    while (!a.empty() || !b.empty()) {
        while (debian_weight(a) != 0 || debian_weight(b) != 0) {
            if (debian_weight(a) != debian_weight(b)) {
                return debian_weight(a) < debian_weight(b) ? -1 : 1;
            }
            a.remove_prefix(1);
            b.remove_prefix(1);
        }
        auto left = version::take_while(a, version::is_digit);
        auto right = version::take_while(b, version::is_digit);
        if (int order = compare_numbers(left, right)) {
            return order;
        }
    }
    return 0;
}

// Takes separators; the rank of what comes then.
int rpm_rank(std::string_view& rest) {
    version::take_while(rest, [](char c) {
        return !version::is_alphanumeric(c) && c != '~' && c != '^';
    });
    if (rest.empty()) {
        return 1;
    }
    char c = rest.front();
    return c == '~' ? 0 : c == '^' ? 2 : version::is_letter(c) ? 3 : 4;
}

// rpm-version(7).
int walk_rpm(std::string_view a, std::string_view b) {
    while (true) {
        int left = rpm_rank(a);
        int right = rpm_rank(b);
        if (left != right || left == 1) {
            return sign(left <=> right);
        }
        int order = 0;
        if (left == 3) {
            auto word = version::take_while(a, version::is_letter);
            order = sign(word <=> version::take_while(b, version::is_letter));
        } else if (left == 4) {
            auto digits = version::take_while(a, version::is_digit);
            order = compare_numbers(digits,
                                    version::take_while(b, version::is_digit));
        } else {
            a.remove_prefix(1);
            b.remove_prefix(1);
        }
        if (order != 0) {
            return order;
        }
    }
}

// What both have; a revision that is not there is "0" for Debian only.
int walk_parts(VersionScheme scheme, std::string_view a, std::string_view b) {
    const std::string most(kMaxVersion, '9');
    auto left = version::split_parts(a, most);
    auto right = version::split_parts(b, most);
    require(left && right, "versions have their parts");
    if (int order = compare_numbers(left->epoch, right->epoch)) {
        return order;
    }
    auto* walk = scheme == VersionScheme::debian ? walk_debian : walk_rpm;
    if (int order = walk(left->version, right->version)) {
        return order;
    }
    if (scheme == VersionScheme::rpm &&
        left->has_revision != right->has_revision) {
        return left->has_revision ? 1 : -1;
    }
    return walk(left->revision, right->revision);
}

void check_text(VersionScheme scheme, std::string_view text) {
    auto key = version_sort_key(scheme, text);
    auto read = parse_version(scheme, text);
    if (text.empty() || text.size() > kMaxVersion) {
        require(!key && !read, "bounded");
        return;
    }
    require(static_cast<bool>(key), "any text has a key");
    require(key->size() <= kMaxVersionKey && !key->empty(), "a bounded key");
    require(std::all_of(key->begin(), key->end(),
                        [](char c) { return c >= '!' && c <= '~'; }),
            "a printable key");
    require((key->front() == version::kEnd) == !read,
            "what is no version has a key of its own kind");
    if (!read) {
        require(read.error().code == Code::invalid_argument, "its error");
        return;
    }
    require(read->key == *key, "one key");
    // Three numbers may have to be written where one was read.
    if (read->text.size() <= kMaxVersion) {
        auto again = parse_version(scheme, read->text);
        require(again && again->text == read->text && again->key == read->key &&
                    again->prerelease == read->prerelease,
                "what is written is read as the same version");
    }
    if (scheme == VersionScheme::go) {
        require(!is_pseudo_version(text) || read->prerelease,
                "a pseudo-version is a prerelease");
    }
}

void check_pair(VersionScheme scheme, std::string_view a, std::string_view b) {
    auto left = version_sort_key(scheme, a);
    auto right = version_sort_key(scheme, b);
    if (!left || !right) {
        return;
    }
    require(*left == *right ||
                (!left->starts_with(*right) && !right->starts_with(*left)),
            "no key begins another");
    auto one = parse_version(scheme, a);
    auto other = parse_version(scheme, b);
    if (!one || !other) {
        require(one || other || sign(*left <=> *right) == sign(a <=> b),
                "what is no version is in the order of its bytes");
        require(!one || *left > *right, "and before all others");
        return;
    }
    int order = sign(compare(*one, *other));
    require(order == -sign(compare(*other, *one)), "antisymmetric");
    if (scheme == VersionScheme::semver || scheme == VersionScheme::npm ||
        scheme == VersionScheme::helm) {
        auto dialect = scheme == VersionScheme::semver ? SemverDialect::strict
                       : scheme == VersionScheme::npm  ? SemverDialect::npm
                                                       : SemverDialect::helm;
        require(order == walk_semver(*read_semver(a, dialect),
                                     *read_semver(b, dialect)),
                "the order of SemVer");
    } else if (scheme == VersionScheme::debian ||
               scheme == VersionScheme::rpm) {
        require(order == walk_parts(scheme, a, b), "the order of the parts");
    }
}

}  // namespace
}  // namespace longshore

// The scheme, then texts with line feeds between.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    auto input = fuzz::text(data, size);
    if (input.empty()) {
        return 0;
    }
    auto scheme = kSchemes[data[0] % std::size(kSchemes)];
    input.remove_prefix(1);
    std::vector<std::string_view> texts;
    while (texts.size() < kTexts) {
        auto end = std::min(input.find('\n'), input.size());
        texts.push_back(input.substr(0, end));
        input.remove_prefix(std::min(end + 1, input.size()));
    }
    for (auto text : texts) {
        check_text(scheme, text);
        for (auto other : texts) {
            check_pair(scheme, text, other);
        }
    }
    return 0;
}
