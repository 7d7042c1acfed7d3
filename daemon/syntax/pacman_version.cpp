#include "syntax/pacman_version.hpp"

#include <algorithm>

#include "syntax/version_key.hpp"

namespace longshore {
namespace {

// An epoch is a number of any size.
const std::string kMaxEpoch(kMaxVersion, '9');

// What may follow a segment, in this order. With separators between, their
// number counts first; letters are older than the end only without them.
constexpr char kNoRelease = '"';
constexpr char kLetters = '#';
constexpr char kPartEnd = '$';
constexpr char kNumber = '%';
constexpr char kSeparated = '&';

bool is_separator(char c) noexcept {
    return !version::is_alphanumeric(c);
}

void append_part(std::string& key, std::string_view part) {
    while (!part.empty()) {
        auto separators = version::take_while(part, is_separator).size();
        if (separators > 0) {
            key += kSeparated;
            version::append_length(key, part.empty() ? 1 : separators);
        }
        if (part.empty()) {
            break;
        }
        if (version::is_digit(part.front())) {
            key += kNumber;
            version::append_number(
                key, version::take_while(part, version::is_digit));
        } else {
            key += kLetters;
            version::append_bytes(
                key, version::take_while(part, version::is_letter));
        }
    }
    key += kPartEnd;
}

bool is_release(std::string_view text) {
    auto first = version::take_while(text, version::is_digit);
    if (first.empty() || text.empty()) {
        return !first.empty();
    }
    return version::take(text, ".") && !text.empty() &&
           version::take_while(text, version::is_digit).size() > 0 &&
           text.empty();
}

}  // namespace

Result<Version> parse_pacman_version(std::string_view text) {
    LS_TRY(parts, version::split_parts(text, kMaxEpoch));
    if (std::any_of(parts.version.begin(), parts.version.end(), [](char c) {
            return c <= ' ' || c > '~' || c == ':' || c == '/' || c == '-';
        })) {
        return version::refused(text, "has characters that none has");
    }
    if (parts.has_revision && !is_release(parts.revision)) {
        return version::refused(text, "has a release that is no number");
    }
    Version out;
    out.text = version::parts_text(parts);
    version::append_number(out.key, parts.epoch);
    append_part(out.key, parts.version);
    if (parts.has_revision) {
        append_part(out.key, parts.revision);
    } else {
        out.key += kNoRelease;
    }
    return out;
}

}  // namespace longshore
