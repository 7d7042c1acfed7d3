#include "syntax/rpm_version.hpp"

#include "syntax/version_key.hpp"

namespace longshore {
namespace {

constexpr std::string_view kMaxEpoch = "4294967295";
constexpr std::string_view kCharacters = "._+~^";

// What may stand at a place, in this order; numbers are above all.
constexpr char kNoRelease = '"';
constexpr char kTilde = '#';
constexpr char kPartEnd = '$';
constexpr char kCaret = '%';
constexpr char kLetters = '&';

// Segments of letters or digits; what is between them has no part in it.
void append_part(std::string& key, std::string_view part) {
    while (!part.empty()) {
        if (version::is_digit(part.front())) {
            version::append_number(
                key, version::take_while(part, version::is_digit));
        } else if (version::is_letter(part.front())) {
            key += kLetters;
            version::append_bytes(
                key, version::take_while(part, version::is_letter));
        } else {
            if (part.front() == '~' || part.front() == '^') {
                key += part.front() == '~' ? kTilde : kCaret;
            }
            part.remove_prefix(1);
        }
    }
    key += kPartEnd;
}

}  // namespace

Result<Version> parse_rpm_version(std::string_view text) {
    LS_TRY(parts, version::split_parts(text, kMaxEpoch));
    if (!version::consists_of(parts.version, kCharacters) ||
        !version::consists_of(parts.revision, kCharacters)) {
        return version::refused(text, "has characters that none has");
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
