#include "common/digest.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace longshore {
namespace {

const std::string kHex64(64, 'a');
const std::string kHex128(128, '0');

TEST(Digest, ParsesBothAlgorithms) {
    auto small = Digest::parse("sha256:" + kHex64);
    ASSERT_TRUE(small);
    EXPECT_EQ(small->algorithm(), Algorithm::sha256);
    EXPECT_EQ(small->encoded(), kHex64);
    EXPECT_EQ(small->str(), "sha256:" + kHex64);
    auto big = Digest::parse("sha512:" + kHex128);
    ASSERT_TRUE(big);
    EXPECT_EQ(big->algorithm(), Algorithm::sha512);
    EXPECT_EQ(big->text(), "sha512:" + kHex128);
    EXPECT_EQ(big->text().size(), Digest::kMaxText);
}

TEST(Digest, RefusesEverythingElse) {
    const std::array bad = {
        std::string(),
        std::string(":"),
        std::string("sha256"),
        std::string("sha256:"),
        kHex64,
        "sha256:" + kHex64.substr(1),
        "sha256:" + kHex64 + "a",
        "sha256:" + kHex64.substr(1) + "A",
        "sha256:" + kHex64.substr(1) + "g",
        "sha256:" + kHex64.substr(1) + " ",
        " sha256:" + kHex64,
        "sha256:" + kHex64 + "\n",
        "SHA256:" + kHex64,
        "sha256-" + kHex64,
        "sha256::" + kHex64.substr(1),
        "sha512:" + kHex64,
        "sha256:" + kHex128,
        "sha384:" + kHex64,
        "blake3:" + kHex64,
        "sha256:" + kHex64.substr(1) + std::string(1, '\0'),
        "sha256:" + kHex64.substr(2) + "\xc3\xa9",
    };
    for (const auto& text : bad) {
        Digest out;
        EXPECT_FALSE(Digest::parse(text, out)) << text;
        auto result = Digest::parse(text);
        ASSERT_FALSE(result) << text;
        EXPECT_EQ(result.error().code, Code::invalid_argument) << text;
        EXPECT_EQ(result.error().reason, "DIGEST_INVALID") << text;
        EXPECT_FALSE(result.error().message.empty()) << text;
    }
}

TEST(Digest, FailedParseLeavesTheTargetAlone) {
    Digest out;
    ASSERT_TRUE(Digest::parse("sha512:" + kHex128, out));
    EXPECT_FALSE(Digest::parse("sha256:xyz", out));
    EXPECT_EQ(out.text(), "sha512:" + kHex128);
}

TEST(Digest, EveryWrongByteAtEveryPlaceIsRefused) {
    const std::string good = "sha256:" + kHex64;
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (int c = 0; c < 256; ++c) {
            auto text = good;
            text[i] = static_cast<char>(c);
            bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            bool expected = text == good || (i >= 7 && hex);
            Digest out;
            ASSERT_EQ(Digest::parse(text, out), expected)
                << "byte " << i << " value " << c;
        }
    }
}

TEST(Digest, AlgorithmNamesTellSyntaxFromSupport) {
    EXPECT_EQ(*parse_algorithm("sha256"), Algorithm::sha256);
    EXPECT_EQ(*parse_algorithm("sha512"), Algorithm::sha512);
    for (auto name : {"blake3", "sha384", "multihash+base58", "a.b_c-d"}) {
        auto result = parse_algorithm(name);
        ASSERT_FALSE(result) << name;
        EXPECT_EQ(result.error().code, Code::unsupported) << name;
    }
    for (auto name : {"", "SHA256", "+a", "a+", "a++b", "a b", "sha256:"}) {
        auto result = parse_algorithm(name);
        ASSERT_FALSE(result) << name;
        EXPECT_EQ(result.error().code, Code::invalid_argument) << name;
    }
}

TEST(Digest, FromRawPrintsWhatParseReads) {
    std::array<std::uint8_t, 64> raw;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        raw[i] = static_cast<std::uint8_t>(i * 37 + 1);
    }
    for (auto algorithm : {Algorithm::sha256, Algorithm::sha512}) {
        auto digest = Digest::from_raw(algorithm, raw);
        Digest again;
        ASSERT_TRUE(Digest::parse(digest.text(), again));
        EXPECT_EQ(again, digest);
        EXPECT_EQ(again.algorithm(), algorithm);
        EXPECT_EQ(digest.encoded().substr(0, 4), "0126");
        EXPECT_EQ(digest.encoded().size(), encoded_length(algorithm));
    }
}

TEST(Digest, OrderIsThatOfTheText) {
    auto a = *Digest::parse("sha256:" + kHex64);
    auto b = *Digest::parse("sha512:" + kHex128);
    EXPECT_TRUE(a < b);
    EXPECT_FALSE(b < a);
    EXPECT_FALSE(a == b);
}

}  // namespace
}  // namespace longshore
