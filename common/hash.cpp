#include "common/hash.hpp"

#include <algorithm>
#include <cstring>

// The low-level calls are deprecated in OpenSSL 3.0 in favour of EVP, which
// cannot save its state; see hash.hpp.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace longshore {

std::size_t block_size(Algorithm algorithm) noexcept {
    return algorithm == Algorithm::sha256 ? SHA256_CBLOCK : SHA512_CBLOCK;
}

Hash::Hash(Algorithm algorithm) noexcept : algorithm_(algorithm) {
    if (algorithm_ == Algorithm::sha256) {
        SHA256_Init(&sha256_);
    } else {
        SHA512_Init(&sha512_);
    }
}

Hash::Hash(const HashState& state) noexcept : Hash(state.algorithm) {
    auto tail = static_cast<unsigned>(state.bytes % block_size(algorithm_));
    if (algorithm_ == Algorithm::sha256) {
        for (std::size_t i = 0; i < 8; ++i) {
            sha256_.h[i] = static_cast<SHA_LONG>(state.chain[i]);
        }
        // Nl and Nh count bits.
        sha256_.Nl = static_cast<SHA_LONG>(state.bytes << 3);
        sha256_.Nh = static_cast<SHA_LONG>(state.bytes >> 29);
        std::memcpy(sha256_.data, state.tail.data(), tail);
        sha256_.num = tail;
    } else {
        for (std::size_t i = 0; i < 8; ++i) {
            sha512_.h[i] = state.chain[i];
        }
        sha512_.Nl = state.bytes << 3;
        sha512_.Nh = state.bytes >> 61;
        std::memcpy(sha512_.u.p, state.tail.data(), tail);
        sha512_.num = tail;
    }
}

void Hash::update(const void* data, std::size_t size) noexcept {
    if (algorithm_ == Algorithm::sha256) {
        SHA256_Update(&sha256_, data, size);
    } else {
        SHA512_Update(&sha512_, data, size);
    }
}

HashState Hash::state() const noexcept {
    HashState state;
    state.algorithm = algorithm_;
    if (algorithm_ == Algorithm::sha256) {
        std::copy_n(sha256_.h, 8, state.chain.begin());
        state.bytes =
            (static_cast<std::uint64_t>(sha256_.Nh) << 29) | (sha256_.Nl >> 3);
        std::memcpy(state.tail.data(), sha256_.data, sha256_.num);
    } else {
        std::copy_n(sha512_.h, 8, state.chain.begin());
        state.bytes = (sha512_.Nh << 61) | (sha512_.Nl >> 3);
        std::memcpy(state.tail.data(), sha512_.u.p, sha512_.num);
    }
    return state;
}

Digest Hash::digest() const noexcept {
    std::array<std::uint8_t, SHA512_DIGEST_LENGTH> raw;
    if (algorithm_ == Algorithm::sha256) {
        SHA256_CTX copy = sha256_;
        SHA256_Final(raw.data(), &copy);
    } else {
        SHA512_CTX copy = sha512_;
        SHA512_Final(raw.data(), &copy);
    }
    return Digest::from_raw(algorithm_, raw);
}

Digest digest_of(Algorithm algorithm, std::string_view bytes) noexcept {
    Hash hash(algorithm);
    hash.update(bytes);
    return hash.digest();
}

}  // namespace longshore
