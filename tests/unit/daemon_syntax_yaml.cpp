#include <cmath>

#include <gtest/gtest.h>

#include "syntax/yaml.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

std::string read(std::string_view text, const YamlLimits& limits = {}) {
    auto value = read_yaml(text, limits);
    return value ? value->dump() : std::string(code_name(value.error().code));
}

TEST(Yaml, AChart) {
    EXPECT_EQ(read("# comment\napiVersion: v2\nname: app\nversion: 1.2.3\n"
                   "appVersion: \"1.10\"\ndeprecated: false\nkeywords:\n"
                   "- a\n- \"b: c\"\ndescription: >-\n  two\n  lines\n"
                   "maintainers: [{name: x, email: x@y.example}]\nicon:\n"
                   "dependencies:\n  - name: z\n    version: '>=1'\n"),
              R"({"apiVersion":"v2","appVersion":"1.10","dependencies":)"
              R"([{"name":"z","version":">=1"}],"deprecated":false,)"
              R"("description":"two lines","icon":null,"keywords":)"
              R"(["a","b: c"],"maintainers":[{"email":"x@y.example",)"
              R"("name":"x"}],"name":"app","version":"1.2.3"})");
}

TEST(Yaml, PlainScalarsOfTheCoreSchema) {
    const std::pair<const char*, const char*> cases[] = {
        {"", "null"},
        {"~", "null"},
        {"Null", "null"},
        {"NULL", "null"},
        {"nULL", R"("nULL")"},
        {"true", "true"},
        {"True", "true"},
        {"FALSE", "false"},
        {"tRUE", R"("tRUE")"},
        {"yes", R"("yes")"},
        {"no", R"("no")"},
        {"on", R"("on")"},
        {"0", "0"},
        {"-7", "-7"},
        {"+12", "12"},
        {"012", "12"},
        {"0o17", "15"},
        {"0x1F", "31"},
        {"-0x1F", R"("-0x1F")"},
        {"0o9", R"("0o9")"},
        {"0x", R"("0x")"},
        {"1.10", "1.1"},
        {"1.", "1.0"},
        {".5", "0.5"},
        {"-1e3", "-1000.0"},
        {"1e", R"("1e")"},
        {"1.2.3", R"("1.2.3")"},
        {".", R"(".")"},
        {"1_000", R"("1_000")"},
        {"1:30", R"("1:30")"},
        {".inf", R"(".inf")"},
        {".nan", R"(".nan")"},
        {"2001-01-01", R"("2001-01-01")"},
        {"18446744073709551615", "18446744073709551615"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"1e999", R"("1e999")"},
        {"\"1\"", R"("1")"},
        {"'true'", R"("true")"},
        {"! 1", R"("1")"},
        {"!!str 1", R"("1")"},
        {"!!int \"1\"", "1"},
        {"!!float 1", "1"},
        {"!ruby/object:Gem::Version 1", R"("1")"},
        {"!!int a", "invalid_argument"},
        {"!!bool 1", "invalid_argument"},
    };
    for (const auto& [text, expected] : cases) {
        EXPECT_EQ(read(text), expected) << text;
    }
    EXPECT_EQ(read("18446744073709551616"), "1.8446744073709552e+19");
    EXPECT_EQ(read("1: a\ntrue: b\n1.10: c"),
              R"({"1":"a","1.10":"c","true":"b"})");
}

TEST(Yaml, TagsOfOthersSayNothing) {
    EXPECT_EQ(read("!ruby/object:Gem::Specification\nname: a\n"
                   "version: !ruby/object:Gem::Version\n  version: 1.0.0\n"
                   "deps: !x\n- &v !y {op: \"=\"}\n- *v\n"),
              R"({"deps":[{"op":"="},{"op":"="}],"name":"a",)"
              R"("version":{"version":"1.0.0"}})");
}

TEST(Yaml, WhatIsRefused) {
    for (auto bad : {"a: b: c",
                     "{",
                     "[1, 2",
                     "\"open",
                     "a: 1\na: 2",
                     "a: 1\n\"a\": 2",
                     "? [a]\n: b",
                     "? {a: b}\n: c",
                     "*a",
                     "&a [*a]",
                     "a: &x {b: *x}",
                     "- a\nb: c",
                     "\ta: b",
                     "a: \x01",
                     "a: \xff",
                     "--- 1\n--- 2",
                     "%YAML 3.0\n--- a",
                     "&x {a: 1}: 1\n*x : 2",
                     "@a",
                     "`a"}) {
        EXPECT_EQ(read(bad), "invalid_argument") << bad;
    }
    EXPECT_EQ(read("a: &x {b: 1}\nc:\n  <<: *x\n"), "unsupported");
    EXPECT_EQ(read("\"<<\": 1"), R"({"<<":1})");
    EXPECT_EQ(read("&k a: 1\nb: *k\n*k : 2"), "invalid_argument");
    EXPECT_EQ(read("&k a: 1\nb: *k\n"), R"({"a":1,"b":"a"})");
}

