// XML in both directions: a small tree of what others sent (pom.xml, nuspec,
// maven-metadata.xml), and a writer for the documents of a repository, which
// may be larger than memory. Document types are refused, so there are no
// entities but the five of XML and nothing is fetched. A reader is pure; a
// writer is for one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/byte_window.hpp"
#include "common/result.hpp"

namespace longshore {

struct XmlLimits {
    std::size_t bytes = 16 * 1024 * 1024;  // of the text
    std::size_t depth = 64;                // elements open at once
    std::size_t nodes = 500'000;           // elements, attributes, texts
};

/// An element; names have the prefix that they are written with. All text is
/// UTF-8.
struct XmlElement {
    std::string name;
    std::vector<std::pair<std::string, std::string>> attributes;
    std::string text;  // its own, what stands between its children joined
    std::vector<XmlElement> children;

    /// The name without its prefix.
    std::string_view local_name() const noexcept;
    /// The first child of that local name; null for none.
    const XmlElement* child(std::string_view local_name) const noexcept;
    /// That child's text without white space around it; empty for none.
    std::string_view child_text(std::string_view local_name) const noexcept;
    /// Nullopt for none.
    std::optional<std::string_view> attribute(
        std::string_view name) const noexcept;
};

/// The root element of a document in UTF-8, UTF-16 with its mark, or, if it
/// says so, ISO-8859-1.
/// @errors invalid_argument, too_large
Result<XmlElement> read_xml(std::string_view text,
                            const XmlLimits& limits = {});

/// `text` as it may stand in an element or an attribute: escaped, in UTF-8
/// (what is not is replaced by U+FFFD), without characters that XML has no
/// way to write.
std::string xml_escape(std::string_view text);

/// Writes elements as they are opened and closed. What is not closed when
/// finish() is called is closed by it. Names are the caller's own, never from
/// outside.
class XmlWriter {
public:
    enum class Style { compact, indented };

    /// Begins with the XML declaration.
    explicit XmlWriter(ByteSink sink, Style style = Style::indented);

    XmlWriter& open(std::string_view name);
    /// Of the element that was opened last, before anything is in it.
    XmlWriter& attribute(std::string_view name, std::string_view value);
    XmlWriter& text(std::string_view text);
    XmlWriter& close();
    /// open, text, close.
    XmlWriter& element(std::string_view name, std::string_view text);

    /// @errors what the sink ended with; after that nothing more was written
    Result<void> finish();

private:
    struct Open {
        std::string name;
        bool has_text = false;
        bool has_children = false;
    };

    void end_tag_start();
    void new_line();
    void flush(std::size_t when_longer_than);

    ByteSink sink_;
    Style style_;
    std::vector<Open> open_;
    bool in_tag_ = false;
    std::string out_;
    Result<void> done_;
};

}  // namespace longshore
