#include "syntax/control_file.hpp"

#include <algorithm>
#include <utility>

#include "common/text.hpp"

namespace longshore {
namespace {

Error broken(const char* why) {
    return {Code::invalid_argument, std::string("control file: ") + why};
}

bool is_blank(std::string_view text) noexcept {
    return text.find_first_not_of(" \t") == std::string_view::npos;
}

std::string_view without_end(std::string_view text) noexcept {
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// deb822(5): printable ASCII without the separator, no '#' or '-' before.
bool is_name(std::string_view name, char separator) noexcept {
    return !name.empty() && name.front() != '#' && name.front() != '-' &&
           std::all_of(name.begin(), name.end(), [&](char c) {
               return c > ' ' && c < 127 && c != separator;
           });
}

auto has_name(std::string_view name) {
    return [name](const ControlField& field) {
        return equal_ignoring_case(field.name, name);
    };
}

}  // namespace

std::optional<std::string_view> Stanza::find(std::string_view name) const {
    const auto found =
        std::find_if(fields_.begin(), fields_.end(), has_name(name));
    if (found == fields_.end()) {
        return std::nullopt;
    }
    return found->value;
}

std::string_view Stanza::get(std::string_view name) const {
    return find(name).value_or(std::string_view());
}

std::vector<std::string_view> Stanza::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& field : fields_) {
        if (has_name(name)(field)) {
            values.push_back(field.value);
        }
    }
    return values;
}

void Stanza::add(std::string_view name, std::string_view value) {
    fields_.push_back({std::string(name), std::string(value)});
}

void Stanza::set(std::string_view name, std::string_view value) {
    const auto found =
        std::find_if(fields_.begin(), fields_.end(), has_name(name));
    if (found == fields_.end()) {
        add(name, value);
        return;
    }
    found->value = value;
    fields_.erase(
        std::remove_if(found + 1, fields_.end(), has_name(found->name)),
        fields_.end());
}

void Stanza::remove(std::string_view name) {
    std::erase_if(fields_, has_name(name));
}

StanzaReader::StanzaReader(const ByteSource& source,
                           const ControlDialect& dialect,
                           const ControlLimits& limits)
    : window_(source, limits.window), dialect_(dialect), limits_(limits) {}

// The next line without its end; nullopt when there is none.
Result<std::optional<std::string_view>> StanzaReader::line() {
    std::size_t from = 0;
    for (;;) {
        const auto view = window_.view();
        const auto end = view.find('\n', from);
        const bool last = end == std::string_view::npos && window_.at_end();
        const auto size = std::min(end, view.size());
        if (size > limits_.stanza - bytes_) {
            return Error{Code::too_large,
                         "control file: a stanza longer than " +
                             std::to_string(limits_.stanza)};
        }
        if (last && view.empty()) {
            return std::optional<std::string_view>();
        }
        if (last || end != std::string_view::npos) {
            bytes_ += size;
            window_.skip(last ? size : size + 1);
            auto text = view.substr(0, size);
            if (!text.empty() && text.back() == '\r') {
                text.remove_suffix(1);
            }
            // Others take a lone CR for the end of a line.
            if (text.find_first_of(std::string_view("\r\0", 2)) !=
                std::string_view::npos) {
                return broken("CR or NUL within a line");
            }
            return std::optional(text);
        }
        from = view.size();
        LS_CHECK(window_.more());
    }
}

// False at the end of the stanza.
Result<bool> StanzaReader::take_line(std::string_view text, Stanza& stanza) {
    const bool indented =
        !text.empty() && (text.front() == ' ' || text.front() == '\t');
    if (is_blank(text) && !(indented && dialect_.blank_continues)) {
        if (!dialect_.continues) {
            return true;
        }
        return stanza.fields().empty() && open_.name.empty();
    }
    if (dialect_.comments && text.front() == '#') {
        return true;
    }
    if (indented && dialect_.continues) {
        LS_CHECK(go_on(text));
        return true;
    }
    finish(stanza);
    LS_CHECK(start(text, stanza));
    return true;
}

Result<void> StanzaReader::go_on(std::string_view text) {
    if (open_.name.empty()) {
        return broken("a line that goes on with nothing");
    }
    std::size_t mark = 1;
    if (dialect_.body) {
        // What setuptools wrote, and what the specification asks for.
        mark = std::min(
            {text.find_first_not_of(' '), std::size_t{8}, text.size()});
        if (mark == 7 && text.size() > 7 && text[7] == '|') {
            mark = 8;
        }
    }
    open_.value += '\n';
    open_.value += without_end(text.substr(mark));
    return {};
}

Result<void> StanzaReader::start(std::string_view text, const Stanza& stanza) {
    const auto end = text.find(dialect_.separator);
    if (end == std::string_view::npos) {
        return broken("a line that is no field");
    }
    auto name = text.substr(0, end);
    if (dialect_.separator == '=') {
        name = trimmed(name);
    }
    if (!is_name(name, dialect_.separator)) {
        return broken("a field with a name that is none");
    }
    if (name.size() > limits_.name ||
        stanza.fields().size() >= limits_.fields) {
        return Error{Code::too_large,
                     "control file: too many fields, or a name too long"};
    }
    open_.name = name;
    open_.value = trimmed(text.substr(end + 1));
    return {};
}

