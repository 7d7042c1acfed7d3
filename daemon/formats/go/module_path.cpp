#include "formats/go/module_path.hpp"

#include <algorithm>
#include <array>

#include "formats/go/unicode.hpp"
#include "syntax/go_version.hpp"

namespace longshore::go {
namespace {

constexpr std::size_t kMaxPath = 1024;
constexpr std::string_view kGopkg = "gopkg.in/";
constexpr std::string_view kUnstable = "-unstable";
constexpr std::string_view kIncompatible = "+incompatible";

Error bad(std::string_view what, std::string_view text, std::string_view why) {
    return Error{Code::invalid_argument, std::string(what) + " \"" +
                                             std::string(text) +
                                             "\": " + std::string(why)};
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}
bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}

bool in_path(char c) noexcept {
    return is_digit(c) || is_lower(c) || is_upper(c) || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

bool in_file_name(char32_t c) noexcept {
    static constexpr std::string_view kAllowed = "!#$%&()+,-.=@[]^_{}~ ";
    if (c >= 0x80) {
        return is_letter(c);
    }
    auto ascii = static_cast<char>(c);
    return is_digit(ascii) || is_letter(c) ||
           kAllowed.find(ascii) != std::string_view::npos;
}

// Names that Windows has for its devices, with whatever behind a dot.
bool is_device(std::string_view name) {
    static constexpr std::array<std::string_view, 4> kPlain = {"con", "prn",
                                                               "aux", "nul"};
    std::string low;
    for (char c : name.substr(0, name.find('.'))) {
        low += is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    }
    bool numbered = low.size() == 4 &&
                    (low.starts_with("com") || low.starts_with("lpt")) &&
                    low[3] >= '1' && low[3] <= '9';
    return numbered ||
           std::find(kPlain.begin(), kPlain.end(), low) != kPlain.end();
}

// "PROGRA~1", a short name of Windows.
bool is_short_name(std::string_view name) {
    name = name.substr(0, name.find('.'));
    auto tilde = name.rfind('~');
    return tilde != name.npos && tilde + 1 < name.size() &&
           std::all_of(name.begin() + static_cast<std::ptrdiff_t>(tilde) + 1,
                       name.end(), is_digit);
}

enum class Use : bool { module, file };

// nullptr: nothing is wrong with it.
const char* fault_of_part(std::string_view part, Use use) {
    if (part.empty()) {
        return "empty path element";
    }
    if (part.find_first_not_of('.') == part.npos) {
        return "a path element of dots";
    }
    if (part.front() == '.' && use == Use::module) {
        return "leading dot in path element";
    }
    if (part.back() == '.') {
        return "trailing dot in path element";
    }
    for (auto rest = part; !rest.empty();) {
        auto c = take_character(rest);
        bool fits = c && (use == Use::file
                              ? in_file_name(*c)
                              : *c < 0x80 && in_path(static_cast<char>(*c)));
        if (!fits) {
            return "invalid character";
        }
    }
    if (is_device(part)) {
        return "disallowed path element";
    }
    if (use == Use::module && is_short_name(part)) {
        return "trailing tilde and digits in path element";
    }
    return nullptr;
}

const char* fault_of(std::string_view path, Use use) {
    if (path.empty()) {
        return "empty string";
    }
    if (path.front() == '-' && use == Use::module) {
        return "leading dash";
    }
    for (std::size_t at = 0; at <= path.size();) {
        auto end = std::min(path.find('/', at), path.size());
        if (const auto* fault = fault_of_part(path.substr(at, end - at), use)) {
            return fault;
        }
        at = end + 1;
    }
    return nullptr;
}

// Digits at the end, before which `mark` and a "v" stand: where "/v2" begins.
std::size_t major_at(std::string_view path, char mark, bool dots) {
    auto at = path.size();
    while (at > 0 &&
           (is_digit(path[at - 1]) || (dots && path[at - 1] == '.'))) {
        --at;
    }
    bool found = at > 1 && at < path.size() && path[at - 1] == 'v' &&
                 path[at - 2] == mark;
    return found ? at - 2 : path.npos;
}

// module.SplitPathVersion: the suffix ("/v2", ".v2", ""); an error for one
// that is never right.
Result<std::string_view> major_of(std::string_view path) {
    auto wrong = bad("module path", path, "invalid major version suffix");
    bool gopkg = path.starts_with(kGopkg);
    if (gopkg && path.ends_with(kUnstable)) {
        path.remove_suffix(kUnstable.size());
    }
    auto at = major_at(path, gopkg ? '.' : '/', !gopkg);
    if (at == path.npos) {
        return gopkg ? Result<std::string_view>(std::move(wrong))
                     : Result<std::string_view>(std::string_view());
    }
    auto major = path.substr(at);
    auto number = major.substr(2);
    bool fits = number.front() != '0' || (gopkg && number == "0");
    if (!gopkg) {
        fits = fits && number.find('.') == number.npos && number != "1";
    }
    return fits ? Result<std::string_view>(major)
                : Result<std::string_view>(std::move(wrong));
}

}  // namespace

Result<void> check_module_path(std::string_view path) {
    if (path.size() > kMaxPath) {
        return Error{Code::invalid_argument, "the module path is too long"};
    }
    if (const auto* fault = fault_of(path, Use::module)) {
        return bad("module path", path, fault);
    }
    auto first = path.substr(0, path.find('/'));
    if (first.find('.') == first.npos) {
        return bad("module path", path, "missing dot in first path element");
    }
    for (char c : first) {
        if (!is_digit(c) && !is_lower(c) && c != '-' && c != '.') {
            return bad("module path", path,
                       "invalid character in first path element");
        }
    }
    LS_TRY(major, major_of(path));
    static_cast<void>(major);
    return {};
}

Result<void> check_file_path(std::string_view path) {
    if (const auto* fault = fault_of(path, Use::file)) {
        return bad("file path", path, fault);
    }
    return {};
}

Result<void> check_major(std::string_view path, std::string_view version) {
    LS_TRY(major, major_of(path));
    auto number = version.substr(0, version.find('.'));
    bool below_two = number == "v0" || number == "v1";
    auto wrong = [&](const std::string& why) {
        return bad("version", version, why + " for " + std::string(path));
    };
    if (version.ends_with(kIncompatible)) {
        return major.empty() && !below_two
                   ? Result<void>()
                   : Result<void>(wrong("+incompatible is not allowed"));
    }
    // Pseudo-versions that an old go made for gopkg.in.
    if (version.starts_with("v0.0.0-") && major == ".v1") {
        return {};
    }
    bool fits = major.empty() ? below_two : number == major.substr(1);
    if (!fits) {
        return wrong("its major version should be " +
                     (major.empty() ? std::string("v0 or v1")
                                    : std::string(major.substr(1))));
    }
    return {};
}

Result<std::string> check_version(std::string_view version) {
    LS_TRY(read, parse_go_version(version));
    if (read.text != version) {
        return bad("version", version, "the canonical form is " + read.text);
    }
    return std::move(read.key);
}

std::string escape(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (is_upper(c)) {
            out += '!';
            out += static_cast<char>(c - 'A' + 'a');
        } else {
            out += c;
        }
    }
    return out;
}

Result<std::string> unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto c = text[i];
        if (c == '!' && i + 1 < text.size() && is_lower(text[i + 1])) {
            out += static_cast<char>(text[++i] - 'a' + 'A');
        } else if (c == '!' || is_upper(c)) {
            return bad("path", text, "upper-case letters are written !x");
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace longshore::go
