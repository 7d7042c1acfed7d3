#include "syntax/xml.hpp"

#include <algorithm>

#include <pugixml.hpp>

#include "common/encoding.hpp"
#include "common/text.hpp"

namespace longshore {
namespace {

constexpr std::size_t kBuffer = 32 * 1024;

Error broken(const std::string& why) {
    return {Code::invalid_argument, "XML: " + why};
}

Error too_large(const char* what, std::size_t limit) {
    return {Code::too_large,
            std::string("XML: ") + what + " than " + std::to_string(limit)};
}

// XML 1.0 section 2.2, of what is in ASCII.
bool is_allowed(char c) noexcept {
    return c < 0 || c >= ' ' || c == '\t' || c == '\n' || c == '\r';
}

// No reference to a character that may not be there, which each reader
// takes in its own way.
bool has_good_references(std::string_view text) noexcept {
    for (std::size_t at = 0;
         (at = text.find("&#", at)) != std::string_view::npos;) {
        at += 2;
        const bool hex = at < text.size() && text[at] == 'x';
        at += hex ? 1 : 0;
        std::uint32_t value = 0;
        const auto from = at;
        for (; at < text.size() && at - from < 8; ++at) {
            const int digit = hex_value(text[at]);
            if (digit < 0 || (!hex && digit > 9)) {
                break;
            }
            value = value * (hex ? 16 : 10) + static_cast<std::uint32_t>(digit);
        }
        const bool fine = value == 9 || value == 10 || value == 13 ||
                          (value >= 0x20 && value < 0xd800) ||
                          (value > 0xdfff && value < 0xfffe) ||
                          (value > 0xffff && value < 0x110000);
        if (!fine || at == text.size() || text[at] != ';') {
            return false;
        }
    }
    return true;
}

// UTF-16 with its mark; nullopt for half of a surrogate pair or a character.
std::optional<std::string> from_utf16(std::string_view text) {
    const std::size_t high = text.front() == '\xfe' ? 0 : 1;
    const auto unit = [&](std::size_t at) {
        return static_cast<char32_t>(
            static_cast<unsigned char>(text[at + high]) << 8 |
            static_cast<unsigned char>(text[at + 1 - high]));
    };
    if (text.size() % 2 != 0) {
        return std::nullopt;
    }
    std::string out;
    for (std::size_t at = 2; at < text.size(); at += 2) {
        auto point = unit(at);
        if (point >= 0xd800 && point < 0xe000) {
            const auto low = at + 4 <= text.size() ? unit(at + 2) : 0;
            if (point >= 0xdc00 || low < 0xdc00 || low >= 0xe000) {
                return std::nullopt;
            }
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            at += 2;
        }
        append_utf8(point, out);
    }
    return out;
}

// The text in UTF-8, without a mark before it.
Result<std::string> decoded(std::string_view text) {
    const auto mark = text.substr(0, 2);
    if (mark == "\xfe\xff" || mark == "\xff\xfe") {
        auto converted = from_utf16(text);
        if (!converted) {
            return broken("broken UTF-16");
        }
        return std::move(*converted);
    }
    if (is_utf8(text)) {
        return std::string(
            text.substr(text.starts_with("\xef\xbb\xbf") ? 3 : 0));
    }
    const auto end = std::min(text.find("?>"), std::size_t{200});
    std::string declaration(text.substr(0, end));
    std::transform(declaration.begin(), declaration.end(), declaration.begin(),
                   ascii_lower);
    if (declaration.find("iso-8859-1") == std::string::npos) {
        return broken("not UTF-8");
    }
    return to_utf8(text);
}

Result<void> take_attributes(const pugi::xml_node& node, XmlElement& into) {
    for (const auto& attribute : node.attributes()) {
        if (into.attribute(attribute.name())) {
            return broken("the same attribute twice");
        }
        into.attributes.emplace_back(attribute.name(), attribute.value());
    }
    return {};
}

// Copies an element; as deep as the limit says, so it may call itself.
Result<void> take_element(const pugi::xml_node& node, std::size_t depth,
                          const XmlLimits& limits, XmlElement& into) {
    if (depth >= limits.depth) {
        return too_large("deeper", limits.depth);
    }
    into.name = node.name();
    LS_CHECK(take_attributes(node, into));
    for (const auto& child : node.children()) {
        switch (child.type()) {
            case pugi::node_element:
                LS_CHECK(take_element(child, depth + 1, limits,
                                      into.children.emplace_back()));
                break;
            case pugi::node_pcdata:
            case pugi::node_cdata:
                into.text += child.value();
                break;
            default:
                return broken("something else than elements and text");
        }
    }
    return {};
}

std::string_view local(std::string_view name) noexcept {
    const auto colon = name.find(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string_view without_space(std::string_view text) noexcept {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::string_view XmlElement::local_name() const noexcept {
    return local(name);
}

const XmlElement* XmlElement::child(std::string_view wanted) const noexcept {
    const auto found = std::find_if(
        children.begin(), children.end(),
        [&](const auto& child) { return child.local_name() == wanted; });
    return found == children.end() ? nullptr : &*found;
}

std::string_view XmlElement::child_text(
    std::string_view wanted) const noexcept {
    const auto* found = child(wanted);
    return found == nullptr ? std::string_view() : without_space(found->text);
}

std::optional<std::string_view> XmlElement::attribute(
    std::string_view wanted) const noexcept {
    for (const auto& [key, value] : attributes) {
        if (key == wanted) {
            return value;
        }
    }
    return std::nullopt;
}

Result<XmlElement> read_xml(std::string_view text, const XmlLimits& limits) {
    if (text.size() > limits.bytes) {
        return too_large("longer", limits.bytes);
    }
    // Before a tree is made: nothing has more nodes than signs for them.
    const auto signs = std::count_if(
        text.begin(), text.end(), [](char c) { return c == '<' || c == '='; });
    if (static_cast<std::size_t>(signs) > limits.nodes) {
        return too_large("more nodes", limits.nodes);
    }
    LS_TRY(utf8, decoded(text));
    if (!std::all_of(utf8.begin(), utf8.end(), is_allowed) ||
        !has_good_references(utf8)) {
        return broken("a character that may not be in it");
    }
    utf8 += '\n';  // the parser does not look at a last character's meaning
    pugi::xml_document document;
    const auto parsed = document.load_buffer_inplace(
        utf8.data(), utf8.size(),
        pugi::parse_default | pugi::parse_doctype | pugi::parse_fragment,
        pugi::encoding_utf8);
    if (!parsed) {
        return broken(std::string(parsed.description()) + " at byte " +
                      std::to_string(parsed.offset));
    }
    XmlElement root;
    for (const auto& node : document.children()) {
        const auto type = node.type();
        if (type == pugi::node_doctype) {
            return broken("a document type");
        }
        const bool blank =
            type == pugi::node_pcdata && without_space(node.value()).empty();
        if (blank) {
            continue;
        }
        if (type != pugi::node_element || !root.name.empty()) {
            return broken("more than one root element");
        }
        LS_CHECK(take_element(node, 0, limits, root));
    }
    if (root.name.empty()) {
        return broken("no root element");
    }
    return root;
}

std::string xml_escape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto size = utf8_length(text);
        const char c = text.front();
        if (size == 0 || text.substr(0, 3) == "\xef\xbf\xbe" ||
            text.substr(0, 3) == "\xef\xbf\xbf") {
            out += "\xef\xbf\xbd";
        } else if (c == '&') {
            out += "&amp;";
        } else if (c == '<') {
            out += "&lt;";
        } else if (c == '>') {
            out += "&gt;";
        } else if (c == '"') {
            out += "&quot;";
        } else if (c == '\r') {
            out += "&#13;";  // a reader would make a line feed of it
        } else if (is_allowed(c)) {
            out += text.substr(0, size);
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

XmlWriter::XmlWriter(ByteSink sink, Style style)
    : sink_(std::move(sink)), style_(style) {
    out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
}

void XmlWriter::end_tag_start() {
    if (in_tag_) {
        out_ += '>';
        in_tag_ = false;
    }
}

void XmlWriter::new_line() {
    if (style_ == Style::indented) {
        out_ += '\n';
        out_.append(2 * open_.size(), ' ');
    }
}

void XmlWriter::flush(std::size_t when_longer_than) {
    if (out_.size() > when_longer_than) {
        if (done_) {
            done_ = sink_(out_);
        }
        out_.clear();
    }
}

XmlWriter& XmlWriter::open(std::string_view name) {
    end_tag_start();
    const bool beside_text = !open_.empty() && open_.back().has_text;
    if (!beside_text) {
        new_line();
    }
    if (!open_.empty()) {
        open_.back().has_children = true;
    }
    out_ += '<';
    out_ += name;
    open_.push_back({std::string(name), false, false});
    in_tag_ = true;
    flush(kBuffer);
    return *this;
}

XmlWriter& XmlWriter::attribute(std::string_view name, std::string_view value) {
    if (in_tag_) {
        out_ += ' ';
        out_ += name;
        out_ += "=\"";
        // White space would become spaces.
        for (const char c : xml_escape(value)) {
            out_ += c == '\n'   ? std::string("&#10;")
                    : c == '\t' ? std::string("&#9;")
                                : std::string(1, c);
        }
        out_ += '"';
    }
    return *this;
}

XmlWriter& XmlWriter::text(std::string_view text) {
    if (!open_.empty() && !text.empty()) {
        end_tag_start();
        open_.back().has_text = true;
        out_ += xml_escape(text);
        flush(kBuffer);
    }
    return *this;
}

XmlWriter& XmlWriter::close() {
    if (open_.empty()) {
        return *this;
    }
    const Open closed = std::move(open_.back());
    open_.pop_back();
    if (in_tag_) {
        out_ += "/>";
        in_tag_ = false;
        return *this;
    }
    if (closed.has_children && !closed.has_text) {
        new_line();
    }
    out_ += "</" + closed.name + '>';
    return *this;
}

XmlWriter& XmlWriter::element(std::string_view name, std::string_view text) {
    return open(name).text(text).close();
}

Result<void> XmlWriter::finish() {
    while (!open_.empty()) {
        close();
    }
    out_ += '\n';
    flush(0);
    return done_;
}

}  // namespace longshore
