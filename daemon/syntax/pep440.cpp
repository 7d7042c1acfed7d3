#include "syntax/pep440.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "syntax/version_key.hpp"

namespace longshore {
namespace {

using version::append_number;
using version::is_digit;
using version::number;
using version::refused;
using version::take;
using version::take_while;

constexpr std::string_view kSpaces = " \t\r\n\f\v";
constexpr std::string_view kSeparators = "-_.";

// Marks in a key. After the numbers of a release comes its end; then the
// pre-release, post-release, development release and local segments.
constexpr char kReleaseEnd = '$';
constexpr char kBefore = '#';  // below every segment that is there
constexpr char kAfter = '~';   // above every one
constexpr char kLocalText = '%';
constexpr char kLocalEnd = '$';

// Views are into the text in lower case, without its spaces.
struct Pep440 {
    std::string_view epoch = "0";
    std::vector<std::string_view> release;
    std::string_view pre;  // "a", "b", "rc" or none
    std::string_view pre_number;
    bool is_post = false;
    std::string_view post_number;
    bool is_dev = false;
    std::string_view dev_number;
    std::vector<std::string_view> local;
};

struct Spelling {
    std::string_view text;
    std::string_view means;
};
// None behind one that it begins with.
constexpr std::array<Spelling, 8> kPre = {{{"alpha", "a"},
                                           {"a", "a"},
                                           {"beta", "b"},
                                           {"b", "b"},
                                           {"preview", "rc"},
                                           {"pre", "rc"},
                                           {"c", "rc"},
                                           {"rc", "rc"}}};
constexpr std::array<Spelling, 3> kPost = {
    {{"post", "post"}, {"rev", "post"}, {"r", "post"}}};
constexpr std::array<Spelling, 1> kDev = {{{"dev", "dev"}}};

void take_separator(std::string_view& rest) {
    if (!rest.empty() && kSeparators.find(rest.front()) != rest.npos) {
        rest.remove_prefix(1);
    }
}

// [separator] word [separator] [number], the number "0" if it is not there;
// what the word means, or "" and nothing is taken.
template <std::size_t N>
std::string_view take_segment(std::string_view& rest,
                              const std::array<Spelling, N>& spellings,
                              std::string_view& segment_number) {
    auto after = rest;
    take_separator(after);
    for (const auto& spelling : spellings) {
        if (take(after, spelling.text)) {
            take_separator(after);
            segment_number = number(take_while(after, is_digit));
            rest = after;
            return spelling.means;
        }
    }
    return {};
}

// "-1" is a post-release too.
void take_post(std::string_view& rest, Pep440& out) {
    auto after = rest;
    if (take(after, "-")) {
        if (auto digits = take_while(after, is_digit); !digits.empty()) {
            out.is_post = true;
            out.post_number = number(digits);
            rest = after;
            return;
        }
    }
    out.is_post = !take_segment(rest, kPost, out.post_number).empty();
}

// [EPOCH!] and numbers with dots between.
Result<void> take_release(std::string_view text, std::string_view& rest,
                          Pep440& out) {
    auto after = rest;
    if (auto digits = take_while(after, is_digit);
        !digits.empty() && take(after, "!")) {
        out.epoch = number(digits);
        rest = after;
    }
    while (true) {
        auto digits = take_while(rest, is_digit);
        if (digits.empty()) {
            return refused(text, "has no release number");
        }
        out.release.push_back(number(digits));
        // A dot may also be the separator of what follows the release.
        if (rest.size() < 2 || rest[0] != '.' || !is_digit(rest[1])) {
            return {};
        }
        rest.remove_prefix(1);
    }
}

Result<void> take_local(std::string_view text, std::string_view& rest,
                        Pep440& out) {
    if (!take(rest, "+")) {
        return {};
    }
    while (true) {
        auto segment = take_while(rest, version::is_alphanumeric);
        if (segment.empty()) {
            return refused(text, "has an empty local segment");
        }
        out.local.push_back(segment);
        if (rest.empty() || kSeparators.find(rest.front()) == rest.npos) {
            return {};
        }
        rest.remove_prefix(1);
    }
}

bool is_number(std::string_view segment) {
    return segment.find_first_not_of("0123456789") == segment.npos;
}

std::string text_of(const Pep440& version) {
    std::string out;
    if (version.epoch != "0") {
        out.append(version.epoch).append("!");
    }
    for (std::size_t i = 0; i < version.release.size(); ++i) {
        out.append(i == 0 ? "" : ".").append(version.release[i]);
    }
    out.append(version.pre).append(version.pre_number);
    if (version.is_post) {
        out.append(".post").append(version.post_number);
    }
    if (version.is_dev) {
        out.append(".dev").append(version.dev_number);
    }
    std::string_view between = "+";
    for (auto segment : version.local) {
        out.append(between);
        out.append(is_number(segment) ? number(segment) : segment);
        between = ".";
    }
    return out;
}

void append_local(std::string& key, const Pep440& version) {
    if (version.local.empty()) {
        key += kBefore;
        return;
    }
    for (auto segment : version.local) {
        if (is_number(segment)) {
            append_number(key, segment);
        } else {
            key += kLocalText;
            version::append_bytes(key, segment);
        }
    }
    key += kLocalEnd;
}

std::string key_of(const Pep440& version) {
    std::string key;
    append_number(key, version.epoch);
    auto count = version.release.size();
    while (count > 0 && version.release[count - 1] == "0") {
        --count;
    }
    for (std::size_t i = 0; i < count; ++i) {
        append_number(key, version.release[i]);
    }
    key += kReleaseEnd;
    if (!version.pre.empty()) {
        key += version.pre.front();
        append_number(key, version.pre_number);
    } else {
        // 1.0.dev1 is before 1.0a1, 1.0.post1.dev1 is after 1.0.
        key += version.is_dev && !version.is_post ? kBefore : kAfter;
    }
    if (version.is_post) {
        append_number(key, version.post_number);
    } else {
        key += kBefore;
    }
    if (version.is_dev) {
        append_number(key, version.dev_number);
    } else {
        key += kAfter;
    }
    append_local(key, version);
    return key;
}

}  // namespace

Result<Version> parse_pep440(std::string_view text) {
    auto spelled = version::lower(text);
    std::string_view rest = spelled;
    rest.remove_prefix(std::min(rest.find_first_not_of(kSpaces), rest.size()));
    rest = rest.substr(0, rest.find_last_not_of(kSpaces) + 1);
    Pep440 read;
    take(rest, "v");
    LS_CHECK(take_release(text, rest, read));
    read.pre = take_segment(rest, kPre, read.pre_number);
    take_post(rest, read);
    read.is_dev = !take_segment(rest, kDev, read.dev_number).empty();
    LS_CHECK(take_local(text, rest, read));
    if (!rest.empty()) {
        return refused(text, "has something after its end");
    }
    Version out;
    out.text = text_of(read);
    out.key = key_of(read);
    out.prerelease = !read.pre.empty() || read.is_dev;
    return out;
}

}  // namespace longshore