void StanzaReader::finish(Stanza& stanza) {
    if (!open_.name.empty()) {
        stanza.add(open_.name, to_utf8(open_.value));
        open_ = {};
    }
}

Result<void> StanzaReader::take_body(Stanza& stanza) {
    ended_ = true;
    const auto most = limits_.stanza - bytes_;
    LS_CHECK(window_.need(most + 1));
    const auto view = window_.view();
    if (view.size() > most) {
        return Error{Code::too_large, "control file: a body longer than " +
                                          std::to_string(most)};
    }
    stanza.set_body(to_utf8(view));
    return {};
}

Result<std::optional<Stanza>> StanzaReader::next() {
    Stanza stanza;
    bytes_ = 0;
    while (!ended_) {
        LS_TRY(text, line());
        if (!text) {
            ended_ = true;
            break;
        }
        LS_TRY(goes_on, take_line(*text, stanza));
        if (goes_on) {
            // What says nothing before a stanza is not part of it.
            if (stanza.fields().empty() && open_.name.empty()) {
                bytes_ = 0;
            }
            continue;
        }
        finish(stanza);
        if (dialect_.body) {
            LS_CHECK(take_body(stanza));
        }
        break;
    }
    finish(stanza);
    if (stanza.fields().empty()) {
        return std::optional<Stanza>();
    }
    if (!dialect_.repeats) {
        // Sorted, for a stanza may have many fields.
        std::vector<std::string> names;
        for (const auto& field : stanza.fields()) {
            auto& name = names.emplace_back(field.name);
            std::transform(name.begin(), name.end(), name.begin(), ascii_lower);
        }
        std::sort(names.begin(), names.end());
        if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
            return broken("the same field twice");
        }
    }
    return std::optional(std::move(stanza));
}

Result<Stanza> read_stanza(std::string_view text, const ControlDialect& dialect,
                           const ControlLimits& limits) {
    const MemorySource source(text);
    StanzaReader reader(source, dialect, limits);
    LS_TRY(stanza, reader.next());
    if (!stanza) {
        return broken("no field at all");
    }
    LS_TRY(another, reader.next());
    if (another) {
        return broken("more than one stanza");
    }
    return std::move(*stanza);
}

std::string write_stanza(const Stanza& stanza) {
    std::string out;
    for (const auto& field : stanza.fields()) {
        if (!is_name(field.name, ':')) {
            continue;
        }
        out += field.name;
        out += ':';
        bool first = true;
        for (std::string_view rest = field.value;;) {
            const auto end = rest.find('\n');
            std::string line(rest.substr(0, end));
            std::erase_if(line, [](char c) {
                return (c >= 0 && c < ' ' && c != '\t') || c == 127;
            });
            const auto kept = without_end(line);
            if (first) {
                out += kept.empty() ? "" : " ";
                out += trimmed(kept);
            } else {
                out += "\n ";
                out += kept.empty() ? "." : kept;
            }
            first = false;
            if (end == std::string_view::npos) {
                break;
            }
            rest.remove_prefix(end + 1);
        }
        out += '\n';
    }
    return out;
}

namespace {

constexpr std::string_view kBegin = "-----BEGIN PGP SIGNED MESSAGE-----";
constexpr std::string_view kSignature = "-----BEGIN PGP SIGNATURE-----";
constexpr std::string_view kEnd = "-----END PGP SIGNATURE-----";

// Takes a line without its end and white space there.
std::string_view take_line(std::string_view& rest) noexcept {
    const auto end = std::min(rest.find('\n'), rest.size());
    auto line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
    }
    return without_end(line);
}

}  // namespace

Result<ClearText> strip_clear_signature(std::string_view text) {
    ClearText out;
    if (text.substr(0, kBegin.size()) != kBegin) {
        // Somewhere else it would be a frame for some readers and none for
        // others.
        if (text.find(kBegin) != std::string_view::npos) {
            return broken("text before a signed one");
        }
        out.text = text;
        return out;
    }
    auto rest = text;
    if (take_line(rest) != kBegin) {
        return broken("a signed text's first line goes on");
    }
    // RFC 9580 knows no header but Hash.
    for (auto line = take_line(rest); !line.empty(); line = take_line(rest)) {
        if (line.substr(0, 6) != "Hash: ") {
            return broken("a header that does not belong there");
        }
    }
    for (;;) {
        if (rest.empty()) {
            return broken("a signed text without its signature");
        }
        const auto from = rest;
        auto line = take_line(rest);
        if (line == kSignature) {
            rest = from;
            break;
        }
        if (line.substr(0, 2) == "- ") {
            line.remove_prefix(2);
        } else if (line == "-") {
            line = {};
        } else if (!line.empty() && line.front() == '-') {
            return broken("a line with a dash that is not escaped");
        }
        out.text += line;
        out.text += '\n';
    }
    const auto end = rest.find(kEnd);
    if (end == std::string_view::npos || rest[end - 1] != '\n') {
        return broken("a signature without its end");
    }
    out.signature = std::string(rest.substr(0, end + kEnd.size())) + "\n";
    rest.remove_prefix(end + kEnd.size());
    if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos) {
        return broken("text after a signature");
    }
    return out;
}

}  // namespace longshore
