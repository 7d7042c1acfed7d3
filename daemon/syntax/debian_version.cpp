#include "syntax/debian_version.hpp"

#include "syntax/version_key.hpp"

namespace longshore {
namespace {

constexpr std::string_view kMaxEpoch = "2147483647";

// Where characters that are no digits sort, and their end: '~' first, then
// the end, letters, the others in the order of their bytes.
constexpr char kTilde = '#';
constexpr char kPartEnd = '$';

char sorted(char c) noexcept {
    switch (c) {
        case '~':
            return kTilde;
        case '+':
            return '{';
        case '-':
            return '|';
        case '.':
            return '}';
        case ':':
            return '~';
        default:
            return c;  // a letter
    }
}

// Characters and number by turns, both of which may be empty; an end where
// more could begin.
void append_part(std::string& key, std::string_view part) {
    do {
        while (!part.empty() && !version::is_digit(part.front())) {
            key += sorted(part.front());
            part.remove_prefix(1);
        }
        key += kPartEnd;
        version::append_number(key,
                               version::take_while(part, version::is_digit));
    } while (!part.empty());
    key += kPartEnd;
}

}  // namespace

Result<Version> parse_debian_version(std::string_view text) {
    LS_TRY(parts, version::split_parts(text, kMaxEpoch));
    if (!version::is_digit(parts.version.front())) {
        return version::refused(text, "does not begin with a digit");
    }
    // A colon may stand in what has an epoch, else it would end one.
    if (!version::consists_of(parts.version, ".+-~:") ||
        !version::consists_of(parts.revision, ".+~")) {
        return version::refused(text, "has characters that none has");
    }
    Version out;
    out.text = version::parts_text(parts);
    version::append_number(out.key, parts.epoch);
    append_part(out.key, parts.version);
    append_part(out.key, parts.revision);
    return out;
}

}  // namespace longshore
