#include "registry/raw_key.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "common/hash.hpp"

namespace longshore {
namespace {

struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept {
        EVP_MD_CTX_free(context);
    }
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
    void operator()(PKCS8_PRIV_KEY_INFO* info) const noexcept {
        PKCS8_PRIV_KEY_INFO_free(info);
    }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Error failed(const char* what) {
    return {Code::internal, std::string("libcrypto cannot ") + what};
}

}  // namespace

Result<RawKey> RawKey::make(std::string_view algorithm) {
    EVP_PKEY* key = nullptr;
    if (algorithm == "ed25519") {
        key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    } else if (algorithm == "rsa3072") {
        key = EVP_RSA_gen(3072);
    } else if (algorithm == "rsa4096") {
        key = EVP_RSA_gen(4096);
    } else {
        return Error{Code::invalid_argument,
                     "\"" + std::string(algorithm) +
                         "\" is no algorithm of keys: rsa3072, rsa4096, "
                         "ed25519"};
    }
    if (key == nullptr) {
        return failed("make a key");
    }
    return RawKey(std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free));
}

Result<RawKey> RawKey::read(const SecretBytes& secret) {
    const auto* at = secret.data();
    auto* key =
        d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(secret.size()));
    if (key == nullptr) {
        return Error{Code::corrupt, "the sealed part is no secret key"};
    }
    return RawKey(std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free));
}

Result<SecretBytes> RawKey::secret() const {
    Owned<PKCS8_PRIV_KEY_INFO> info(EVP_PKEY2PKCS8(key_.get()));
    auto size =
        info == nullptr ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr);
    if (size <= 0) {
        return failed("write a secret key");
    }
    SecretBytes out(static_cast<std::size_t>(size));
    auto* at = out.data();
    if (i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at) != size) {
        return failed("write a secret key");
    }
    return out;
}

Result<std::string> RawKey::public_pem() const {
    Owned<BIO> bio(BIO_new(BIO_s_mem()));
    char* text = nullptr;
    if (bio == nullptr || PEM_write_bio_PUBKEY(bio.get(), key_.get()) != 1) {
        return failed("write a public key");
    }
    auto size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

Result<std::string> RawKey::fingerprint() const {
    unsigned char* der = nullptr;
    auto size = i2d_PUBKEY(key_.get(), &der);
    if (size <= 0) {
        return failed("write a public key");
    }
    auto digest = digest_of(
        Algorithm::sha256,
        {reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return std::string(digest.encoded());
}

Result<std::string> RawKey::sign(std::string_view bytes) const {
    Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    const auto* hash = EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA
                           ? EVP_sha256()
                           : nullptr;
    const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t size = 0;
    // The padding is that of PKCS #1 v1.5 unless something else is asked for.
    if (context == nullptr ||
        EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get()) !=
            1 ||
        EVP_DigestSign(context.get(), nullptr, &size, from, bytes.size()) !=
            1) {
        return failed("sign");
    }
    std::string out(size, '\0');
    if (EVP_DigestSign(context.get(),
                       reinterpret_cast<unsigned char*>(out.data()), &size,
                       from, bytes.size()) != 1) {
        return failed("sign");
    }
    out.resize(size);
    return out;
}

}  // namespace longshore
