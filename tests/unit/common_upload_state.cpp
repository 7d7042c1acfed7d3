#include "common/upload_state.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace longshore {
namespace {

UploadState state_after(Algorithm algorithm, std::size_t bytes) {
    Hash hash(algorithm);
    hash.update(std::string(bytes, 'x'));
    return {7, bytes, hash.state()};
}

class UploadStateOf : public testing::TestWithParam<Algorithm> {};

TEST_P(UploadStateOf, GoesOnWhereItWasLeft) {
    for (std::size_t bytes :
         {0u, 1u, 63u, 64u, 65u, 127u, 128u, 129u, 100000u}) {
        auto record = encode_upload_state(state_after(GetParam(), bytes));
        auto state = decode_upload_state(record);
        ASSERT_TRUE(state) << bytes;
        EXPECT_EQ(state->generation, 7u);
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
    EXPECT_EQ(state.generation, 0u);
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
        EXPECT_TRUE(decode_upload_state(record + '\0'));
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
    EXPECT_FALSE(changed(4, 1));    // version
    EXPECT_FALSE(changed(5, 0));    // algorithm
    EXPECT_FALSE(changed(5, 3));
    EXPECT_FALSE(changed(14, 76));  // offset within a longer tail
    EXPECT_TRUE(changed(14, 78));   // a zero is as good a byte as any
    EXPECT_FALSE(decode_upload_state(checked(body.substr(0, 20))));
    EXPECT_FALSE(decode_upload_state(checked("")));
    EXPECT_FALSE(changed(21, 0x20));  // 2^61 bytes and 77
}

// The file after `states` were written in turn, as an upload does.
std::string file_after(const std::vector<UploadState>& states) {
    std::string file(kUploadStateBytes, '\0');
    for (const auto& state : states) {
        auto record = encode_upload_state(state);
        file.replace(upload_slot_offset(state), record.size(), record);
    }
    return file;
}

TEST_P(UploadStateOf, TheNewestSlotCounts) {
    auto first = new_upload_state(GetParam());
    auto second = state_after(GetParam(), 100);
    auto third = state_after(GetParam(), 300);
    second.generation = 1;
    third.generation = 2;
    auto offset_in = [](const std::string& file) {
        auto state = decode_upload_state_file(file);
        return state ? state->offset : 999u;
    };
    EXPECT_EQ(encode_upload_state_file(second), file_after({second}));
    EXPECT_EQ(offset_in(file_after({first})), 0u);
    EXPECT_EQ(offset_in(file_after({first, second})), 100u);
    EXPECT_EQ(offset_in(file_after({first, second, third})), 300u);
    // One slot is all that a session begun elsewhere has.
    EXPECT_EQ(offset_in(file_after({second})), 100u);
}

TEST_P(UploadStateOf, TornWriteLeavesTheOneBefore) {
    auto first = state_after(GetParam(), 100);
    auto second = state_after(GetParam(), 300);
    first.generation = 1;
    second.generation = 2;
    auto before = file_after({new_upload_state(GetParam()), first});
    auto after = file_after({first, second});
    auto size = encode_upload_state(second).size();
    for (std::size_t done = 0; done <= size; ++done) {
        auto torn = after.substr(0, done) + before.substr(done);
        auto state = decode_upload_state_file(torn);
        ASSERT_TRUE(state) << done;
        EXPECT_EQ(state->offset, torn == after ? 300u : 100u) << done;
    }
    EXPECT_FALSE(decode_upload_state_file(""));
    EXPECT_FALSE(decode_upload_state_file(std::string(8192, '\0')));
    // A record in the other's slot is a copy, not a write.
    EXPECT_FALSE(decode_upload_state_file(
        after.substr(0, 4096).insert(0, std::string(4096, '\0'))));
}

INSTANTIATE_TEST_SUITE_P(Algorithms, UploadStateOf,
                         testing::Values(Algorithm::sha256, Algorithm::sha512),
                         [](const auto& algorithm) {
                             return std::string(
                                 algorithm_name(algorithm.param));
                         });

}  // namespace
}  // namespace longshore
