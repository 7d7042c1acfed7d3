// Keys of versions: what they are made of, and what holds for all of them.
#include "syntax/version_key.hpp"

#include <random>

#include "version_tables.hpp"

namespace longshore {
namespace {

using namespace std::string_view_literals;

constexpr VersionScheme kSchemes[] = {
    VersionScheme::semver, VersionScheme::npm,    VersionScheme::cargo,
    VersionScheme::helm,   VersionScheme::go,     VersionScheme::pep440,
    VersionScheme::maven,  VersionScheme::debian, VersionScheme::rpm,
    VersionScheme::pacman};

std::string number_key(const std::string& digits) {
    std::string key;
    version::append_number(key, digits);
    return key;
}

TEST(VersionKey, NumbersOrderByValue) {
    std::string before = number_key("0");
    EXPECT_EQ(number_key("000"), before);
    EXPECT_EQ(number_key(""), before);
    for (std::size_t length = 1; length <= kMaxVersion; ++length) {
        for (char digit : {'1', '9'}) {
            std::string digits(length, digit);
            auto key = number_key("0" + digits);
            EXPECT_EQ(key, number_key(digits));
            EXPECT_LT(before, key) << length;
            EXPECT_GE(key.front(), '0');
            EXPECT_LE(key.front(), 't');
            before = key;
        }
    }
}

TEST(VersionKey, BytesOrderAsTheyAre) {
    std::vector<std::string> texts = {""};
    for (int first = 0; first < 256; ++first) {
        std::string text(1, static_cast<char>(first));
        for (auto more : {""sv, "\0"sv, "\x21"sv, "a"sv, "\xff"sv}) {
            texts.push_back(text + std::string(more));
        }
    }
    std::string before;
    for (const auto& text : texts) {
        std::string key;
        version::append_bytes(key, text);
        EXPECT_LT(before, key);
        EXPECT_EQ(key.find('!'), key.size() - 1);
        before = key;
    }
}

TEST(VersionKey, AtMost) {
    EXPECT_TRUE(version::at_most("000", "0"));
    EXPECT_TRUE(version::at_most("0099", "100"));
    EXPECT_TRUE(version::at_most("100", "100"));
    EXPECT_FALSE(version::at_most("101", "100"));
    EXPECT_FALSE(version::at_most("1000", "999"));
}

TEST(VersionKey, NamesOfSchemes) {
    for (auto scheme : kSchemes) {
        EXPECT_EQ(version_scheme(version_scheme_name(scheme)), scheme);
    }
    EXPECT_FALSE(version_scheme(""));
    EXPECT_FALSE(version_scheme("Npm"));
}

TEST(VersionKey, WhatIsNoVersionComesFirst) {
    for (auto scheme : kSchemes) {
        auto lowest = version_sort_key(scheme, "~~~/\xff");
        auto next = version_sort_key(scheme, "~~~/\xff\x01");
        auto version = version_sort_key(
            scheme, scheme == VersionScheme::go ? "v0.0.0" : "0.0.0");
        ASSERT_TRUE(lowest && next && version);
        EXPECT_FALSE(parse_version(scheme, "~~~/\xff"));
        EXPECT_LT(*lowest, *next);
        EXPECT_LT(*next, *version);
    }
}

TEST(VersionKey, Bounds) {
    for (auto scheme : kSchemes) {
        const std::string digits(kMaxVersion - 6, '7');
        std::string text = scheme == VersionScheme::go ? "v0.0.0-" : "0.0.0-";
        text += digits;
        if (scheme == VersionScheme::go) {
            text.pop_back();
        }
        ASSERT_EQ(text.size(), kMaxVersion);
        EXPECT_TRUE(parse_version(scheme, text));
        EXPECT_TRUE(version_sort_key(scheme, text));
        for (const auto& bad : {text + "7", std::string()}) {
            EXPECT_EQ(parse_version(scheme, bad).error().code,
                      Code::invalid_argument);
            EXPECT_EQ(version_sort_key(scheme, bad).error().code,
                      Code::invalid_argument);
        }
    }
}

TEST(VersionKey, MessagesAreClean) {
    auto version = parse_version(VersionScheme::semver, "1\n\x1b[2J\xff");
    EXPECT_EQ(version.error().message,
              "version '1??[2J?' has fewer than three numbers");
}

// Random texts: what is written is read again as the same version; keys are
// printable, none begins another.
TEST(VersionKey, Random) {
    constexpr std::string_view kPieces[] = {
        "0", "1", "10", "02", "1.2.3", ".",  "-",   "+",  "~", "^", "_", ":",
        "!", "v", "a",  "rc", "alpha", "sp", "dev", "ga", "Z", " ", "=", "r"};
    std::mt19937 random(1);
    auto below = [&random](std::size_t end) { return random() % end; };
    for (auto scheme : kSchemes) {
        std::vector<std::string> keys;
        for (int i = 0; i < 5000; ++i) {
            std::string text = below(2) == 0 ? "1.2.3" : "v1.2";
            for (auto count = below(7); count > 0; --count) {
                text += kPieces[below(std::size(kPieces))];
            }
            auto key = version_sort_key(scheme, text);
            ASSERT_TRUE(key);
            EXPECT_LE(key->size(), kMaxVersionKey);
            for (char c : *key) {
                EXPECT_TRUE(c >= '!' && c <= '~') << *key;
            }
            keys.push_back(*key);
            if (auto version = parse_version(scheme, text)) {
                EXPECT_EQ(version->key, *key);
                auto again = tables::version_of(scheme, version->text);
                EXPECT_EQ(again.text, version->text) << text;
                EXPECT_EQ(again.key, version->key) << text;
                EXPECT_EQ(again.prerelease, version->prerelease) << text;
            }
        }
        std::sort(keys.begin(), keys.end());
        for (std::size_t i = 1; i < keys.size(); ++i) {
            EXPECT_TRUE(keys[i] == keys[i - 1] ||
                        !keys[i].starts_with(keys[i - 1]))
                << keys[i - 1] << " begins " << keys[i];
        }
    }
}

}  // namespace
}  // namespace longshore
