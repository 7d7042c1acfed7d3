// XML from anybody, and anything as text in XML: what is read can be written
// and is then read the same.
#include <string>

#include "common/text.hpp"
#include "fuzz.hpp"
#include "syntax/xml.hpp"

namespace longshore {
namespace {

using fuzz::require;

void check(const XmlElement& element) {
    require(is_utf8(element.name) && is_utf8(element.text), "UTF-8");
    for (const auto& [name, value] : element.attributes) {
        require(is_utf8(name) && is_utf8(value), "UTF-8");
    }
    for (const auto& child : element.children) {
        check(child);
    }
}

void write(const XmlElement& element, XmlWriter& writer) {
    writer.open(element.name);
    for (const auto& [name, value] : element.attributes) {
        writer.attribute(name, value);
    }
    // Joined; where among the children it stood is not told.
    writer.text(element.text);
    for (const auto& child : element.children) {
        write(child, writer);
    }
    writer.close();
}

std::string written(const XmlElement& element) {
    std::string out;
    XmlWriter writer(
        [&](std::string_view bytes) {
            out += bytes;
            return Result<void>{};
        },
        XmlWriter::Style::compact);
    write(element, writer);
    require(static_cast<bool>(writer.finish()), "written");
    return out;
}

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    const auto text = fuzz::text(data, size);
    if (const auto root = read_xml(text, {4096, 10, 200})) {
        check(*root);
        const auto once = written(*root);
        const auto again = read_xml(once);
        fuzz::require(again && written(*again) == once,
                      "what is written is read");
    }
    XmlElement any;
    any.name = "any";
    any.attributes.emplace_back("x", std::string(text));
    any.text = text;
    const auto read = read_xml(written(any));
    fuzz::require(static_cast<bool>(read), "any text can be written");
    return 0;
}
