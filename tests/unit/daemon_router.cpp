#include "http/router.hpp"

#include <gtest/gtest.h>

namespace longshore {
namespace {

// "name=value;…" of a match, "-" for none.
std::string match(std::string_view pattern, std::string_view rest) {
    auto path = decode_segments(rest);
    if (!path) {
        return "bad path";
    }
    auto found = match_pattern(pattern, *path);
    if (!found) {
        return "-";
    }
    std::string out;
    for (const auto& [name, value] : *found) {
        out += std::string(name) + "=" + value + ";";
    }
    return out;
}

TEST(Router, LiteralsAndParts) {
    EXPECT_EQ(match("/a/{x}", "/a/b"), "x=b;");
    EXPECT_EQ(match("/a/{x}", "/a"), "-");
    EXPECT_EQ(match("/a/{x}", "/a/b/c"), "-");
    EXPECT_EQ(match("/a/{x}", "/c/b"), "-");
    EXPECT_EQ(match("/{x}/-/{y}", "/@s%2fn/-/n-1.tgz"), "x=@s/n;y=n-1.tgz;");
}

TEST(Router, PartsThatSpanSlashesAreReadFromTheRight) {
    EXPECT_EQ(match("/{m+}/@v/list", "/a/b/c/@v/list"), "m=a/b/c;");
    EXPECT_EQ(match("/{m+}/@v/{f}", "/a/@v/@v/x"), "m=a/@v;f=x;");
    EXPECT_EQ(match("/{m+}/@v/list", "/@v/list"), "-");
    EXPECT_EQ(match("/{a+}/x/{b+}", "/1/x/2/x/3"), "a=1/x/2;b=3;");
}

TEST(Router, TheRest) {
    EXPECT_EQ(match("/{p*}", "/a/b"), "p=a/b;");
    EXPECT_EQ(match("/{p*}", "/a/b/"), "p=a/b;");
    EXPECT_EQ(match("/{p*}", "/"), "p=;");
    EXPECT_EQ(match("/{p*}", ""), "p=;");
    EXPECT_EQ(match("/s/{p*}", "/s"), "p=;");
}

TEST(Router, ASlashAtTheEndCounts) {
    EXPECT_EQ(match("/simple/{x}/", "/simple/p/"), "x=p;");
    EXPECT_EQ(match("/simple/{x}/", "/simple/p"), "-");
    EXPECT_EQ(match("/simple/{x}", "/simple/p/"), "-");
    EXPECT_EQ(match("/", ""), "");
    EXPECT_EQ(match("/", "/"), "");
}

TEST(Router, WhatIsAPattern) {
    for (const auto* good : {"/", "/a/{b}", "/{a+}/x/{b}", "/{a*}", "/a/"}) {
        EXPECT_TRUE(is_pattern(good)) << good;
    }
    for (const auto* bad :
         {"", "a", "//", "/{a*}/b", "/{}", "/{a+}/{b+}/{c+}", "/{{a}}"}) {
        EXPECT_FALSE(is_pattern(bad)) << bad;
    }
}

}  // namespace
}  // namespace longshore
