#include "syntax/yaml.hpp"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <optional>

#include "common/text.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

// What a value costs beside its text.
constexpr std::size_t kValueCost = 64;

Error broken(const std::string& why) {
    return {Code::invalid_argument, "YAML: " + why};
}

bool is_one_of(std::string_view text,
               std::initializer_list<std::string_view> words) noexcept {
    return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<Json> integer(std::string_view digits, int base, bool negative) {
    std::uint64_t value = 0;
    const auto* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value, base);
    if (digits.empty() || stop != end || error != std::errc()) {
        return std::nullopt;
    }
    if (!negative) {
        return Json(value);
    }
    if (value > std::uint64_t{1} << 63) {
        return std::nullopt;
    }
    return Json(static_cast<std::int64_t>(std::uint64_t{0} - value));
}

// Digits with at most one dot among them, and an exponent.
bool is_decimal(std::string_view text) noexcept {
    const auto digits = [&] {
        const auto size =
            std::min(text.find_first_not_of("0123456789"), text.size());
        text.remove_prefix(size);
        return size;
    };
    auto count = digits();
    if (!text.empty() && text.front() == '.') {
        text.remove_prefix(1);
        count += digits();
    }
    if (count == 0) {
        return false;
    }
    if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
        text.remove_prefix(1);
        if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
            text.remove_prefix(1);
        }
        return digits() > 0 && text.empty();
    }
    return text.empty();
}

std::optional<Json> number(std::string_view text) {
    auto rest = text;
    const bool negative = !rest.empty() && rest.front() == '-';
    if (negative || (!rest.empty() && rest.front() == '+')) {
        rest.remove_prefix(1);
    } else if (rest.starts_with("0o")) {
        return integer(rest.substr(2), 8, false);
    } else if (rest.starts_with("0x")) {
        return integer(rest.substr(2), 16, false);
    }
    if (!is_decimal(rest)) {
        return std::nullopt;
    }
    if (auto whole = integer(rest, 10, negative)) {
        return whole;
    }
    double value = 0;
    const auto* end = rest.data() + rest.size();
    const auto [stop, error] = std::from_chars(rest.data(), end, value);
    // What no double holds stays the text that it is.
    if (stop != end || error != std::errc() || !std::isfinite(value)) {
        return std::nullopt;
    }
    return Json(negative ? -value : value);
}

// YAML 1.2 section 10.3.2.
Json plain(std::string_view text) {
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) {
        return nullptr;
    }
    if (is_one_of(text, {"true", "True", "TRUE"})) {
        return true;
    }
    if (is_one_of(text, {"false", "False", "FALSE"})) {
        return false;
    }
    if (auto value = number(text)) {
        return std::move(*value);
    }
    return std::string(text);
}

