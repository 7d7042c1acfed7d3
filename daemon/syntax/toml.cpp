#include "syntax/toml.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/encoding.hpp"
#include "common/text.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

// How a value came to be says what may still be added to it.
enum class Kind {
    value,         // a scalar
    list,          // [1, 2]
    inline_table,  // {a = 1}
    implied,       // a of [a.b]
    header,        // [a]
    dotted,        // a of a.b = 1
    tables,        // [[a]]
};

struct Node {
    Kind kind = Kind::value;
    Json scalar;
    std::map<std::string, Node, std::less<>> members;
    std::vector<Node> elements;
};

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_bare(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           c == '_' || c == '-';
}

// Digits without the underscores between them; nullopt if one stands
// elsewhere, or nothing else does.
std::optional<std::string> digits_of(std::string_view text,
                                     bool (*fits)(char)) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (fits(text[i])) {
            out += text[i];
        } else if (text[i] != '_' || i == 0 || text[i - 1] == '_' ||
                   i + 1 == text.size()) {
            return std::nullopt;
        }
    }
    return out.empty() ? std::nullopt : std::optional(out);
}

bool decimal(char c) {
    return is_digit(c);
}
bool hexadecimal(char c) {
    return hex_value(c) >= 0;
}
bool octal(char c) {
    return c >= '0' && c < '8';
}
bool binary(char c) {
    return c == '0' || c == '1';
}

std::optional<Json> integer(const std::string& digits, int base) {
    std::int64_t value = 0;
    const auto* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value, base);
    if (stop != end || error != std::errc()) {
        return std::nullopt;
    }
    return Json(value);
}

std::optional<Json> real(std::string_view text, std::string_view sign) {
    // whole [. fraction] [e exponent]
    const auto e = std::min(text.find_first_of("eE"), text.size());
    const auto mantissa = text.substr(0, e);
    const auto dot = std::min(mantissa.find('.'), mantissa.size());
    const auto whole = digits_of(mantissa.substr(0, dot), decimal);
    if (!whole || (whole->size() > 1 && whole->front() == '0')) {
        return std::nullopt;
    }
    std::string number = (sign == "-" ? "-" : "") + *whole;
    if (dot < mantissa.size()) {
        const auto fraction = digits_of(mantissa.substr(dot + 1), decimal);
        if (!fraction) {
            return std::nullopt;
        }
        number += "." + *fraction;
    }
    if (e < text.size()) {
        auto rest = text.substr(e + 1);
        const bool minus = rest.starts_with('-');
        if (minus || rest.starts_with('+')) {
            rest.remove_prefix(1);
        }
        const auto exponent = digits_of(rest, decimal);
        if (!exponent) {
            return std::nullopt;
        }
        number += (minus ? "e-" : "e") + *exponent;
    }
    double value = 0;
    const auto* end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, value);
    if (stop != end || error != std::errc() || !std::isfinite(value)) {
        return std::nullopt;
    }
    return Json(value);
}

std::optional<Json> number(std::string_view text) {
    std::string_view sign;
    auto rest = text;
    if (rest.starts_with('+') || rest.starts_with('-')) {
        sign = rest.substr(0, 1);
        rest.remove_prefix(1);
    }
    if (rest == "inf" || rest == "nan") {
        return Json(std::string(sign == "-" ? "-" : "") + std::string(rest));
    }
    const auto based = [&](bool (*fits)(char),
                           int base) -> std::optional<Json> {
        const auto digits = digits_of(rest.substr(2), fits);
        return digits && sign.empty() ? integer(*digits, base) : std::nullopt;
    };
    if (rest.starts_with("0x")) {
        return based(hexadecimal, 16);
    }
    if (rest.starts_with("0o")) {
        return based(octal, 8);
    }
    if (rest.starts_with("0b")) {
        return based(binary, 2);
    }
    if (rest.find_first_of(".eE") != std::string_view::npos) {
        return real(rest, sign);
    }
    const auto digits = digits_of(rest, decimal);
    if (!digits || (digits->size() > 1 && digits->front() == '0')) {
        return std::nullopt;
    }
    return integer((sign == "-" ? "-" : "") + *digits, 10);
}

