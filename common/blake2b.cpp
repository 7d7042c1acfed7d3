#include "common/blake2b.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace longshore {
namespace {

constexpr std::array<std::uint64_t, 8> kStart = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
    0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
    0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

// RFC 7693 section 2.7; rounds 10 and 11 repeat the first two.
constexpr std::uint8_t kSigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

struct Mixer {
    std::array<std::uint64_t, 16> v;

    void mix(std::size_t a, std::size_t b, std::size_t c, std::size_t d,
             std::uint64_t x, std::uint64_t y) noexcept {
        v[a] += v[b] + x;
        v[d] = std::rotr(v[d] ^ v[a], 32);
        v[c] += v[d];
        v[b] = std::rotr(v[b] ^ v[c], 24);
        v[a] += v[b] + y;
        v[d] = std::rotr(v[d] ^ v[a], 16);
        v[c] += v[d];
        v[b] = std::rotr(v[b] ^ v[c], 63);
    }
};

}  // namespace

Blake2b256::Blake2b256() noexcept : state_(kStart) {
    // Parameter block: 32 bytes of output, no key, fan-out and depth of 1.
    state_[0] ^= 0x01010000 ^ sizeof(Output);
}

void Blake2b256::update(const void* data, std::size_t size) noexcept {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    while (size > 0) {
        // The last block is known only at the end, so a full one waits.
        if (used_ == kBlock) {
            bytes_ += kBlock;
            compress(false);
            used_ = 0;
        }
        auto taken = std::min(size, kBlock - used_);
        std::memcpy(block_.data() + used_, bytes, taken);
        used_ += taken;
        bytes += taken;
        size -= taken;
    }
}

Blake2b256::Output Blake2b256::finish() noexcept {
    bytes_ += used_;
    std::fill(block_.begin() + static_cast<std::ptrdiff_t>(used_), block_.end(),
              std::uint8_t{0});
    compress(true);
    Output out;
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(state_[i / 8] >> (8 * (i % 8)));
    }
    return out;
}

void Blake2b256::compress(bool last) noexcept {
    std::array<std::uint64_t, 16> m;
    for (std::size_t i = 0; i < m.size(); ++i) {
        m[i] = 0;
        for (std::size_t k = 8; k > 0; --k) {
            m[i] = m[i] << 8 | block_[i * 8 + k - 1];
        }
    }
    Mixer mixer;
    std::copy(state_.begin(), state_.end(), mixer.v.begin());
    std::copy(kStart.begin(), kStart.end(), mixer.v.begin() + 8);
    mixer.v[12] ^= bytes_;
    mixer.v[14] ^= last ? ~std::uint64_t{0} : 0;
    for (std::size_t round = 0; round < 12; ++round) {
        const auto* s = kSigma[round % 10];
        mixer.mix(0, 4, 8, 12, m[s[0]], m[s[1]]);
        mixer.mix(1, 5, 9, 13, m[s[2]], m[s[3]]);
        mixer.mix(2, 6, 10, 14, m[s[4]], m[s[5]]);
        mixer.mix(3, 7, 11, 15, m[s[6]], m[s[7]]);
        mixer.mix(0, 5, 10, 15, m[s[8]], m[s[9]]);
        mixer.mix(1, 6, 11, 12, m[s[10]], m[s[11]]);
        mixer.mix(2, 7, 8, 13, m[s[12]], m[s[13]]);
        mixer.mix(3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (std::size_t i = 0; i < state_.size(); ++i) {
        state_[i] ^= mixer.v[i] ^ mixer.v[i + 8];
    }
}

}  // namespace longshore
