#include "common/encoding.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace longshore {
namespace {

TEST(Hex, EncodesEveryByte) {
    for (int value = 0; value < 256; ++value) {
        std::array<std::uint8_t, 1> byte = {static_cast<std::uint8_t>(value)};
        std::string text(2, ' ');
        hex_encode(byte, text.data());
        EXPECT_EQ(std::stoi(text, nullptr, 16), value);
        EXPECT_EQ(hex_value(text[0]) * 16 + hex_value(text[1]), value);
    }
}

TEST(Hex, ValueKnowsBothCasesAndNothingElse) {
    const std::string digits = "0123456789abcdefABCDEF";
    for (int c = 0; c < 256; ++c) {
        auto place = digits.find(static_cast<char>(c));
        int expected = place == std::string::npos ? -1
                       : place < 16               ? static_cast<int>(place)
                                                  : static_cast<int>(place) - 6;
        EXPECT_EQ(hex_value(static_cast<char>(c)), expected) << c;
    }
}

TEST(Percent, DecodesOnce) {
    EXPECT_EQ(percent_decode("a%2Fb%2fc"), "a/b/c");
    EXPECT_EQ(percent_decode("%2525"), "%25");
    EXPECT_EQ(percent_decode("a+b"), "a+b");
    EXPECT_EQ(percent_decode(""), "");
    EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
    EXPECT_EQ(percent_decode("%C3%A9"), "\xc3\xa9");
}

TEST(Percent, RefusesBrokenEscapes) {
    for (auto text : {"%", "%2", "a%", "a%4", "%zz", "%2g", "%%41", "% 41",
                      "%-1", "%0x", "%u0041"}) {
        EXPECT_FALSE(percent_decode(text)) << text;
    }
}

TEST(Percent, RoundTripOfEveryByte) {
    std::string all;
    for (int c = 0; c < 256; ++c) {
        all += static_cast<char>(c);
    }
    EXPECT_EQ(percent_decode(percent_encode(all)), all);
    EXPECT_EQ(percent_decode(percent_encode(all, "/:")), all);
    EXPECT_EQ(percent_encode("a/b:c d~é", "/:"), "a/b:c%20d~%C3%A9");
    EXPECT_EQ(percent_encode("%"), "%25");
}

std::optional<std::string> base64url(std::string_view text) {
    std::string out(text.size() / 4 * 3 + 2, '\0');
    auto size = base64url_decode(text, out.data());
    if (!size) {
        return std::nullopt;
    }
    out.resize(*size);
    return out;
}

// RFC 4648 section 10, without padding; RFC 7515 appendix C.
TEST(Base64Url, IsThatOfTheRfcs) {
    const std::pair<std::string_view, std::string_view> pairs[] = {
        {"", ""},
        {"f", "Zg"},
        {"fo", "Zm8"},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg"},
        {"fooba", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy"},
        {std::string_view("\x03\xec\xff\xe0\xc1", 5), "A-z_4ME"}};
    for (const auto& [bytes, text] : pairs) {
        EXPECT_EQ(base64url_encode(bytes), text);
        EXPECT_EQ(base64url(text), bytes);
        EXPECT_EQ(base64url_length(bytes.size()), text.size());
    }
}

TEST(Base64Url, RoundTripOfEveryByte) {
    std::string all;
    for (int c = 0; c < 256; ++c) {
        all += static_cast<char>(c);
        EXPECT_EQ(base64url(base64url_encode(all)), all);
    }
}

TEST(Base64Url, RefusesEveryOtherSpelling) {
    for (auto text :
         {"A", "AAAAA", "Zg==", "Zm8=", "Zh", "Zm9", "Zm-", "A+==", "A/z4",
          " Zg", "Zg ", "Z g", "Zg\n", "Zm9v.", "\xc3\xa4", "AB", "AAB"}) {
        EXPECT_FALSE(base64url(text)) << text;
    }
    EXPECT_FALSE(base64url(std::string_view("AAA\0", 4)));
}

TEST(Query, FindsTheFirstOfAName) {
    EXPECT_EQ(query_argument("n=5&last=a%2Fb&n=6", "n"), "5");
    EXPECT_EQ(query_argument("n=5&last=a%2Fb", "last"), "a/b");
    EXPECT_EQ(query_argument("digest=sha256%3Aab", "digest"), "sha256:ab");
    EXPECT_EQ(query_argument("a&b=", "a"), "");
    EXPECT_EQ(query_argument("a&b=", "b"), "");
    EXPECT_EQ(query_argument("&&b=1&", "b"), "1");
    EXPECT_EQ(query_argument("a=b=c", "a"), "b=c");
    EXPECT_EQ(query_argument("type=application/x+json", "type"),
              "application/x+json");
}

TEST(Query, NothingForAbsentOrBroken) {
    EXPECT_FALSE(query_argument("", "n"));
    EXPECT_FALSE(query_argument("nn=5&xn=6&N=7", "n"));
    EXPECT_FALSE(query_argument("n=%zz", "n"));
    EXPECT_FALSE(query_argument("n=%", "n"));
    EXPECT_FALSE(query_argument("m=n", "n"));
}

}  // namespace
}  // namespace longshore
