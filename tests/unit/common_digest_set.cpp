#include "common/digest_set.hpp"

#include <string>

#include <gtest/gtest.h>

#include "common/encoding.hpp"
#include "common/protocol.hpp"

namespace longshore {
namespace {

std::string hex(const Blake2b256::Value& value) {
    std::string out(2 * value.size(), '\0');
    hex_encode(value, out.data());
    return out;
}

std::string blake2b(std::string_view bytes) {
    Blake2b256 hash;
    hash.update(bytes);
    return hex(hash.value());
}

// 0, 1, 2 … as the test vectors of the reference implementation count.
std::string counted(std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) {
        bytes += static_cast<char>(i % 251);
    }
    return bytes;
}

// From b2sum --length=256 and Python's hashlib.blake2b(digest_size=32).
TEST(Blake2b256, Vectors) {
    EXPECT_EQ(
        blake2b(""),
        "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    EXPECT_EQ(
        blake2b("abc"),
        "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    EXPECT_EQ(
        blake2b(counted(127)),
        "f2fe67ff342e21b8f45e8f2e0bcd1d9243245d50ee6c78042e9c491388791c72");
    EXPECT_EQ(
        blake2b(counted(128)),
        "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1");
    EXPECT_EQ(
        blake2b(counted(129)),
        "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4aa6a20652a9f9a337c1a2f5b9c9");
    EXPECT_EQ(
        blake2b(counted(256)),
        "582f782226018ec33076bd8d1c42413530ac7e1126260ffc0f306ba3befc3f24");
    EXPECT_EQ(
        blake2b(counted(1000)),
        "b372d0608f720c8c3dd41e9c8eecb10143b41abe520b616607e754bf79c08331");
}

TEST(Blake2b256, PiecesDoNotMatter) {
    for (std::size_t size :
         {0u, 1u, 127u, 128u, 129u, 255u, 256u, 257u, 700u}) {
        auto bytes = counted(size);
        for (std::size_t piece : {1u, 3u, 64u, 127u, 128u, 129u, 200u}) {
            Blake2b256 hash;
            for (std::size_t at = 0; at < size; at += piece) {
                hash.update(std::string_view(bytes).substr(at, piece));
                hash.update("");
                (void)hash.value();  // it may go on
            }
            EXPECT_EQ(hex(hash.value()), blake2b(bytes)) << size << piece;
        }
    }
}

TEST(DigestSet, OnlyThoseAskedForInOrder) {
    DigestSet none(0);
    none.update("abc");
    EXPECT_TRUE(none.is_valid());
    EXPECT_EQ(none.sha256(), digest_of(Algorithm::sha256, "abc"));
    EXPECT_TRUE(none.texts().empty());

    DigestSet all(kMd5 | kSha1 | kSha512 | kBlake2b256);
    all.update("a");
    all.update("bc");
    ASSERT_TRUE(all.is_valid());
    EXPECT_EQ(all.sha256(), digest_of(Algorithm::sha256, "abc"));
    auto texts = all.texts();
    ASSERT_EQ(texts.size(), 4u);
    EXPECT_EQ(texts[0], "md5:900150983cd24fb0d6963f7d28e17f72");
    EXPECT_EQ(texts[1], "sha1:a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(texts[2], digest_of(Algorithm::sha512, "abc").text());
    EXPECT_EQ(texts[3], "blake2b-256:" + blake2b("abc"));

    DigestSet one(kSha1);
    one.update("abc");
    EXPECT_EQ(one.texts(), std::vector<std::string>{texts[1]});
}

}  // namespace
}  // namespace longshore