class Event {
public:
    Event() = default;
    ~Event() { yaml_event_delete(&event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    yaml_event_t* fresh() {
        yaml_event_delete(&event_);
        return &event_;
    }
    yaml_event_type_t type() const noexcept { return event_.type; }
    const yaml_event_t& get() const noexcept { return event_; }

private:
    yaml_event_t event_ = {};
};

std::string_view view_of(const yaml_char_t* text) noexcept {
    return text == nullptr
               ? std::string_view()
               : std::string_view(reinterpret_cast<const char*>(text));
}

class Reader {
public:
    Reader(std::string_view text, const YamlLimits& limits) : limits_(limits) {
        ready_ = yaml_parser_initialize(&parser_) == 1;
        if (ready_) {
            yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
            yaml_parser_set_input_string(
                &parser_, reinterpret_cast<const unsigned char*>(text.data()),
                text.size());
        }
    }
    ~Reader() {
        if (ready_) {
            yaml_parser_delete(&parser_);
        }
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    Result<std::vector<Json>> run() {
        if (!ready_) {
            return Error{Code::internal, "YAML: no memory for a parser"};
        }
        std::vector<Json> documents;
        for (;;) {
            LS_CHECK(next());
            switch (event_.type()) {
                case YAML_DOCUMENT_START_EVENT: {
                    if (documents.size() >= limits_.documents) {
                        return Error{Code::too_large,
                                     "YAML: too many documents"};
                    }
                    anchors_.clear();
                    LS_CHECK(next());
                    LS_TRY(document, value(0));
                    documents.push_back(std::move(document));
                    break;
                }
                case YAML_STREAM_END_EVENT:
                    return documents;
                default:
                    break;
            }
        }
    }

private:
    struct Anchor {
        Json value;
        std::size_t cost = 0;
    };

    Result<void> next() {
        if (yaml_parser_parse(&parser_, event_.fresh()) == 0) {
            return broken(
                std::string(parser_.problem != nullptr ? parser_.problem
                                                       : "not YAML") +
                " in line " + std::to_string(parser_.problem_mark.line + 1));
        }
        return {};
    }

    Result<void> spend(std::size_t cost) {
        if (cost > limits_.memory - spent_) {
            return Error{Code::too_large, "YAML: values of more than " +
                                              std::to_string(limits_.memory) +
                                              " bytes"};
        }
        spent_ += cost;
        return {};
    }

    // The value that the event at hand begins.
    Result<Json> value(std::size_t depth) {
        if (event_.type() == YAML_ALIAS_EVENT) {
            const auto name = view_of(event_.get().data.alias.anchor);
            const auto found = anchors_.find(name);
            if (found == anchors_.end()) {
                return broken("an alias of nothing that is complete");
            }
            LS_CHECK(spend(found->second.cost));
            return found->second.value;
        }
        const auto before = spent_;
        std::string anchor;
        LS_CHECK(spend(kValueCost));
        Json made;
        if (event_.type() == YAML_SCALAR_EVENT) {
            anchor = view_of(event_.get().data.scalar.anchor);
            LS_TRY(scalar_value, scalar());
            made = std::move(scalar_value);
        } else if (depth >= limits_.depth) {
            return Error{Code::too_large,
                         "YAML: deeper than " + std::to_string(limits_.depth)};
        } else if (event_.type() == YAML_SEQUENCE_START_EVENT) {
            anchor = view_of(event_.get().data.sequence_start.anchor);
            LS_TRY(list, sequence(depth));
            made = std::move(list);
        } else if (event_.type() == YAML_MAPPING_START_EVENT) {
            anchor = view_of(event_.get().data.mapping_start.anchor);
            LS_TRY(object, mapping(depth));
            made = std::move(object);
        } else {
            return broken("no value where one has to be");
        }
        if (!anchor.empty()) {
            const auto cost = spent_ - before;
            LS_CHECK(spend(cost));  // it is kept too
            anchors_.insert_or_assign(anchor, Anchor{made, cost});
        }
        return made;
    }

    Result<Json> scalar() {
        const auto& scalar = event_.get().data.scalar;
        const std::string_view text(reinterpret_cast<const char*>(scalar.value),
                                    scalar.length);
        LS_CHECK(spend(text.size()));
        const auto tag = view_of(scalar.tag);
        static constexpr std::string_view kSchema = "tag:yaml.org,2002:";
        if (!tag.starts_with(kSchema)) {
            const bool is_plain =
                tag.empty() && scalar.style == YAML_PLAIN_SCALAR_STYLE;
            return is_plain ? plain(text) : Json(std::string(text));
        }
        const auto wanted = tag.substr(kSchema.size());
        auto made = plain(text);
        const bool fits = wanted == "null"    ? made.is_null()
                          : wanted == "bool"  ? made.is_boolean()
                          : wanted == "int"   ? made.is_number_integer()
                          : wanted == "float" ? made.is_number()
                                              : false;
        if (fits) {
            return made;
        }
        if (is_one_of(wanted, {"null", "bool", "int", "float"})) {
            return broken("a scalar that is not of its tag's type");
        }
        return Json(std::string(text));
    }

    Result<Json> sequence(std::size_t depth) {
        Json list = Json::array();
        for (;;) {
            LS_CHECK(next());
            if (event_.type() == YAML_SEQUENCE_END_EVENT) {
                return list;
            }
            LS_TRY(member, value(depth + 1));
            list.push_back(std::move(member));
        }
    }

    Result<Json> mapping(std::size_t depth) {
        Json object = Json::object();
        for (;;) {
            LS_CHECK(next());
            if (event_.type() == YAML_MAPPING_END_EVENT) {
                return object;
            }
            LS_TRY(name, key());
            LS_CHECK(next());
            LS_TRY(member, value(depth + 1));
            if (!object.emplace(name, std::move(member)).second) {
                return broken("the same name twice in one mapping");
            }
        }
    }

    Result<std::string> key() {
        if (event_.type() == YAML_ALIAS_EVENT) {
            LS_TRY(aliased, value(0));
            if (!aliased.is_string()) {
                return broken("a name that is no text");
            }
            return aliased.get<std::string>();
        }
        if (event_.type() != YAML_SCALAR_EVENT) {
            return broken("a name that is a list or a mapping");
        }
        const auto& scalar = event_.get().data.scalar;
        std::string name(reinterpret_cast<const char*>(scalar.value),
                         scalar.length);
        LS_CHECK(spend(kValueCost + name.size()));
        if (name == "<<" && scalar.style == YAML_PLAIN_SCALAR_STYLE) {
            return Error{Code::unsupported, "YAML: a merge key"};
        }
        const auto anchor = view_of(scalar.anchor);
        if (!anchor.empty()) {
            LS_CHECK(spend(kValueCost + name.size()));
            anchors_.insert_or_assign(std::string(anchor),
                                      Anchor{name, kValueCost + name.size()});
        }
        return name;
    }

    const YamlLimits& limits_;
    yaml_parser_t parser_ = {};
    bool ready_ = false;
    Event event_;
    std::map<std::string, Anchor, std::less<>> anchors_;
    std::size_t spent_ = 0;
};

// Text that is the same for every reader without quotes.
bool is_plain_text(std::string_view text) {
    const auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    // Numbers and dates start with something else than a letter.
    if (text.empty() ||
        (!letter(text.front()) && text.front() != '/' && text.front() != '_')) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool inner = i + 1 < text.size() && text[i + 1] != ' ';
        const bool fine =
            letter(c) || (c >= '0' && c <= '9') ||
            std::string_view("_-./+@~()").find(c) != std::string_view::npos ||
            ((c == ':' || c == ' ') && inner);
        if (!fine) {
            return false;
        }
    }
    std::string word(text);
    std::transform(word.begin(), word.end(), word.begin(), ascii_lower);
    return !is_one_of(
        word, {"y", "n", "yes", "no", "on", "off", "true", "false", "null"});
}

char32_t code_point(std::string_view sequence) noexcept {
    const auto first = static_cast<unsigned char>(sequence[0]);
    static constexpr unsigned kBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    char32_t point = first & kBits[sequence.size()];
    for (const char c : sequence.substr(1)) {
        point = point << 6 | (static_cast<unsigned char>(c) & 0x3f);
    }
    return point;
}

// Printable, and no mark or line end that a reader might take for its own.
bool stays(char32_t point) noexcept {
    return (point >= 0x20 && point < 0x7f) ||
           (point >= 0xa0 && point < 0xfffe && point != 0x2028 &&
            point != 0x2029 && point != 0xfeff) ||
           point > 0xffff;
}

std::string in_quotes(std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out = "\"";
    while (!text.empty()) {
        const auto size = utf8_length(text);
        const char32_t point =
            size == 0 ? 0xfffd : code_point(text.substr(0, size));
        if (point == '"' || point == '\\') {
            out += '\\';
            out += text[0];
        } else if (point == '\n') {
            out += "\\n";
        } else if (stays(point)) {
            append_utf8(point, out);
        } else {
            out += "\\u";
            for (int shift = 12; shift >= 0; shift -= 4) {
                out += kHex[point >> shift & 15];
            }
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out + '"';
}

std::string text_of(const std::string& text) {
    return is_plain_text(text) ? text : in_quotes(text);
}

std::string scalar_text(const Json& value) {
    if (!value.is_string()) {
        return value.dump();  // "{}" and "[]" too
    }
    return text_of(value.get_ref<const std::string&>());
}

void write(const Json& value, std::size_t indent, std::string& out);

// What stands after "name:" or "-": on its line, or below it.
void write_member(const Json& value, std::size_t indent, bool in_list,
                  std::string& out) {
    if (!value.is_structured() || value.empty()) {
        out += ' ' + scalar_text(value) + '\n';
    } else if (in_list) {
        // The first line of it goes on after the dash.
        std::string below;
        write(value, indent, below);
        out += ' ' + below.substr(indent);
    } else {
        out += '\n';
        write(value, indent, out);
    }
}

void write(const Json& value, std::size_t indent, std::string& out) {
    if (value.is_object()) {
        for (const auto& [name, member] : value.items()) {
            out.append(indent, ' ');
            out += text_of(name);
            out += ':';
            write_member(member, indent + 2, false, out);
        }
        return;
    }
    for (const auto& member : value) {
        out.append(indent, ' ');
        out += '-';
        write_member(member, indent + 2, true, out);
    }
}

}  // namespace

Result<std::vector<Json>> read_yaml_documents(std::string_view text,
                                              const YamlLimits& limits) {
    if (text.size() > limits.bytes) {
        return Error{Code::too_large,
                     "YAML: longer than " + std::to_string(limits.bytes)};
    }
    return Reader(text, limits).run();
}

Result<Json> read_yaml(std::string_view text, const YamlLimits& limits) {
    LS_TRY(documents, read_yaml_documents(text, limits));
    if (documents.size() > 1) {
        return broken("more than one document");
    }
    return documents.empty() ? Json() : std::move(documents.front());
}

std::string write_yaml(const Json& value) {
    if (!value.is_structured() || value.empty()) {
        return scalar_text(value) + "\n";
    }
    std::string out;
    write(value, 0, out);
    return out;
}

}  // namespace longshore
