// OpenPGP (RFC 4880; EdDSA as in draft-koch-eddsa-for-openpgp): keys and who
// made a signature, over librnp, which is loaded for these; cleartext and
// detached signatures, over libcrypto. Keys that are made here have one part,
// which certifies and signs: the form that apt, rpm and pacman of every age
// take. Any thread.
// @errors of all functions here: unavailable (librnp is not there, and is
// needed), internal; others where said. Error texts hold nothing of a secret.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "registry/sealed.hpp"

namespace longshore {

/// Bytes of keys, of a signature, and of a text whose signature is in it.
inline constexpr std::size_t kMaxOpenPgpKeys = std::size_t{1} << 20;
inline constexpr std::size_t kMaxOpenPgpSignature = std::size_t{64} << 10;
inline constexpr std::size_t kMaxClearSigned = std::size_t{64} << 20;

enum class OpenPgpArmor : bool { no, yes };

/// A key with its secret part, not encrypted.
struct OpenPgpSecretKey {
    std::string algorithm;    // of what signs: "rsa3072" "ed25519"
    std::string fingerprint;  // of the primary key, upper-case hex
    std::string key_id;       // 16 characters, upper-case hex
    std::string user_id;
    std::int64_t created_at_ms = 0;
    std::int64_t expires_at_ms = 0;  // 0: never
    std::string public_key;          // a transferable one, RFC 4880 11.1
    /// What signs, as OpenPgpPart::save() has it, then all of the key as a
    /// transferable secret key (RFC 4880 section 11.2).
    SecretBytes secret;
};

/// `algorithm`: "rsa3072" "rsa4096" "ed25519". RSA takes a second or more.
/// @errors invalid_argument (algorithm)
Result<OpenPgpSecretKey> make_openpgp_key(std::string_view algorithm,
                                          const std::string& user_id);

/// The one secret key that `bytes` have, armored or not. Parts that cannot
/// sign may lack their secret.
/// @errors invalid_argument (none, several, none that may sign, a weak
/// algorithm, revoked, expired), denied (passphrase), too_large
Result<OpenPgpSecretKey> read_openpgp_key(std::string_view bytes,
                                          const SecretBytes& passphrase);

/// Signs with several keys at once. Never changes.
class OpenPgpSigner {
public:
    /// Of OpenPgpSecretKey::secret. @errors corrupt
    static Result<std::unique_ptr<OpenPgpSigner>> open(
        const std::vector<SecretBytes>& keys);
    ~OpenPgpSigner();
    OpenPgpSigner(const OpenPgpSigner&) = delete;
    OpenPgpSigner& operator=(const OpenPgpSigner&) = delete;

    /// A cleartext signature (RFC 4880 section 7) by the first `count` keys,
    /// SHA-512. White space at the ends of lines is left out.
    Result<std::string> clear_sign(std::string_view text,
                                   std::size_t count) const;
    /// A signature of type 0x00 (a binary document), SHA-512.
    Result<std::string> detach_sign(std::string_view bytes, OpenPgpArmor armor,
                                    std::size_t count) const;

private:
    struct Parts;
    explicit OpenPgpSigner(std::unique_ptr<const Parts> parts);

    std::unique_ptr<const Parts> parts_;
};

/// Who made a signature that was found right.
struct OpenPgpSignature {
    std::string fingerprint;  // of the primary key
    std::string user_id;
    std::string hash;  // "SHA512"
    std::int64_t made_at_ms = 0;
};

struct ClearSigned {
    std::string text;  // what was signed, without its dashes escaped
    std::vector<OpenPgpSignature> signatures;
};

/// At least one signature is by one of the keys, and each that is by one of
/// them is right; those of unknown keys do not count. A key that is revoked or
/// has expired does not count as known. The signed text is all there is: no
/// text before, between or behind.
/// @errors invalid_argument (no such message, keys), denied (no signature of
/// these keys, or a wrong one), too_large
Result<ClearSigned> verify_clear_signed(std::string_view message,
                                        std::string_view keys);

/// The same of a signature beside its bytes, armored or not. @errors the same
Result<std::vector<OpenPgpSignature>> verify_detached(
    std::string_view bytes, std::string_view signature, std::string_view keys);

}  // namespace longshore
