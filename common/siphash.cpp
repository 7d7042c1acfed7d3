#include "common/siphash.hpp"

#include <bit>
#include <cstring>

namespace longshore {
namespace {

static_assert(std::endian::native == std::endian::little,
              "words are read as they lie in memory");

std::uint64_t load(const void* bytes) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof(word));
    return word;
}

}  // namespace

SipHash::SipHash(const Key& key) noexcept
    : v0_(load(key.data()) ^ 0x736f6d6570736575),
      v1_(load(key.data() + 8) ^ 0x646f72616e646f6d ^ 0xee),
      v2_(load(key.data()) ^ 0x6c7967656e657261),
      v3_(load(key.data() + 8) ^ 0x7465646279746573) {}

// In line: else the state goes through memory with each round.
[[gnu::always_inline]] inline void SipHash::round() noexcept {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
}

[[gnu::always_inline]] inline void SipHash::word(std::uint64_t value) noexcept {
    v3_ ^= value;
    round();
    round();
    v0_ ^= value;
}

void SipHash::byte(char value) noexcept {
    tail_ |= std::uint64_t{static_cast<unsigned char>(value)}
             << (size_ % 8 * 8);
    if (++size_ % 8 == 0) {
        word(tail_);
        tail_ = 0;
    }
}

void SipHash::update(std::string_view text) noexcept {
    while (size_ % 8 != 0 && !text.empty()) {
        byte(text.front());
        text.remove_prefix(1);
    }
    while (text.size() >= 8) {
        word(load(text.data()));
        size_ += 8;
        text.remove_prefix(8);
    }
    for (char c : text) {
        byte(c);
    }
}

SipHash::Output SipHash::finish() noexcept {
    word(size_ << 56 | tail_);
    v2_ ^= 0xee;
    auto four_rounds = [this] {
        for (int i = 0; i < 4; ++i) {
            round();
        }
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    };
    Output out{};
    out[0] = four_rounds();
    v1_ ^= 0xdd;
    out[1] = four_rounds();
    return out;
}

}  // namespace longshore
