// The few packets of OpenPGP that signing needs, over libcrypto: librnp takes
// six times as long for an RSA signature, and need not be loaded for one.
// Pure functions and values; any thread.
// @errors of all functions here: internal (libcrypto), others where said.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "registry/sealed.hpp"

struct evp_pkey_st;
struct evp_md_ctx_st;

namespace longshore {

/// SHA-1 over a version 4 key, RFC 4880 section 12.2.
using OpenPgpFingerprint = std::array<std::uint8_t, 20>;

/// Packets as text, with their checksum: RFC 4880 section 6.2. `what` as in
/// "SIGNATURE" or "PUBLIC KEY BLOCK".
std::string openpgp_armor(std::string_view what, std::string_view packets);

/// SHA-512 over what is signed, before a signature's own part.
class OpenPgpHash {
public:
    OpenPgpHash();
    ~OpenPgpHash();
    OpenPgpHash(const OpenPgpHash&) = delete;
    OpenPgpHash& operator=(const OpenPgpHash&) = delete;

    void add(std::string_view bytes) noexcept;

private:
    friend class OpenPgpPart;
    evp_md_ctx_st* context_;
    bool failed_ = false;
};

/// The part of a key that signs: RSA, or Ed25519 of the EdDSA draft.
class OpenPgpPart {
public:
    /// Of a secret key or subkey packet that is not encrypted (RFC 4880
    /// section 5.5.3). @errors unsupported (another algorithm or version),
    /// corrupt
    static Result<OpenPgpPart> read(std::string_view packet);

    /// Of what save() wrote in front. `rest` becomes what is behind it.
    /// @errors corrupt
    static Result<OpenPgpPart> load(std::string_view saved,
                                    std::string_view& rest);
    /// Fingerprint, length (4 bytes, big-endian) and PKCS #8, at the end.
    Result<void> save(SecretBytes& out) const;

    /// A signature packet (RFC 4880 section 5.2.3) of type 0x00 (binary
    /// document) or 0x01 (canonical text), made now.
    Result<std::string> sign(const OpenPgpHash& hash, std::uint8_t type) const;

    const OpenPgpFingerprint& fingerprint() const noexcept {
        return fingerprint_;
    }

private:
    OpenPgpPart(std::shared_ptr<evp_pkey_st> key,
                const OpenPgpFingerprint& fingerprint)
        : key_(std::move(key)), fingerprint_(fingerprint) {}
    Result<std::string> numbers(std::string_view digest) const;

    std::shared_ptr<evp_pkey_st> key_;
    OpenPgpFingerprint fingerprint_;
};

}  // namespace longshore
