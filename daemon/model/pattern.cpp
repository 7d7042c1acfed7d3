#include "model/pattern.hpp"

#include <algorithm>
#include <bitset>

#include "common/oci_path.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxPattern = 255;
constexpr std::size_t kMaxTagPattern = 128;

bool is_pattern_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/' || c == '*';
}

// Segments without a `*` must be what a name can have, or the pattern matches
// nothing and somebody relies on it.
bool has_good_segments(std::string_view text) {
    for (bool more = true; more;) {
        auto end = text.find('/');
        more = end != std::string_view::npos;
        auto segment = text.substr(0, end);
        if (segment.find('*') == std::string_view::npos &&
            !is_repository_name(segment)) {
            return false;
        }
        text.remove_prefix(more ? end + 1 : text.size());
    }
    return true;
}

bool is_tag_pattern_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == '*';
}

}  // namespace

// Pattern

Pattern::Pattern(std::string_view text)
    : text_(text), literal_(std::min(text.find('*'), text.size())) {}

Result<Pattern> Pattern::parse(std::string_view text) {
    bool good = !text.empty() && text.size() <= kMaxPattern &&
                std::all_of(text.begin(), text.end(), is_pattern_character) &&
                text.find("***") == std::string_view::npos &&
                has_good_segments(text);
    if (!good) {
        return Error{Code::invalid_argument,
                     "a pattern is a repository's name in which * stands for "
                     "text without \"/\" and ** for any text"};
    }
    return Pattern(text);
}

// Which beginnings of the name the pattern so far can have taken, as a set:
// each character of the pattern makes the next set, so no pattern takes long.
bool Pattern::matches(std::string_view name) const noexcept {
    if (name.size() > kMaxPattern || name.size() < literal_ ||
        name.substr(0, literal_) !=
            std::string_view(text_).substr(0, literal_)) {
        return false;
    }
    std::bitset<kMaxPattern + 1> taken;
    taken.set(literal_);
    for (std::size_t at = literal_; at < text_.size(); ++at) {
        std::bitset<kMaxPattern + 1> next;
        if (text_[at] != '*') {
            for (std::size_t i = 0; i < name.size(); ++i) {
                next[i + 1] = taken[i] && name[i] == text_[at];
            }
        } else {
            bool any = at + 1 < text_.size() && text_[at + 1] == '*';
            at += any ? 1 : 0;
            for (std::size_t i = 0; i <= name.size(); ++i) {
                bool onward =
                    i > 0 && next[i - 1] && (any || name[i - 1] != '/');
                next[i] = taken[i] || onward;
            }
        }
        taken = next;
    }
    return taken[name.size()];
}

// Only what stands before the first `*` is compared: enough for `**`, for
// "team/**" and "team/*", which is how people write them.
bool Pattern::includes(const Pattern& other) const noexcept {
    if (other.text_ == text_ || other.exact()) {
        return other.text_ == text_ || matches(other.text_);
    }
    auto stars = std::string_view(text_).substr(literal_);
    auto same = std::string_view(text_).substr(0, literal_);
    auto theirs = std::string_view(other.text_);
    if (exact() || other.literal_ < literal_ || !theirs.starts_with(same)) {
        return false;
    }
    theirs.remove_prefix(literal_);
    return stars == "**" ||
           (stars == "*" && theirs.find('/') == std::string_view::npos &&
            theirs.find("**") == std::string_view::npos);
}

// TagPattern

Result<TagPattern> TagPattern::parse(std::string_view text) {
    bool good =
        !text.empty() && text.size() <= kMaxTagPattern &&
        std::all_of(text.begin(), text.end(), is_tag_pattern_character) &&
        text.front() != '.' && text.front() != '-';
    if (!good) {
        return Error{Code::invalid_argument,
                     "\"" + std::string(text) +
                         "\" is no pattern of tags: a tag in which * stands "
                         "for any text"};
    }
    return TagPattern(text);
}

// Goes back to the last `*` alone: what an earlier one took does not matter.
bool TagPattern::matches(std::string_view tag) const noexcept {
    constexpr auto kNone = std::string_view::npos;
    std::string_view pattern(text_);
    std::size_t at = 0;
    std::size_t star = kNone;
    std::size_t taken = 0;
    for (std::size_t i = 0; i < tag.size();) {
        if (at < pattern.size() && pattern[at] == '*') {
            star = at++;
            taken = i;
        } else if (at < pattern.size() && pattern[at] == tag[i]) {
            ++at;
            ++i;
        } else if (star != kNone) {
            at = star + 1;
            i = ++taken;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', at) == kNone;
}

}  // namespace longshore
