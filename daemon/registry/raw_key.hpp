// RawKey: keys without a container of their own, for formats that sign bytes:
// RSA (PKCS #1 v1.5 with SHA-256, RFC 8017 section 8.2) and Ed25519 (RFC 8032
// section 5.1), over libcrypto. A key never changes: any thread may use one,
// several at a time too.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "registry/sealed.hpp"

struct evp_pkey_st;

namespace longshore {

class RawKey {
public:
    /// `algorithm`: "rsa3072" "rsa4096" "ed25519". RSA takes a second or more.
    /// @errors invalid_argument (algorithm), internal (no entropy, memory)
    static Result<RawKey> make(std::string_view algorithm);

    /// Of what secret() gave. @errors corrupt
    static Result<RawKey> read(const SecretBytes& secret);

    /// PKCS #8 (RFC 5958), DER. @errors internal
    Result<SecretBytes> secret() const;

    /// SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), PEM.
    /// @errors internal
    Result<std::string> public_pem() const;

    /// SHA-256 of the same as DER, lower-case hex. @errors internal
    Result<std::string> fingerprint() const;

    /// The signature's bytes. @errors internal
    Result<std::string> sign(std::string_view bytes) const;

private:
    explicit RawKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

    std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace longshore
