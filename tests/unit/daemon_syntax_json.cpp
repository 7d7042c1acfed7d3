#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "syntax/base64_stream.hpp"
#include "syntax/json_split.hpp"
#include "syntax/json_stream.hpp"

namespace longshore {
namespace {

std::string path_text(const JsonPath& path) {
    std::string out;
    for (const auto& step : path) {
        out += '/' + (step.in_array ? std::to_string(step.index) : step.key);
    }
    return out;
}

// What came, one line each.
class Heard : public JsonReceiver {
public:
    Result<ByteSink> begin_text(const JsonPath&) override { return ByteSink{}; }
    Result<void> end_text(const JsonPath&) override { return {}; }
    Result<void> token(const JsonPath& path, JsonToken token,
                       std::string_view text) override {
        static constexpr std::string_view kNames[] = {
            "{", "}", "[", "]", "text ", "number ", "", ""};
        said += path_text(path) + " " +
                std::string(kNames[static_cast<std::size_t>(token)]) +
                std::string(text) + "\n";
        return {};
    }

    std::string said;
};

std::string read(std::string_view text, const JsonLimits& limits = {}) {
    Heard heard;
    auto done = read_json(MemorySource(text), heard, limits);
    return done ? heard.said : std::string(code_name(done.error().code));
}

TEST(JsonStream, EveryTokenWithItsPlace) {
    EXPECT_EQ(read(R"( { "a" : [ 1 , -2.50E+3, { } ] , "b":{"c":"d"},
                       "e":true,"f":false,"g":null, "":[[]] } )"),
              " {\n/a [\n/a/0 number 1\n/a/1 number -2.50E+3\n/a/2 {\n"
              "/a/2 }\n/a ]\n/b {\n/b/c text d\n/b }\n/e true\n/f false\n"
              "/g null\n/ [\n//0 [\n//0 ]\n/ ]\n }\n");
    EXPECT_EQ(read("0"), " number 0\n");
    EXPECT_EQ(read("\"\""), " text \n");
}

TEST(JsonStream, StringsAreDecoded) {
    EXPECT_EQ(read(R"("\"\\\/\b\f\n\r\t")"), " text \"\\/\b\f\n\r\t\n");
    EXPECT_EQ(read(R"("\u0041\u00e4\u20AC\ud83d\ude00")"), " text Aä€😀\n");
    EXPECT_EQ(read("\"Aä€😀\x7f\""), " text Aä€😀\x7f\n");
    for (auto bad :
         {R"("\ud83d")", R"("\ud83dx")", R"("\ude00")", R"("\ud83d\u0041")",
          R"("\x41")", R"("\u12")", R"("\u12g4")", R"("\u)", R"("\)", R"(")",
          "\"\n\"", "\"\x1f\"", "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"",
          "\"\xf0\x9f\x98", "\"\xe2\x82"}) {
        EXPECT_EQ(read(bad), "invalid_argument") << bad;
    }
    JsonLimits limits;
    limits.repair_surrogates = true;
    EXPECT_EQ(read(R"("\ud83d\u0041\ude00")", limits),
              " text \xef\xbf\xbd"
              "A\xef\xbf\xbd\n");
    EXPECT_EQ(read(R"("\ud83d\ude00")", limits), " text 😀\n");
}

TEST(JsonStream, OnlyTheGrammar) {
    for (auto bad : {"",         " ",          "{",
                     "}",        "[",          "[1",
                     "[1,",      "[1,]",       "[,1]",
                     "{,}",      "{1:2}",      "{\"a\"}",
                     "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}",
                     "[1 2]",    "[}",         "{]",
                     "1 2",      "{} {}",      "nul",
                     "nulll",    "True",       "'a'",
                     "NaN",      "Infinity",   "-",
                     "+1",       "01",         "-01",
                     "1.",       ".1",         "1e",
                     "1e+",      "0x1",        "1.e1",
                     "--1",      "[1]]",       "\xef\xbb\xbf{}",
                     "/**/1",    "{a:1}",      "{\"a\":1}\x01"}) {
        EXPECT_EQ(read(bad), "invalid_argument") << bad;
    }
    EXPECT_EQ(read(std::string_view("{}\0", 3)), "invalid_argument");
    EXPECT_EQ(read(std::string_view("[\0]", 3)), "invalid_argument");
}

TEST(JsonStream, AMemberComesOnce) {
    EXPECT_EQ(read(R"({"a":1,"b":{"a":2}})").substr(0, 2), " {");
    EXPECT_EQ(read(R"({"a":1,"a":1})"), "invalid_argument");
    EXPECT_EQ(read(R"({"a":1,"\u0061":1})"), "invalid_argument");
    EXPECT_EQ(read(R"([{"a":1},{"a":1}])").substr(0, 2), " [");
}

TEST(JsonStream, EveryLimitHolds) {
    const auto with = [](std::string_view text, auto set) {
        JsonLimits limits;
        set(limits);
        return read(text, limits) != "too_large";
    };
    EXPECT_TRUE(with("[[]]", [](auto& l) { l.depth = 2; }));
    EXPECT_FALSE(with("[[]]", [](auto& l) { l.depth = 1; }));
    EXPECT_TRUE(with("{\"a\":1}", [](auto& l) { l.tokens = 3; }));
    EXPECT_FALSE(with("{\"a\":1}", [](auto& l) { l.tokens = 2; }));
    EXPECT_TRUE(with("{\"ab\":1}", [](auto& l) { l.key = 2; }));
    EXPECT_FALSE(with("{\"ab\":1}", [](auto& l) { l.key = 1; }));
    EXPECT_TRUE(with("123", [](auto& l) { l.number = 3; }));
    EXPECT_FALSE(with("123", [](auto& l) { l.number = 2; }));
    EXPECT_TRUE(with("\"\\n23\"", [](auto& l) { l.text = 3; }));
    EXPECT_FALSE(with("\"\\n23\"", [](auto& l) { l.text = 2; }));
    // Names count while their object is open.
    const auto two = [](auto& l) { l.names = 130; };
    EXPECT_TRUE(with(R"([{"a":1,"b":1},{"a":1,"b":1}])", two));
    EXPECT_FALSE(with(R"({"a":1,"b":{"c":1}})", two));
}

