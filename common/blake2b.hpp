// BLAKE2b with 32 bytes of output, which libcrypto 3.0 cannot be asked for
// (its length is part of what is hashed). Specification: RFC 7693.
// One object is used by one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace longshore {

class Blake2b256 {
public:
    using Output = std::array<std::uint8_t, 32>;

    Blake2b256() noexcept;

    void update(const void* data, std::size_t size) noexcept;

    /// Of everything so far. Nothing may be added after it.
    Output finish() noexcept;

private:
    void compress(bool last) noexcept;

    static constexpr std::size_t kBlock = 128;
    std::array<std::uint64_t, 8> state_;
    std::array<std::uint8_t, kBlock> block_ = {};
    std::size_t used_ = 0;     // bytes in block_
    std::uint64_t bytes_ = 0;  // compressed, and those in block_ at the end
};

}  // namespace longshore