// Takes two or four digits that are a number from `low` to `high`.
bool take_number(std::string_view& text, std::size_t width, int low, int high,
                 int* into = nullptr) noexcept {
    if (text.size() < width ||
        !std::all_of(text.begin(), text.begin() + static_cast<int>(width),
                     is_digit)) {
        return false;
    }
    int value = 0;
    for (const char c : text.substr(0, width)) {
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(width);
    if (into != nullptr) {
        *into = value;
    }
    return value >= low && value <= high;
}

bool take(std::string_view& text, char c) noexcept {
    if (!text.starts_with(c)) {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

bool take_date(std::string_view& text) noexcept {
    int year = 0;
    int month = 0;
    int day = 0;
    if (!take_number(text, 4, 0, 9999, &year) || !take(text, '-') ||
        !take_number(text, 2, 1, 12, &month) || !take(text, '-') ||
        !take_number(text, 2, 1, 31, &day)) {
        return false;
    }
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int most = month == 2 ? (leap ? 29 : 28)
                     : month == 4 || month == 6 || month == 9 || month == 11
                         ? 30
                         : 31;
    return day <= most;
}

bool take_time(std::string_view& text) noexcept {
    if (!take_number(text, 2, 0, 23) || !take(text, ':') ||
        !take_number(text, 2, 0, 59) || !take(text, ':') ||
        !take_number(text, 2, 0, 60)) {
        return false;
    }
    if (!take(text, '.')) {
        return true;
    }
    const auto size =
        std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(size);
    return size > 0;
}

// RFC 3339 with or without its date, time and offset.
std::optional<Json> date_or_time(std::string_view text) {
    std::string normal(text);
    auto rest = text;
    if (rest.size() > 2 && rest[2] == ':') {
        return take_time(rest) && rest.empty() ? std::optional<Json>(normal)
                                               : std::nullopt;
    }
    if (!take_date(rest)) {
        return std::nullopt;
    }
    if (rest.empty()) {
        return Json(normal);
    }
    if (!take(rest, 'T') && !take(rest, 't') && !take(rest, ' ')) {
        return std::nullopt;
    }
    normal[10] = 'T';
    if (!take_time(rest)) {
        return std::nullopt;
    }
    if (take(rest, 'Z') || take(rest, 'z')) {
        normal.back() = 'Z';
    } else if (take(rest, '+') || take(rest, '-')) {
        if (!take_number(rest, 2, 0, 23) || !take(rest, ':') ||
            !take_number(rest, 2, 0, 59)) {
            return std::nullopt;
        }
    }
    return rest.empty() ? std::optional<Json>(normal) : std::nullopt;
}

// Recursive descent, as deep as the limit says.
class Reader {
public:
    Reader(std::string text, const TomlLimits& limits)
        : text_(std::move(text)), rest_(text_), limits_(limits) {}

    Result<Json> run() {
        root_.kind = Kind::header;
        table_ = &root_;
        for (;;) {
            skip_space(true);
            if (rest_.empty()) {
                return to_json(root_, 0);
            }
            if (rest_.starts_with('[')) {
                LS_CHECK(header());
            } else {
                LS_CHECK(pair(*table_, 0));
            }
            skip_space(false);
            if (!rest_.empty() && rest_.front() != '\n') {
                return broken("more on a line than belongs there");
            }
        }
    }

private:
    using Key = std::vector<std::string>;

    Error broken(const char* why) const {
        const auto read = text_.size() - rest_.size();
        const auto line =
            std::count(text_.begin(),
                       text_.begin() + static_cast<std::ptrdiff_t>(read), '\n');
        return {Code::invalid_argument, std::string("TOML: ") + why +
                                            " in line " +
                                            std::to_string(line + 1)};
    }
    Error too_deep() const {
        return {Code::too_large,
                "TOML: deeper than " + std::to_string(limits_.depth)};
    }

    // Spaces, tabs and comments; line ends too where they may be.
    void skip_space(bool lines) noexcept {
        const auto* space = lines ? " \t\n" : " \t";
        for (;;) {
            rest_.remove_prefix(
                std::min(rest_.find_first_not_of(space), rest_.size()));
            if (!rest_.starts_with('#')) {
                return;
            }
            rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
        }
    }
    void skip_blanks() noexcept {
        rest_.remove_prefix(
            std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    }

    Result<Key> key();
    Result<void> header();
    Result<void> pair(Node& table, std::size_t depth);
    Result<Node> value(std::size_t depth);
    Result<Node> list(std::size_t depth);
    Result<Node> inline_table(std::size_t depth);
    Result<Node> word();
    Result<std::string> text();
    Result<std::string> long_text(char quote);
    Result<void> escape(std::string& out, bool may_fold);
    Result<Json> to_json(Node& node, std::size_t depth) const;

    std::string text_;
    std::string_view rest_;
    const TomlLimits& limits_;
    Node root_;
    Node* table_ = nullptr;
};

Result<Reader::Key> Reader::key() {
    Key parts;
    for (;;) {
        skip_blanks();
        if (parts.size() >= limits_.parts) {
            return Error{Code::too_large, "TOML: a key of more parts than " +
                                              std::to_string(limits_.parts)};
        }
        if (rest_.starts_with('"') || rest_.starts_with('\'')) {
            if (rest_.starts_with("\"\"\"") || rest_.starts_with("'''")) {
                return broken("a key of several lines");
            }
            LS_TRY(part, text());
            parts.push_back(std::move(part));
        } else {
            const auto end =
                std::find_if_not(rest_.begin(), rest_.end(), is_bare);
            const auto size = static_cast<std::size_t>(end - rest_.begin());
            if (size == 0) {
                return broken("no key where one has to be");
            }
            parts.emplace_back(rest_.substr(0, size));
            rest_.remove_prefix(size);
        }
        skip_blanks();
        if (!take(rest_, '.')) {
            return parts;
        }
    }
}

// [a.b] and [[a.b]]
Result<void> Reader::header() {
    rest_.remove_prefix(1);
    const bool listed = take(rest_, '[');
    LS_TRY(parts, key());
    if (!take(rest_, ']') || (listed && !take(rest_, ']'))) {
        return broken("a table's name without its end");
    }
    Node* at = &root_;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const bool last = i + 1 == parts.size();
        auto [found, added] = at->members.try_emplace(parts[i]);
        Node& node = found->second;
        if (added) {
            node.kind = !last    ? Kind::implied
                        : listed ? Kind::tables
                                 : Kind::header;
        } else if (last && !listed && node.kind == Kind::implied) {
            node.kind = Kind::header;
        } else if (last && (!listed || node.kind != Kind::tables)) {
            return broken("a table that there is already");
        }
        if (node.kind == Kind::tables) {
            if (last) {
                node.elements.emplace_back().kind = Kind::header;
            }
            at = &node.elements.back();
        } else if (node.kind == Kind::implied || node.kind == Kind::header ||
                   node.kind == Kind::dotted) {
            at = &node;
        } else {
            return broken("a table in what is none");
        }
    }
    table_ = at;
    return {};
}

// key = value
Result<void> Reader::pair(Node& table, std::size_t depth) {
    LS_TRY(parts, key());
    if (!take(rest_, '=')) {
        return broken("a key without its value");
    }
    Node* at = &table;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        auto [found, added] = at->members.try_emplace(parts[i]);
        if (added) {
            found->second.kind = Kind::dotted;
        } else if (found->second.kind != Kind::dotted) {
            return broken("a key in what is complete");
        }
        at = &found->second;
    }
    if (at->members.find(parts.back()) != at->members.end()) {
        return broken("the same key twice");
    }
    skip_blanks();
    LS_TRY(made, value(depth + 1));
    at->members.emplace(std::move(parts.back()), std::move(made));
    return {};
}

Result<Node> Reader::value(std::size_t depth) {
    if (rest_.starts_with('[') || rest_.starts_with('{')) {
        if (depth >= limits_.depth) {
            return too_deep();
        }
        return rest_.front() == '[' ? list(depth) : inline_table(depth);
    }
    if (!rest_.starts_with('"') && !rest_.starts_with('\'')) {
        return word();
    }
    const char quote = rest_.front();
    const bool is_long =
        rest_.starts_with("\"\"\"") || rest_.starts_with("'''");
    LS_TRY(string, is_long ? long_text(quote) : text());
    return Node{Kind::value, Json(std::move(string)), {}, {}};
}

Result<Node> Reader::list(std::size_t depth) {
    Node made{Kind::list, {}, {}, {}};
    rest_.remove_prefix(1);
    for (;;) {
        skip_space(true);
        if (take(rest_, ']')) {
            return made;
        }
        LS_TRY(element, value(depth + 1));
        made.elements.push_back(std::move(element));
        skip_space(true);
        if (!take(rest_, ',') && !rest_.starts_with(']')) {
            return broken("a list without its end");
        }
    }
}

Result<Node> Reader::inline_table(std::size_t depth) {
    Node made{Kind::inline_table, {}, {}, {}};
    rest_.remove_prefix(1);
    skip_blanks();
    if (take(rest_, '}')) {
        return made;
    }
    for (;;) {
        LS_CHECK(pair(made, depth));
        skip_blanks();
        if (take(rest_, '}')) {
            return made;
        }
        if (!take(rest_, ',')) {
            return broken("a table without its end");
        }
    }
}

// What has no quotes: a flag, a number, a date.
Result<Node> Reader::word() {
    const auto length = [&] {
        return std::min(rest_.find_first_of(" \t\n,]}#"), rest_.size());
    };
    auto size = length();
    auto word = rest_.substr(0, size);
    // A date and its time may have a space between them.
    if (size == 10 && word[4] == '-' && rest_.size() > 11 && rest_[10] == ' ' &&
        is_digit(rest_[11])) {
        const auto time = rest_.substr(11);
        size = 11 + std::min(time.find_first_of(" \t\n,]}#"), time.size());
        word = rest_.substr(0, size);
    }
    std::optional<Json> made;
    if (word == "true" || word == "false") {
        made = Json(word == "true");
    } else if (auto date = date_or_time(word)) {
        made = std::move(date);
    } else {
        made = number(word);
    }
    if (!made) {
        return broken("no value where one has to be");
    }
    rest_.remove_prefix(size);
    return Node{Kind::value, std::move(*made), {}, {}};
}

// On one line, in either kind of quotes.
Result<std::string> Reader::text() {
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    std::string out;
    for (;;) {
        if (rest_.empty() || rest_.front() == '\n') {
            return broken("a string without its end");
        }
        if (take(rest_, quote)) {
            return out;
        }
        if (quote == '"' && rest_.front() == '\\') {
            LS_CHECK(escape(out, false));
            continue;
        }
        out += rest_.front();
        rest_.remove_prefix(1);
    }
}

Result<std::string> Reader::long_text(char quote) {
    rest_.remove_prefix(3);
    take(rest_, '\n');
    const std::string end(3, quote);
    std::string out;
    while (!rest_.empty()) {
        if (rest_.starts_with(end)) {
            rest_.remove_prefix(3);
            // Two quotes more may be the string's own last ones.
            for (int i = 0; i < 2 && take(rest_, quote); ++i) {
                out += quote;
            }
            return out;
        }
        if (quote == '"' && rest_.front() == '\\') {
            LS_CHECK(escape(out, true));
            continue;
        }
        out += rest_.front();
        rest_.remove_prefix(1);
    }
    return broken("a string without its end");
}

Result<void> Reader::escape(std::string& out, bool may_fold) {
    static constexpr std::string_view kNames = "btnfr\"\\";
    static constexpr std::string_view kMeant = "\b\t\n\f\r\"\\";
    rest_.remove_prefix(1);
    const char name = rest_.empty() ? '\0' : rest_.front();
    const auto which = kNames.find(name);
    if (which != std::string_view::npos) {
        out += kMeant[which];
        rest_.remove_prefix(1);
        return {};
    }
    if (name == 'u' || name == 'U') {
        const std::size_t size = name == 'u' ? 4 : 8;
        const auto digits = rest_.substr(1, size);
        char32_t point = 0;
        for (const char c : digits) {
            if (hex_value(c) < 0) {
                return broken("an escape that there is not");
            }
            point = point << 4 | static_cast<char32_t>(hex_value(c));
        }
        if (digits.size() < size || point > 0x10ffff ||
            (point >= 0xd800 && point < 0xe000)) {
            return broken("an escape that there is not");
        }
        append_utf8(point, out);
        rest_.remove_prefix(1 + size);
        return {};
    }
    // At the end of a line: up to the next text, nothing.
    const auto next = rest_.find_first_not_of(" \t");
    if (!may_fold || next == std::string_view::npos || rest_[next] != '\n') {
        return broken("an escape that there is not");
    }
    rest_.remove_prefix(
        std::min(rest_.find_first_not_of(" \t\n"), rest_.size()));
    return {};
}

Result<Json> Reader::to_json(Node& node, std::size_t depth) const {
    if (node.kind == Kind::value) {
        return std::move(node.scalar);
    }
    if (depth >= limits_.depth) {
        return too_deep();
    }
    if (node.kind == Kind::list || node.kind == Kind::tables) {
        Json list = Json::array();
        for (auto& element : node.elements) {
            LS_TRY(value, to_json(element, depth + 1));
            list.push_back(std::move(value));
        }
        return list;
    }
    Json object = Json::object();
    for (auto& [name, member] : node.members) {
        LS_TRY(value, to_json(member, depth + 1));
        object.emplace(name, std::move(value));
    }
    return object;
}

}  // namespace

Result<Json> read_toml(std::string_view text, const TomlLimits& limits) {
    if (text.size() > limits.bytes) {
        return Error{Code::too_large,
                     "TOML: longer than " + std::to_string(limits.bytes)};
    }
    std::string lines;
    lines.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool line_end = c == '\r' && text.substr(i + 1).starts_with('\n');
        if ((c >= 0 && c < ' ' && c != '\t' && c != '\n' && !line_end) ||
            c == 127) {
            return Error{Code::invalid_argument, "TOML: a control character"};
        }
        if (!line_end) {
            lines += c;
        }
    }
    if (!is_utf8(lines)) {
        return Error{Code::invalid_argument, "TOML: not UTF-8"};
    }
    return Reader(std::move(lines), limits).run();
}

}  // namespace longshore