// What is read at a time makes no difference.
TEST(JsonStream, CutAnywhere) {
    const std::string text =
        R"({"ä€😀\ud83d\ude00\n":["\u20ac€",-12.5e-7,true,null,{"k":false}]})";
    const auto whole = read(text);
    ASSERT_EQ(whole.substr(0, 3), " {\n");
    for (std::size_t before = 0; before < 20; ++before) {
        for (std::size_t window = 1; window < text.size(); ++window) {
            JsonLimits limits;
            limits.window = window;
            ASSERT_EQ(read(std::string(before, ' ') + text, limits), whole)
                << window;
        }
    }
    for (std::size_t size = 0; size < text.size(); ++size) {
        EXPECT_EQ(read(text.substr(0, size)), "invalid_argument") << size;
    }
}

class Attachments : public JsonTextReceiver {
public:
    Result<ByteSink> begin_text(const JsonPath& path) override {
        said += path_text(path) + " ";
        base64_ = {};
        return ByteSink([this](std::string_view text) {
            longest = std::max(longest, text.size());
            return base64_.add(text, said);
        });
    }
    Result<void> end_text(const JsonPath&) override {
        said += "\n";
        return base64_.finish();
    }

    std::string said;
    std::size_t longest = 0;

private:
    Base64Stream base64_;
};

// The body of `npm publish`.
TEST(JsonSplit, AttachmentsLeaveTheDocument) {
    const std::string text =
        R"({"_id": "a", "versions": {"1.0.0": {"n": 1.0, "big": 1e400}},
            "_attachments": {"a-1.0.0.tgz": {"content_type": "x/y",
            "data": "Zm9vYmFy", "length": 6}, "b": {"data": "Zg=="}},
            "list": ["a", {"data": "kept"}, []], "esc": "\u0001\/\"ä"})";
    const std::vector<JsonPattern> left_out = {{"_attachments", "*", "data"},
                                               {"versions", "*", "n"}};
    Attachments attachments;
    auto rest = split_json(MemorySource(text), left_out, &attachments, 4096);
    ASSERT_TRUE(rest) << rest.error().message;
    EXPECT_EQ(*rest, R"({"_id":"a","versions":{"1.0.0":{"big":1e400}},)"
                     R"("_attachments":{"a-1.0.0.tgz":{"content_type":"x/y",)"
                     R"("length":6},"b":{}},"list":["a",{"data":"kept"},[]],)"
                     R"("esc":"\u0001/\"ä"})");
    EXPECT_EQ(attachments.said,
              "/_attachments/a-1.0.0.tgz/data foobar\n"
              "/_attachments/b/data f\n");
}

TEST(JsonSplit, WhatIsLeftOutHasNoLength) {
    const std::string data(300'000, 'A');
    const auto text = R"({"data":")" + data + R"(","rest":1})";
    const std::vector<JsonPattern> left_out = {{"data"}};
    JsonLimits limits;
    limits.text = 10;
    Attachments attachments;
    auto rest =
        split_json(MemorySource(text), left_out, &attachments, 10, limits);
    ASSERT_TRUE(rest) << rest.error().message;
    EXPECT_EQ(*rest, R"({"rest":1})");
    EXPECT_EQ(attachments.said.size(), data.size() / 4 * 3 + 7);
    EXPECT_LE(attachments.longest, limits.window);
    EXPECT_TRUE(split_json(MemorySource(text), left_out, nullptr, 10, limits));
    auto long_one = split_json(MemorySource(text), left_out, nullptr, 9);
    ASSERT_FALSE(long_one);
    EXPECT_EQ(long_one.error().code, Code::too_large);
    auto kept = split_json(MemorySource(text), {}, nullptr, 1 << 20, limits);
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code, Code::too_large);
}

TEST(JsonSplit, WholeValuesAndPlacesInArrays) {
    const std::vector<JsonPattern> left_out = {
        {"a"}, {"list", "*", "x"}, {"0"}};
    auto rest = split_json(
        MemorySource(
            R"({"a":{"b":[{"c":"d"}]},"list":[{"x":["y"],"z":1},[2]],"e":0})"),
        left_out, nullptr, 100);
    ASSERT_TRUE(rest);
    EXPECT_EQ(*rest, R"({"list":[{"z":1},[2]],"e":0})");
    // A member's name is not a place.
    rest = split_json(MemorySource(R"(["a"])"), left_out, nullptr, 100);
    ASSERT_TRUE(rest);
    EXPECT_EQ(*rest, R"(["a"])");
}

TEST(JsonSplit, AnErrorOfTheReceiverEndsIt) {
    Attachments attachments;
    const std::vector<JsonPattern> left_out = {{"data"}};
    for (auto text : {R"({"data":"Zg="})", R"({"data":"Z*=="})"}) {
        EXPECT_FALSE(
            split_json(MemorySource(text), left_out, &attachments, 100))
            << text;
    }
}

}  // namespace
}  // namespace longshore
