#include "common/siphash.hpp"

#include <array>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "common/encoding.hpp"

namespace longshore {
namespace {

// The key 00 01 … 0f, as in the vectors of the algorithm's authors.
SipHash::Key counting_key() {
    SipHash::Key key{};
    for (std::size_t i = 0; i < key.size(); ++i) {
        key[i] = static_cast<std::uint8_t>(i);
    }
    return key;
}

std::string counting(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) {
        text += static_cast<char>(i);
    }
    return text;
}

std::string hex(SipHash::Output output) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), output.data(), bytes.size());
    std::string text(32, '\0');
    hex_encode(bytes, text.data());
    return text;
}

// libcrypto's SIPHASH with size:16 says the same.
TEST(SipHash, KnownAnswers) {
    const std::array<std::pair<std::size_t, const char*>, 6> known = {{
        {0, "a3817f04ba25a8e66df67214c7550293"},
        {1, "da87c1d86b99af44347659119b22fc45"},
        {7, "a1f1ebbed8dbc153c0b84aa61ff08239"},
        {8, "3b62a9ba6258f5610f83e264f31497b4"},
        {9, "264499060ad9baabc47f8b02bb6d71ed"},
        {63, "5150d1772f50834a503e069a973fbd7c"},
    }};
    for (const auto& [size, answer] : known) {
        SipHash hash(counting_key());
        hash.update(counting(size));
        EXPECT_EQ(hex(hash.finish()), answer) << size;
    }
}

TEST(SipHash, PiecesDoNotMatter) {
    const auto text = counting(40);
    SipHash whole(counting_key());
    whole.update(text);
    const auto wanted = whole.finish();
    for (std::size_t first = 0; first <= text.size(); ++first) {
        for (std::size_t next = first; next <= text.size(); ++next) {
            SipHash hash(counting_key());
            const std::string_view all = text;
            hash.update(all.substr(0, first));
            hash.update(all.substr(first, next - first));
            hash.update(all.substr(next));
            EXPECT_EQ(hash.finish(), wanted) << first << " " << next;
        }
    }
}

TEST(SipHash, EveryBitOfTheKeyCounts) {
    SipHash usual(counting_key());
    const auto wanted = usual.finish();
    for (std::size_t bit = 0; bit < 128; ++bit) {
        auto key = counting_key();
        key[bit / 8] = static_cast<std::uint8_t>(key[bit / 8] ^ 1 << bit % 8);
        SipHash hash(key);
        EXPECT_NE(hash.finish(), wanted) << bit;
    }
}

}  // namespace
}  // namespace longshore
