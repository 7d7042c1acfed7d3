#include "common/oci_error.hpp"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace longshore {
namespace {

using nlohmann::json;

json parse(const std::string& text) {
    auto value = json::parse(text, nullptr, false);
    EXPECT_FALSE(value.is_discarded()) << text;
    return value;
}

TEST(OciError, Document) {
    auto body = parse(oci_error_body("BLOB_UNKNOWN", "no blob", R"({"a":1})"));
    ASSERT_EQ(body["errors"].size(), 1u);
    EXPECT_EQ(body["errors"][0]["code"], "BLOB_UNKNOWN");
    EXPECT_EQ(body["errors"][0]["message"], "no blob");
    EXPECT_EQ(body["errors"][0]["detail"]["a"], 1);
    auto bare = parse(oci_error_body("DENIED", "no"));
    EXPECT_FALSE(bare["errors"][0].contains("detail"));
}

TEST(OciError, FromError) {
    auto own = parse(oci_error_body(
        Error{Code::not_found, "tag is unknown", "MANIFEST_UNKNOWN"}));
    EXPECT_EQ(own["errors"][0]["code"], "MANIFEST_UNKNOWN");
    auto general = parse(oci_error_body(Error{Code::unavailable, "later"}));
    EXPECT_EQ(general["errors"][0]["code"], "UNAVAILABLE");
    EXPECT_EQ(general["errors"][0]["message"], "later");
}

TEST(OciError, EveryCodeAndStatusHasWords) {
    for (int code = 0; code <= static_cast<int>(Code::internal); ++code) {
        auto value = static_cast<Code>(code);
        EXPECT_FALSE(code_name(value).empty());
        EXPECT_GE(http_status(value), 400);
        EXPECT_LE(http_status(value), 599);
        parse(oci_error_body(Error{value, "text"}));
    }
    for (int status = 0; status < 700; ++status) {
        EXPECT_FALSE(oci_code_for_status(status).empty()) << status;
        EXPECT_FALSE(oci_message_for_status(status).empty()) << status;
    }
    EXPECT_EQ(oci_code_for_status(429), "TOOMANYREQUESTS");
    EXPECT_EQ(oci_code_for_status(418), "UNKNOWN");
}

TEST(JsonQuote, EveryByteAlone) {
    for (int c = 0; c < 256; ++c) {
        std::string text(1, static_cast<char>(c));
        auto value = parse(json_quote(text)).get<std::string>();
        EXPECT_EQ(value, c < 0x80 ? text : "\xef\xbf\xbd") << c;
    }
}

// All pairs, and all texts of three and four bytes from the edges of the
// UTF-8 classes, inside a document.
TEST(JsonQuote, HostileBytesMakeAValidDocument) {
    for (int a = 0; a < 256; ++a) {
        for (int b = 0; b < 256; ++b) {
            std::string text = {static_cast<char>(a), static_cast<char>(b)};
            ASSERT_TRUE(json::accept(oci_error_body(text, text))) << a << b;
        }
    }
    const unsigned char edges[] = {0x00, 0x22, 0x5c, 0x7f, 0x80, 0x8f, 0x90,
                                   0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0,
                                   0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff};
    for (auto a : edges) {
        for (auto b : edges) {
            for (auto c : edges) {
                for (auto d : edges) {
                    std::string text = {
                        static_cast<char>(a), static_cast<char>(b),
                        static_cast<char>(c), static_cast<char>(d)};
                    ASSERT_TRUE(json::accept(json_quote(text)));
                    ASSERT_TRUE(json::accept(json_quote(text.substr(0, 3))));
                }
            }
        }
    }
}

TEST(JsonQuote, GoodTextIsKept) {
    for (std::string text : {"", "plain", "q\"b\\s/", "tab\tnl\n", "\xc3\xa9",
                             "\xe2\x82\xac", "\xf0\x9f\x90\xb3", "\xed\x9f\xbf",
                             "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_EQ(parse(json_quote(text)).get<std::string>(), text);
    }
    EXPECT_EQ(json_quote(std::string_view("a\0b", 3)), "\"a\\u0000b\"");
    EXPECT_EQ(json_quote("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
}

}  // namespace
}  // namespace longshore
