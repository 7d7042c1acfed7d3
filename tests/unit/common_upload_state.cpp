#include "common/upload_state.hpp"

#include <string>

#include <gtest/gtest.h>

namespace longshore {
namespace {

UploadState state_after(Algorithm algorithm, std::size_t bytes) {
    Hash hash(algorithm);
    hash.update(std::string(bytes, 'x'));
    return {bytes, hash.state()};
}

class UploadStateOf : public testing::TestWithParam<Algorithm> {};

TEST_P(UploadStateOf, GoesOnWhereItWasLeft) {
    for (std::size_t bytes :
         {0u, 1u, 63u, 64u, 65u, 127u, 128u, 129u, 100000u}) {
        auto record = encode_upload_state(state_after(GetParam(), bytes));
        auto state = decode_upload_state(record);
        ASSERT_TRUE(state) << bytes;
        EXPECT_EQ(state->offset, bytes);
        EXPECT_EQ(state->hash.algorithm, GetParam());
        Hash hash(state->hash);
        hash.update("more");
        EXPECT_EQ(hash.digest(),
                  digest_of(GetParam(), std::string(bytes, 'x') + "more"));
        EXPECT_EQ(encode_upload_state(*state), record);
    }
}

TEST_P(UploadStateOf, NewOneIsTheHashOfNothing) {
    auto state = new_upload_state(GetParam());
    EXPECT_EQ(state.offset, 0u);
    EXPECT_EQ(Hash(state.hash).digest(), digest_of(GetParam(), ""));
    EXPECT_TRUE(decode_upload_state(encode_upload_state(state)));
}

TEST_P(UploadStateOf, TornAtEveryByteIsRefused) {
    for (std::size_t bytes : {0u, 100u}) {
        auto record = encode_upload_state(state_after(GetParam(), bytes));
        for (std::size_t size = 0; size < record.size(); ++size) {
            auto torn = record.substr(0, size);
            EXPECT_FALSE(decode_upload_state(torn)) << size;
            // What a crash leaves behind when only the size was journaled.
            torn.resize(record.size(), '\0');
            if (torn != record) {
                EXPECT_FALSE(decode_upload_state(torn)) << size;
            }
        }
        EXPECT_FALSE(decode_upload_state(record + '\0'));
        EXPECT_FALSE(decode_upload_state(record + record));
    }
}

TEST_P(UploadStateOf, EveryBitCounts) {
    auto record = encode_upload_state(state_after(GetParam(), 77));
    for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
        auto bad = record;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_FALSE(decode_upload_state(bad)) << bit;
    }
}

// A record whose check is right but whose content makes no sense: from a
// program of another version.
std::string checked(const std::string& body) {
    auto check = digest_of(Algorithm::sha256, body);
    return body + std::string(check.encoded().substr(0, 16));
}

TEST_P(UploadStateOf, RightCheckOverWrongContentIsRefused) {
    auto record = encode_upload_state(state_after(GetParam(), 77));
    auto body = record.substr(0, record.size() - 16);
    ASSERT_EQ(checked(body), record);
    auto changed = [&](std::size_t place, char value) {
        auto other = body;
        other[place] = value;
        return decode_upload_state(checked(other));
    };
    EXPECT_FALSE(changed(0, 'X'));  // magic
    EXPECT_FALSE(changed(4, 2));    // version
    EXPECT_FALSE(changed(5, 0));    // algorithm
    EXPECT_FALSE(changed(5, 3));
    EXPECT_FALSE(changed(6, 78));  // offset and tail
    EXPECT_FALSE(decode_upload_state(checked(body + "x")));
    EXPECT_FALSE(decode_upload_state(checked(body.substr(0, 20))));
    EXPECT_FALSE(decode_upload_state(checked("")));
}

INSTANTIATE_TEST_SUITE_P(Algorithms, UploadStateOf,
                         testing::Values(Algorithm::sha256, Algorithm::sha512),
                         [](const auto& algorithm) {
                             return std::string(
                                 algorithm_name(algorithm.param));
                         });

}  // namespace
}  // namespace longshore
