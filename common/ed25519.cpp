#include "common/ed25519.hpp"

#include <utility>

#include <openssl/err.h>
#include <openssl/evp.h>

namespace longshore {
namespace {

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

// What libcrypto says of a failure is forgotten: the caller is told.
class QuietErrors {
public:
    QuietErrors() noexcept { ERR_set_mark(); }
    ~QuietErrors() { ERR_pop_to_mark(); }
    QuietErrors(const QuietErrors&) = delete;
    QuietErrors& operator=(const QuietErrors&) = delete;
};

std::shared_ptr<EVP_PKEY> owned(EVP_PKEY* key) {
    return {key, EVP_PKEY_free};
}

const unsigned char* bytes_of(std::string_view text) noexcept {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Error failure(std::string what) {
    return {Code::internal, "libcrypto could not " + std::move(what)};
}

}  // namespace

Result<VerifyingKey> VerifyingKey::from_bytes(const Ed25519Bytes& bytes) {
    const QuietErrors quiet;
    auto key = owned(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                                 bytes.data(), bytes.size()));
    if (key == nullptr) {
        return failure("take a public key");
    }
    return VerifyingKey(std::move(key), bytes);
}

bool VerifyingKey::verify(std::string_view message,
                          const Ed25519Signature& signature) const noexcept {
    const QuietErrors quiet;
    const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    return context != nullptr &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr,
                                key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                            bytes_of(message), message.size()) == 1;
}

Result<SigningKey> SigningKey::of(std::shared_ptr<evp_pkey_st> key) {
    Ed25519Bytes bytes = {};
    std::size_t size = bytes.size();
    if (key == nullptr ||
        EVP_PKEY_get_raw_public_key(key.get(), bytes.data(), &size) != 1 ||
        size != bytes.size()) {
        return failure("make a signing key");
    }
    return SigningKey(std::move(key), bytes);
}

Result<SigningKey> SigningKey::generate() {
    const QuietErrors quiet;
    return of(owned(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
}

Result<SigningKey> SigningKey::from_seed(const Ed25519Bytes& seed) {
    const QuietErrors quiet;
    return of(owned(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                                 seed.data(), seed.size())));
}

Result<Ed25519Signature> SigningKey::sign(std::string_view message) const {
    const QuietErrors quiet;
    const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    Ed25519Signature signature = {};
    std::size_t size = signature.size();
    if (context == nullptr ||
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr,
                           key_.get()) != 1 ||
        EVP_DigestSign(context.get(), signature.data(), &size,
                       bytes_of(message), message.size()) != 1 ||
        size != signature.size()) {
        return failure("sign");
    }
    return signature;
}

Result<Ed25519Bytes> SigningKey::seed() const {
    const QuietErrors quiet;
    Ed25519Bytes seed = {};
    std::size_t size = seed.size();
    if (EVP_PKEY_get_raw_private_key(key_.get(), seed.data(), &size) != 1 ||
        size != seed.size()) {
        return failure("give back a seed");
    }
    return seed;
}

}  // namespace longshore
