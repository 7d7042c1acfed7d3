#include <gtest/gtest.h>

#include "syntax/toml.hpp"

namespace longshore {
namespace {

std::string read(std::string_view text, const TomlLimits& limits = {}) {
    auto value = read_toml(text, limits);
    return value ? value->dump() : std::string(code_name(value.error().code));
}

TEST(Toml, ACargoManifest) {
    EXPECT_EQ(
        read("[package]\nname = \"a\" # b\nversion = '1.10'\n"
             "[dependencies]\nserde = { version = \"1\", "
             "features = [\"x\", \"y\"] }\nb.version = \"2\"\n"
             "[[bin]]\nname = \"c\"\n[[bin]]\nname = \"\"\"\nd\ne\"\"\"\n"),
        R"({"bin":[{"name":"c"},{"name":"d\ne"}],"dependencies":)"
        R"({"b":{"version":"2"},"serde":{"features":["x","y"],)"
        R"("version":"1"}},"package":{"name":"a","version":"1.10"}})");
    EXPECT_EQ(read(""), "{}");
}

TEST(Toml, ValuesOfEveryType) {
    EXPECT_EQ(read("a=0x1F\nb=-1_000\nc=1.5\nd=true\ne=inf\n"
                   "f=2026-03-02\ng=12:30:01.5\nh=2026-03-02T12:30:01Z\n"
                   "i=[1,[2.0]]\n"),
              R"({"a":31,"b":-1000,"c":1.5,"d":true,"e":"inf",)"
              R"("f":"2026-03-02","g":"12:30:01.5",)"
              R"("h":"2026-03-02T12:30:01Z","i":[1,[2.0]]})");
}

TEST(Toml, WhatIsRefused) {
    for (auto bad : {"a", "a =", "= 1", "a = 1\na = 2", "[a]\n[a]", "a = \"x",
                     "a = 'x\n'", "a = 1 b = 2", "a = {x = 1", "a = [1",
                     "a = \"\xff\"", "a = \"\x01\"", "a = 99999999999999999999",
                     "a = 01", "[a", "a.b = 1\na = 2", "\"\"\"a\"\"\" = 1"}) {
        EXPECT_EQ(read(bad), "invalid_argument") << bad;
    }
    EXPECT_EQ(read(std::string_view("[\0[p ", 5)), "invalid_argument");
}

TEST(Toml, EveryLimitHolds) {
    TomlLimits limits;
    limits.bytes = 3;
    EXPECT_EQ(read("a=1", limits), R"({"a":1})");
    EXPECT_EQ(read("a=10", limits), "too_large");
    limits = {};
    limits.depth = 2;
    EXPECT_EQ(read("a=[1]", limits), R"({"a":[1]})");
    EXPECT_EQ(read("a=[[1]]", limits), "too_large");
    EXPECT_EQ(read("a={b={}}", limits), "too_large");
    EXPECT_EQ(read("a.b.c=1", limits), "too_large");
    limits = {};
    limits.parts = 3;
    EXPECT_EQ(read("a.b.c=1", limits), R"({"a":{"b":{"c":1}}})");
    EXPECT_EQ(read("a.b.c.d=1", limits), "too_large");
    EXPECT_EQ(read("[a.b.c.d]", limits), "too_large");
    EXPECT_EQ(read("a={b.c.d.e=1}", limits), "too_large");
    // Dots elsewhere join nothing.
    EXPECT_EQ(read("a='....' # ....\nb=[1.0,2.0,3.0,4.0]\nc='''\n....'''\n"
                   "d=\"\\\"....\"\ne=\"\"\"\\\"\"\"....\"\"\"\n",
                   limits)
                  .substr(0, 11),
              R"({"a":"....")");
    std::string key = "a";
    for (int i = 0; i < 100'000; ++i) {
        key += ".a";
    }
    EXPECT_EQ(read(key + " = 1"), "too_large");
    EXPECT_EQ(read("a = " + std::string(100'000, '[')), "too_large");
}

}  // namespace
}  // namespace longshore