TEST(Yaml, Documents) {
    auto documents = read_yaml_documents("---\na: &x 1\n...\n---\n- 2\n--- 3");
    ASSERT_TRUE(documents);
    EXPECT_EQ(Json(*documents).dump(), R"([{"a":1},[2],3])");
    EXPECT_FALSE(read_yaml_documents("--- &x 1\n--- *x"));
    EXPECT_EQ(read("# nothing\n"), "null");
}

TEST(Yaml, EveryLimitHolds) {
    YamlLimits limits;
    limits.bytes = 3;
    EXPECT_EQ(read("abc", limits), R"("abc")");
    EXPECT_EQ(read("abcd", limits), "too_large");
    limits = {};
    limits.depth = 2;
    EXPECT_EQ(read("[[a]]", limits), R"([["a"]])");
    EXPECT_EQ(read("[[[]]]", limits), "too_large");
    EXPECT_EQ(read("a:\n  b:\n    c: 1\n", limits), "too_large");
    EXPECT_EQ(read(std::string(100'000, '[')), "too_large");
    limits = {};
    limits.documents = 1;
    EXPECT_FALSE(read_yaml_documents("--- 1\n--- 2", limits));
    // Nine levels of nine would be a gigabyte.
    std::string laughs = "a0: &a0 \"" + std::string(1000, 'x') + "\"\n";
    for (int i = 1; i < 10; ++i) {
        const auto alias = "*a" + std::to_string(i - 1);
        const auto name = "a" + std::to_string(i);
        laughs += name + ": &" + name + " [" + alias;
        for (int j = 0; j < 8; ++j) {
            laughs += ", " + alias;
        }
        laughs += "]\n";
    }
    EXPECT_EQ(read(laughs), "too_large");
}

TEST(Yaml, WhatIsWritten) {
    const auto value = Json::parse(
        R"({"apiVersion":"v1","entries":{"app":[{"name":"app","urls":
            ["https://x.example/a-1.tgz"],"version":"1.10","m":1.5,"k":{},
            "l":[],"t":"a: b","d":true,"z":null},["x",["w"]]]},"yes":"no"})");
    EXPECT_EQ(write_yaml(value),
              "apiVersion: v1\nentries:\n  app:\n    - d: true\n      k: {}\n"
              "      l: []\n      m: 1.5\n      name: app\n      t: \"a: b\"\n"
              "      urls:\n        - https://x.example/a-1.tgz\n"
              "      version: \"1.10\"\n      z: null\n    - - x\n"
              "      - - w\n\"yes\": \"no\"\n");
    EXPECT_EQ(write_yaml("a"), "a\n");
    EXPECT_EQ(write_yaml(Json::array()), "[]\n");
    EXPECT_EQ(write_yaml(std::string("\xff\x01\x7f\n\"\\")),
              "\"\xef\xbf\xbd\\u0001\\u007f\\n\\\"\\\\\"\n");
}

TEST(Yaml, TextStaysText) {
    for (const std::string text : {"",
                                   " ",
                                   "a ",
                                   " a",
                                   "null",
                                   "~",
                                   "True",
                                   "yes",
                                   "No",
                                   "on",
                                   "y",
                                   "1",
                                   "1.10",
                                   "1e3",
                                   "0x1",
                                   "0o7",
                                   ".5",
                                   ".inf",
                                   "+1",
                                   "-",
                                   "- a",
                                   "a: b",
                                   "a:",
                                   ":a",
                                   "a #b",
                                   "#a",
                                   "&a",
                                   "*a",
                                   "!a",
                                   "|",
                                   ">",
                                   "'",
                                   "\"",
                                   "%a",
                                   "@a",
                                   "`a",
                                   "{a}",
                                   "[a]",
                                   "a,b",
                                   "?",
                                   "? a",
                                   "=",
                                   "<<",
                                   "2001-01-01",
                                   "1:30",
                                   "---",
                                   "...",
                                   "a\nb",
                                   "a\n",
                                   "\n",
                                   "\t",
                                   "a\tb",
                                   "ä€😀",
                                   "\xc2\x85",
                                   "\xe2\x80\xa8",
                                   "\xef\xbb\xbf",
                                   "\x7f",
                                   "\r\n",
                                   "a  b",
                                   "sha256:ab",
                                   "http://x:80/",
                                   "x(y)",
                                   "Infinity"}) {
        for (const Json& value : {Json(text), Json({text}), Json{{text, text}},
                                  Json{{{text, {text}}}}}) {
            const auto written = write_yaml(value);
            auto again = read_yaml(written);
            ASSERT_TRUE(again) << written << again.error().message;
            EXPECT_EQ(*again, value) << written;
        }
    }
}

}  // namespace
}  // namespace longshore
