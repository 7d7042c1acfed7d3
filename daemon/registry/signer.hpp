// Signer: the keys of each repository, and what they sign. A repository has
// for each kind at most one active key, made when it is first needed, and
// for a time the ones before it. Secret parts are in the database, sealed
// (registry/sealed.hpp, docs/signing.md), and here in memory once they have
// signed; which keys there are is asked of the database each time, so what
// another process changes is seen at once. Thread-safe; a call blocks on the
// database, and for a second or more when it makes an RSA key.
//
// @errors of all functions here: not_found (no such repository), unavailable
// (database, librnp, or the file that the keys are sealed with is another one
// or gone), corrupt (what is stored was changed), internal; others where
// said. No message holds anything of a secret.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "model/actor.hpp"
#include "registry/openpgp.hpp"
#include "registry/sealed.hpp"

namespace longshore {

class Database;
class RawKey;
class Transaction;
namespace db {
struct SigningKeyRow;
}

enum class SigningKind : std::uint8_t { openpgp, rsa, ed25519 };

/// "openpgp"
std::string_view signing_kind_name(SigningKind kind) noexcept;
/// @errors invalid_argument
Result<SigningKind> parse_signing_kind(std::string_view name);

/// Seconds that the key before the active one stays published.
inline constexpr std::int64_t kSigningOverlapSeconds = 30 * 86'400;
/// Seconds after which a retired key is forgotten.
inline constexpr std::int64_t kRetiredKeySeconds = 365 * 86'400;
/// Repositories and kinds whose keys are kept in memory.
inline constexpr std::size_t kMaxSigningKeysInMemory = 64;

struct SigningKeyInfo {
    std::int64_t id = 0;
    std::string kind;
    std::string state;        // "active" "published" "retired"
    std::string origin;       // "made" "imported"
    std::string algorithm;    // "rsa3072" "rsa4096" "ed25519" …
    std::string fingerprint;  // openpgp: upper-case hex; else SHA-256, lower
    std::string key_id;
    std::string user_id;
    std::string public_key;  // openpgp: armored; else PEM
    std::int64_t created_at_ms = 0;
    std::int64_t expires_at_ms = 0;       // of an imported key; 0: never
    std::int64_t published_until_ms = 0;  // 0: not published beside another
    std::int64_t retired_at_ms = 0;
};

/// Which keys make an OpenPGP signature, while there are several. Clients of
/// apt take one by any key that they know; those of pacman and rpm want each
/// to be by a key that they know, or look at the first only.
enum class SignedBy : bool { active, all };

class Signer {
public:
    /// `root`: in whose keys/ the file is.
    Signer(Database& database, std::string root);
    ~Signer();
    Signer(const Signer&) = delete;
    Signer& operator=(const Signer&) = delete;

    // What is signed

    /// A cleartext signature (InRelease), by all keys.
    Result<std::string> clear_sign(std::int64_t repository_id,
                                   std::string_view text);
    /// A signature beside the bytes (Release.gpg: all; repomd.xml.asc).
    Result<std::string> detach_sign_armored(std::int64_t repository_id,
                                            std::string_view bytes,
                                            SignedBy by = SignedBy::active);
    Result<std::string> detach_sign_binary(std::int64_t repository_id,
                                           std::string_view bytes,
                                           SignedBy by = SignedBy::active);
    /// PKCS #1 v1.5, SHA-256; the signature's bytes.
    Result<std::string> sign_rsa_sha256(std::int64_t repository_id,
                                        std::string_view bytes);
    /// 64 bytes, RFC 8032.
    Result<std::string> sign_ed25519(std::int64_t repository_id,
                                     std::string_view bytes);

    // What clients get

    /// The OpenPGP keys that sign or did lately, in one document; makes the
    /// first one. For signed-by= of apt: armored as .asc, binary as .gpg.
    Result<std::string> public_keys_armored(std::int64_t repository_id);
    Result<std::string> public_keys_binary(std::int64_t repository_id);
    /// The same keys one by one, of any kind, the active one first.
    Result<std::vector<SigningKeyInfo>> published(std::int64_t repository_id,
                                                  SigningKind kind);
    /// Their fingerprints.
    Result<std::vector<std::string>> fingerprints(std::int64_t repository_id,
                                                  SigningKind kind);

    // What an administrator does

    /// Every key that is remembered, the newest first.
    Result<std::vector<SigningKeyInfo>> list(std::int64_t repository_id);

    /// Makes the active key. `algorithm` "": rsa3072, or ed25519.
    /// @errors already_exists (there is one), invalid_argument (algorithm)
    Result<SigningKeyInfo> create(std::int64_t repository_id, SigningKind kind,
                                  std::string_view algorithm, const Actor& by);

    /// Makes another active key; the one before it stays published, and goes
    /// on signing beside it (SignedBy::all), for `overlap_s`.
    /// @errors invalid_argument (algorithm, overlap_s below 0)
    Result<SigningKeyInfo> rotate(std::int64_t repository_id, SigningKind kind,
                                  std::string_view algorithm,
                                  std::int64_t overlap_s, const Actor& by);

    /// The same with an operator's own key, armored or not.
    /// @errors those of read_openpgp_key(); already_exists
    Result<SigningKeyInfo> import_openpgp(std::int64_t repository_id,
                                          std::string_view bytes,
                                          const SecretBytes& passphrase,
                                          std::int64_t overlap_s,
                                          const Actor& by);

    /// Forgets a key at once, by its fingerprint (any case): it signs no
    /// more and is published no more. Needs no file to unseal it with.
    /// @errors not_found
    Result<SigningKeyInfo> remove(std::int64_t repository_id,
                                  std::string_view fingerprint,
                                  const Actor& by);

    /// Retires keys whose overlap is over (their secret part is gone then)
    /// and forgets those retired long ago. Now and then, and by each change.
    Result<void> sweep(std::int64_t now_ms);

    /// The id of a repository. @errors not_found
    Result<std::int64_t> repository(std::string_view key);

private:
    struct Unsealed;
    using Row = db::SigningKeyRow;
    using Rows = std::vector<Row>;
    using Slot = std::pair<std::int64_t, SigningKind>;

    Result<Rows> usable(std::int64_t repository_id, SigningKind kind);
    Result<Rows> usable_or_made(std::int64_t repository_id, SigningKind kind);
    Result<std::shared_ptr<Unsealed>> unsealed(std::int64_t repository_id,
                                               SigningKind kind);
    Result<std::shared_ptr<Unsealed>> unseal(SigningKind kind, const Rows& rows,
                                             std::vector<std::int64_t> ids);
    std::shared_ptr<Unsealed> cached(const Slot& slot,
                                     const std::vector<std::int64_t>& ids);
    void keep(const Slot& slot, std::shared_ptr<Unsealed> keys);
    Result<std::string> sign_raw(std::int64_t repository_id, SigningKind kind,
                                 std::string_view bytes);
    Result<SealingKey> sealing_key();
    Result<Row> make(std::int64_t repository_id, SigningKind kind,
                     std::string_view algorithm);
    Result<void> seal(Row& row, const SecretBytes& secret);
    Result<SigningKeyInfo> add(Row row, bool replaces, std::int64_t overlap_s,
                               const char* action, const Actor& by);
    Result<std::string> public_keys(std::int64_t repository_id,
                                    OpenPgpArmor armor);

    Database& database_;
    std::string root_;
    std::mutex making_;  // one key is made at a time, not twice the same
    std::mutex mutex_;   // of kept_
    std::uint64_t uses_ = 0;
    std::map<Slot, std::shared_ptr<Unsealed>> kept_;
};

}  // namespace longshore
