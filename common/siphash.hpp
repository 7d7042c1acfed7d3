// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, "SipHash: a
// fast short-input PRF", and its 128-bit variant): names things by a key that
// nobody else has, in a tenth of the time of a cryptographic hash. Whoever has
// the key can look for an input of a given output: the output is no secret's
// safe place outside the memory that the key is in.
// One object is used by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace longshore {

class SipHash {
public:
    using Key = std::array<std::uint8_t, 16>;
    using Output = std::array<std::uint64_t, 2>;  // little-endian

    explicit SipHash(const Key& key) noexcept;

    void update(std::string_view text) noexcept;

    /// Of everything so far. Nothing may be added after it.
    Output finish() noexcept;

private:
    void round() noexcept;
    void word(std::uint64_t value) noexcept;
    void byte(char value) noexcept;

    std::uint64_t v0_, v1_, v2_, v3_;
    std::uint64_t tail_ = 0;  // the bytes that make no word yet
    std::uint64_t size_ = 0;
};

}  // namespace longshore
