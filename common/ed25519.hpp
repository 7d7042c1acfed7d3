// Ed25519 signatures (RFC 8032 section 5.1) over libcrypto. What libcrypto
// does with the secret key takes the same time whatever the key is; all that
// verifying looks at is public. Keys are values that never change: any thread
// may use one, several at a time too.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/result.hpp"

struct evp_pkey_st;

namespace longshore {

/// A public key, or the seed of a secret one (RFC 8032 section 5.1.5).
using Ed25519Bytes = std::array<std::uint8_t, 32>;
/// R and S (RFC 8032 section 5.1.6).
using Ed25519Signature = std::array<std::uint8_t, 64>;

class VerifyingKey {
public:
    /// Any 32 bytes make a key; bytes that are no point verify nothing.
    /// @errors internal (out of memory)
    static Result<VerifyingKey> from_bytes(const Ed25519Bytes& bytes);

    /// True when `signature` over `message` was made with the secret key of
    /// this one. Leaves nothing in libcrypto's queue of errors, where nginx's
    /// TLS would take it for its own.
    bool verify(std::string_view message,
                const Ed25519Signature& signature) const noexcept;

    const Ed25519Bytes& bytes() const noexcept { return bytes_; }

private:
    VerifyingKey(std::shared_ptr<evp_pkey_st> key, const Ed25519Bytes& bytes)
        : key_(std::move(key)), bytes_(bytes) {}

    std::shared_ptr<evp_pkey_st> key_;
    Ed25519Bytes bytes_;
};

class SigningKey {
public:
    /// A new key from libcrypto's generator.
    /// @errors internal (no entropy, out of memory)
    static Result<SigningKey> generate();

    /// The key of this seed; the caller wipes its own copy.
    /// @errors internal (out of memory)
    static Result<SigningKey> from_seed(const Ed25519Bytes& seed);

    /// @errors internal (out of memory)
    Result<Ed25519Signature> sign(std::string_view message) const;

    const Ed25519Bytes& public_key() const noexcept { return public_key_; }

    /// What from_seed() takes, to be stored where only the daemon reads it.
    /// @errors internal (out of memory)
    Result<Ed25519Bytes> seed() const;

private:
    SigningKey(std::shared_ptr<evp_pkey_st> key, const Ed25519Bytes& public_key)
        : key_(std::move(key)), public_key_(public_key) {}
    static Result<SigningKey> of(std::shared_ptr<evp_pkey_st> key);

    std::shared_ptr<evp_pkey_st> key_;
    Ed25519Bytes public_key_;
};

}  // namespace longshore
