// Running SHA-256 and SHA-512 whose midstate can be saved and restored, so
// that an upload goes on in another worker, a reloaded nginx or a rebooted
// host. libcrypto's low-level contexts are used because EVP does not export
// its state; they run at the same speed.
// One object is used by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include <openssl/sha.h>

#include "common/digest.hpp"

namespace longshore {

/// Midstate of one running hash: chaining value, bytes hashed, bytes of the
/// unfinished block. Big enough for either algorithm; `chain` holds 8 words
/// (32-bit words widened for sha256).
struct HashState {
    Algorithm algorithm = Algorithm::sha256;
    std::array<std::uint64_t, 8> chain = {};
    std::uint64_t bytes = 0;
    std::array<std::uint8_t, 128> tail = {};  // bytes % block size are valid
};

/// 64 or 128.
std::size_t block_size(Algorithm algorithm) noexcept;

class Hash {
public:
    explicit Hash(Algorithm algorithm) noexcept;

    /// Continues from a saved state.
    explicit Hash(const HashState& state) noexcept;

    Algorithm algorithm() const noexcept { return algorithm_; }
    void update(const void* data, std::size_t size) noexcept;
    void update(std::string_view text) noexcept {
        update(text.data(), text.size());
    }

    /// The state so far; the object may go on.
    HashState state() const noexcept;

    /// Digest of what was hashed so far; the object may go on.
    Digest digest() const noexcept;

private:
    Algorithm algorithm_;
    union {
        SHA256_CTX sha256_;
        SHA512_CTX sha512_;
    };
};

/// One-shot.
Digest digest_of(Algorithm algorithm, std::string_view bytes) noexcept;

}  // namespace longshore
