#include <gtest/gtest.h>

#include "syntax/xml.hpp"

namespace longshore {
namespace {

// An element as name[a=b]"text"(children).
std::string text_of(const XmlElement& element) {
    std::string out = element.name;
    for (const auto& [name, value] : element.attributes) {
        out += "[" + name + "=" + value + "]";
    }
    out += "\"" + element.text + "\"";
    for (const auto& child : element.children) {
        out += "(" + text_of(child) + ")";
    }
    return out;
}

std::string read(std::string_view text, const XmlLimits& limits = {}) {
    auto root = read_xml(text, limits);
    return root ? text_of(*root) : std::string(code_name(root.error().code));
}

TEST(Xml, APom) {
    auto root = read_xml(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c -->\n"
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\" xsi:x='y'>\n"
        "  <m:groupId>\n org.a "
        "</m:groupId><artifactId>b&amp;c&#x41;</artifactId>"
        "<e/><dependencies><dependency/><dependency a=\"1\"/></dependencies>"
        "</project>\n<?pi?>\n");
    ASSERT_TRUE(root) << root.error().message;
    EXPECT_EQ(root->name, "project");
    EXPECT_EQ(root->child_text("groupId"), "org.a");
    EXPECT_EQ(root->child_text("artifactId"), "b&cA");
    EXPECT_EQ(root->child_text("none"), "");
    EXPECT_EQ(root->child("none"), nullptr);
    EXPECT_EQ(root->attribute("xsi:x"), "y");
    EXPECT_EQ(root->attribute("x"), std::nullopt);
    ASSERT_NE(root->child("dependencies"), nullptr);
    EXPECT_EQ(root->child("dependencies")->children.size(), 2U);
    EXPECT_EQ(read("<a>b<!-- x -->c<d/><![CDATA[<e>]]>f</a>"),
              "a\"bc<e>f\"(d\"\")");
}

TEST(Xml, EncodingsComeOutAsUtf8) {
    EXPECT_EQ(read("<a>ä</a>"), "a\"ä\"");
    EXPECT_EQ(read("\xef\xbb\xbf<a/>"), "a\"\"");
    EXPECT_EQ(read("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>"),
              "a\"ä\"");
    EXPECT_EQ(read(std::string_view("\xff\xfe<\0a\0>\0\xe4\0\x3d\xd8\0\xde<\0"
                                    "/\0a\0>\0",
                                    22)),
              "a\"ä😀\"");
    EXPECT_EQ(read(std::string_view("\xfe\xff\0<\0a\0/\0>", 10)), "a\"\"");
    EXPECT_EQ(read("<a>\xe4</a>"), "invalid_argument");
    EXPECT_EQ(read(std::string_view("\xff\xfe<\0a\0/\0>", 9)),
              "invalid_argument");
    EXPECT_EQ(read(std::string_view("\xfe\xff\0<\0a\0>\xd8\0\0<\0/\0a\0>", 18)),
              "invalid_argument");
}

TEST(Xml, WhatIsRefused) {
    for (auto bad : {"",
                     " ",
                     "a",
                     "<a>",
                     "<a></b>",
                     "<a/><b/>",
                     "<a/>x",
                     "x<a/>",
                     "<a",
                     "<a b></a>",
                     "<a b=1/>",
                     "<a b='1' b='2'/>",
                     "<!DOCTYPE a><a/>",
                     "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
                     "<a>\x01</a>",
                     "<a>&#0;</a>",
                     "<a>&#x1;</a>",
                     "<a>&#xd800;</a>",
                     "<a>&#xffff;</a>",
                     "<a>&#1114112;</a>",
                     "<a>&#99999999999;</a>",
                     "<a>&#;</a>",
                     "<a>&#x;</a>",
                     "<a b='&#1;'/>"}) {
        EXPECT_EQ(read(bad), "invalid_argument") << bad;
    }
    EXPECT_EQ(read(std::string_view("<a/>\0<b/>", 9)), "invalid_argument");
    EXPECT_EQ(read("<a>&x;</a>"), "a\"&x;\"");  // an entity of nobody's
}

TEST(Xml, EveryLimitHolds) {
    XmlLimits limits;
    limits.bytes = 4;
    EXPECT_EQ(read("<a/>", limits), "a\"\"");
    EXPECT_EQ(read("<ab/>", limits), "too_large");
    limits = {};
    limits.depth = 2;
    EXPECT_EQ(read("<a><b/></a>", limits), "a\"\"(b\"\")");
    EXPECT_EQ(read("<a><b><c/></b></a>", limits), "too_large");
    limits = {};
    limits.nodes = 4;
    EXPECT_EQ(read("<a b='c'><d/></a>", limits), "a[b=c]\"\"(d\"\")");
    EXPECT_EQ(read("<a b='c'><d/><e/></a>", limits), "too_large");
    std::string deep;
    for (int i = 0; i < 100'000; ++i) {
        deep += "<a>";
    }
    EXPECT_EQ(read(deep), "invalid_argument");  // nothing is closed
}

std::string written(XmlWriter::Style style) {
    std::string out;
    XmlWriter writer(
        [&](std::string_view bytes) {
            out += bytes;
            return Result<void>{};
        },
        style);
    writer.open("metadata").attribute("xmlns", "a\"<&>\n\t'");
    writer.open("package").element("name", "a<b>&c\r").element("empty", "");
    writer.open("p").text("one ").element("b", "two").text(" three").close();
    EXPECT_TRUE(writer.finish());
    return out;
}

TEST(Xml, WhatIsWritten) {
    EXPECT_EQ(written(XmlWriter::Style::indented),
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
              "<metadata xmlns=\"a&quot;&lt;&amp;&gt;&#10;&#9;'\">\n"
              "  <package>\n    <name>a&lt;b&gt;&amp;c&#13;</name>\n"
              "    <empty/>\n    <p>one <b>two</b> three</p>\n  </package>\n"
              "</metadata>\n");
    EXPECT_EQ(written(XmlWriter::Style::compact),
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
              "<metadata xmlns=\"a&quot;&lt;&amp;&gt;&#10;&#9;'\">"
              "<package><name>a&lt;b&gt;&amp;c&#13;</name><empty/>"
              "<p>one <b>two</b> three</p></package></metadata>\n");
}

TEST(Xml, WhatXmlCannotSayIsLeftOutOrReplaced) {
    EXPECT_EQ(xml_escape(std::string_view("a\0\x01\x1f\x7f\tb\n", 8)),
              "a\x7f\tb\n");
    EXPECT_EQ(xml_escape("\xff"
                         "a\xc3"),
              "\xef\xbf\xbd"
              "a\xef\xbf\xbd");
    EXPECT_EQ(xml_escape("\xef\xbf\xbe"
                         "a\xef\xbf\xbf"),
              "\xef\xbf\xbd"
              "a\xef\xbf\xbd");
    EXPECT_EQ(xml_escape("ä€😀\xef\xbf\xbd"), "ä€😀\xef\xbf\xbd");
}

TEST(Xml, AWriterHoldsLittleAndEndsWithItsSink) {
    std::size_t calls = 0, longest = 0, bytes = 0;
    XmlWriter writer([&](std::string_view piece) -> Result<void> {
        longest = std::max(longest, piece.size());
        bytes += piece.size();
        if (++calls == 10) {
            return Error{Code::unavailable, "full"};
        }
        return {};
    });
    writer.open("a");
    for (int i = 0; i < 100'000; ++i) {
        writer.element("element", "some text");
    }
    const auto done = writer.finish();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::unavailable);
    EXPECT_EQ(calls, 10U);
    EXPECT_LT(longest, 64U * 1024);
    EXPECT_GT(bytes, 300'000U);
}

}  // namespace
}  // namespace longshore
