// Vectors from Python's hashlib over bytes 0, 1, 2 … (mod 251).
#include "common/extra_hashes.hpp"

#include <gtest/gtest.h>

#include "common/protocol.hpp"

namespace longshore {
namespace {

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<char>(i % 251);
    }
    return bytes;
}

std::vector<std::string> hash(std::string_view bytes, std::uint8_t algorithms,
                              std::size_t step) {
    ExtraHashes hashes(algorithms);
    for (std::size_t i = 0; i < bytes.size(); i += step) {
        auto part = bytes.substr(i, step);
        hashes.update(part.data(), part.size());
    }
    return hashes.finish();
}

TEST(ExtraHashes, MatchVectors) {
    EXPECT_EQ(hash(pattern(0), kMd5 | kBlake2b256, 4096),
              (std::vector<std::string>{"md5:d41d8cd98f00b204e9800998ecf8427e",
                                        "blake2b-256:"
                                        "0e5751c026e543b2e8ab2eb06099daa1d1e5df"
                                        "47778f7787faab45cdf12fe3a8"}));
    EXPECT_EQ(hash(pattern(1), kMd5 | kBlake2b256, 4096),
              (std::vector<std::string>{"md5:93b885adfe0da089cdf634904fd59f71",
                                        "blake2b-256:"
                                        "03170a2e7597b7b7e3d84c05391d139a62b157"
                                        "e78786d8c082f29dcf4c111314"}));
    EXPECT_EQ(hash(pattern(128), kMd5 | kBlake2b256, 4096),
              (std::vector<std::string>{"md5:37eff01866ba3f538421b30b7cbefcac",
                                        "blake2b-256:"
                                        "c3582f71ebb2be66fa5dd750f80baae97554f3"
                                        "b015663c8be377cfcb2488c1d1"}));
    EXPECT_EQ(hash(pattern(129), kMd5 | kBlake2b256, 4096),
              (std::vector<std::string>{"md5:46f986692847558fc38b0cece591c20f",
                                        "blake2b-256:"
                                        "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4a"
                                        "a6a20652a9f9a337c1a2f5b9c9"}));
    EXPECT_EQ(hash(pattern(1000), kMd5 | kBlake2b256, 4096),
              (std::vector<std::string>{"md5:a24f1e3ef66950e1327f210e3997ba2c",
                                        "blake2b-256:"
                                        "b372d0608f720c8c3dd41e9c8eecb10143b41a"
                                        "be520b616607e754bf79c08331"}));
    EXPECT_EQ(
        hash(pattern(1000), kSha1 | kSha512, 4096),
        (std::vector<std::string>{
            "sha1:c9c960a0b925474fab83942cc27d504fc24ac37b",
            "sha512:"
            "5096498d96f50f9a137c4db5b8b0cd38383ad55350fb5a98805fedc31fa1262f"
            "1f0cf4d6f12d7ecd8dedd933a4c9126344fe22e937a8ad35fdeae1e876ae698"
            "b"}));
}

TEST(ExtraHashes, DoNotDependOnHowTheBytesCome) {
    auto bytes = pattern(1000);
    auto whole = hash(bytes, 15, 1000);
    ASSERT_EQ(whole.size(), 4U);
    for (std::size_t step : {1U, 7U, 64U, 127U, 128U, 129U, 999U}) {
        EXPECT_EQ(hash(bytes, 15, step), whole) << step;
    }
}

TEST(ExtraHashes, OnlyThoseThatAreAskedFor) {
    EXPECT_TRUE(hash("a", 0, 1).empty());
    auto one = hash("a", kSha1, 1);
    ASSERT_EQ(one.size(), 1U);
    EXPECT_TRUE(one[0].starts_with("sha1:"));
}

}  // namespace
}  // namespace longshore
