#include "common/text.hpp"

#include <gtest/gtest.h>

namespace longshore {
namespace {

TEST(Text, WordsWithoutCaseAndWithoutEnds) {
    EXPECT_TRUE(equal_ignoring_case("Content-Type", "cONTENT-tYPE"));
    EXPECT_FALSE(equal_ignoring_case("a", "ab"));
    EXPECT_FALSE(equal_ignoring_case("[", "{"));
    EXPECT_EQ(trimmed(" \t a b\t "), "a b");
    EXPECT_EQ(trimmed(" \t"), "");
    EXPECT_EQ(trimmed("\na\n"), "\na\n");
}

// Every code point there is, and what is next to it.
TEST(Text, EveryCodePointIsReadBack) {
    for (unsigned point = 0; point < 0x110000; ++point) {
        std::string text;
        append_utf8(point, text);
        const bool surrogate = point >= 0xd800 && point < 0xe000;
        ASSERT_EQ(utf8_length(text), surrogate ? 0 : text.size()) << point;
        ASSERT_EQ(is_utf8(text), !surrogate) << point;
        text.pop_back();
        ASSERT_TRUE(text.empty() || !is_utf8(text)) << point;
    }
}

TEST(Text, BrokenSequences) {
    for (auto text :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
          "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x80\x80\x80",
          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
          "\xc3(", "\xe2\x82(", "\xe2(\xac", "\xf0\x9f\x98("}) {
        EXPECT_FALSE(is_utf8(text)) << text;
        EXPECT_FALSE(is_utf8("seven 7" + std::string(text))) << text;
        EXPECT_FALSE(is_utf8("eight ei" + std::string(text) + "ght eigh"));
    }
    EXPECT_TRUE(is_utf8(""));
    EXPECT_TRUE(is_utf8("ä eight bytes and more €, 😀"));
    EXPECT_EQ(utf8_length(""), 0U);
}

TEST(Text, WhatIsNotUtf8IsLatin1) {
    EXPECT_EQ(to_utf8("a\xe4\xff"), "aäÿ");
    EXPECT_EQ(to_utf8("aä"), "aä");
    EXPECT_EQ(utf8_prefix("12345678ä\xe4z"), 10U);
}

}  // namespace
}  // namespace longshore
