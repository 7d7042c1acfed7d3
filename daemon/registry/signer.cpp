#include "registry/signer.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include "common/clock.hpp"
#include "common/encoding.hpp"
#include "common/probe.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"
#include "db/signing_keys.hpp"
#include "registry/openpgp_packet.hpp"
#include "registry/raw_key.hpp"

namespace longshore {
namespace {

using Row = db::SigningKeyRow;

constexpr std::string_view kActive = "active";

// What a sealed part is bound to: it is good in its own row only.
std::string context_of(const Row& row) {
    return "longshore signing key\n" + std::to_string(row.repository_id) +
           "\n" + row.kind + "\n" + row.fingerprint + "\n";
}

// The table has base64url, for it holds text.
std::string packets_of(const Row& row) {
    std::string packets(row.public_key.size() / 4 * 3 + 2, '\0');
    packets.resize(
        base64url_decode(row.public_key, packets.data()).value_or(0));
    return packets;
}

std::string armored_keys(std::string_view packets) {
    return openpgp_armor("PUBLIC KEY BLOCK", packets);
}

SigningKeyInfo info_of(const Row& row) {
    return {
        row.id,
        row.kind,
        row.state,
        row.origin,
        row.algorithm,
        row.fingerprint,
        row.key_id,
        row.user_id,
        row.kind == "openpgp" ? armored_keys(packets_of(row)) : row.public_key,
        row.created_at_ms,
        row.expires_at_ms,
        row.published_until_ms,
        row.retired_at_ms};
}

Error no_repository(std::string_view which) {
    return {Code::not_found, "there is no repository " + std::string(which)};
}

Result<std::string> key_of(Transaction& t, std::int64_t repository_id) {
    LS_TRY(key, db::repository_key(t, repository_id));
    if (!key) {
        return no_repository(std::to_string(repository_id));
    }
    return std::move(*key);
}

Result<void> tell(Transaction& t, const Row& row, const char* action,
                  const Actor& by) {
    LS_TRY(repository, db::repository_key(t, row.repository_id));
    db::AuditEntry entry;
    entry.at_ms = unix_ms();
    entry.action = action;
    entry.actor = by;
    entry.repository = repository.value_or("");
    entry.target = row.fingerprint;
    entry.detail = row.kind + " " + row.algorithm;
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

// The daemon itself, when a key is first needed or its time is over.
Actor daemon_itself() {
    Actor actor;
    actor.credential = "local";
    actor.peer = "registryd";
    return actor;
}

Result<void> sweep_in(Transaction& t, std::int64_t now_ms, const Actor& by) {
    LS_TRY(ended, db::ended_signing_keys(t, now_ms));
    for (const auto& row : ended) {
        LS_TRY(retired, db::retire_signing_key(t, row.id, now_ms));
        static_cast<void>(retired);
        LS_CHECK(tell(t, row, "signing-key.retire", by));
    }
    return db::prune_signing_keys(t, now_ms - kRetiredKeySeconds * 1000);
}

std::string upper(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
        return static_cast<char>(std::toupper(c));
    });
    return out;
}

std::string default_algorithm(SigningKind kind, std::string_view wanted) {
    if (!wanted.empty()) {
        return std::string(wanted);
    }
    return kind == SigningKind::ed25519 ? "ed25519" : "rsa3072";
}

}  // namespace

std::string_view signing_kind_name(SigningKind kind) noexcept {
    switch (kind) {
        case SigningKind::openpgp:
            return "openpgp";
        case SigningKind::rsa:
            return "rsa";
        case SigningKind::ed25519:
            break;
    }
    return "ed25519";
}

Result<SigningKind> parse_signing_kind(std::string_view name) {
    for (auto kind :
         {SigningKind::openpgp, SigningKind::rsa, SigningKind::ed25519}) {
        if (name == signing_kind_name(kind)) {
            return kind;
        }
    }
    return Error{Code::invalid_argument,
                 "\"" + std::string(name) +
                     "\" is no kind of keys: openpgp, rsa, ed25519"};
}

// The keys of a repository and kind, ready to sign.
struct Signer::Unsealed {
    std::vector<std::int64_t> ids;  // of rows, the active one first
    std::unique_ptr<OpenPgpSigner> openpgp;
    std::unique_ptr<RawKey> raw;
    std::uint64_t used = 0;  // guarded by Signer::mutex_
};

Signer::Signer(Database& database, std::string root)
    : database_(database), root_(std::move(root)) {}
Signer::~Signer() = default;

// Keys in the database and in memory

Result<Signer::Rows> Signer::usable(std::int64_t repository_id,
                                    SigningKind kind) {
    Rows found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(rows, db::usable_signing_keys(t, repository_id,
                                             signing_kind_name(kind)));
        found = std::move(rows);
        return {};
    }));
    // The sweep may be late.
    auto now = unix_ms();
    std::erase_if(found, [now](const Row& row) {
        return row.state != kActive && row.published_until_ms <= now;
    });
    return found;
}

Result<Signer::Rows> Signer::usable_or_made(std::int64_t repository_id,
                                            SigningKind kind) {
    auto ready = [](const Rows& rows) {
        return !rows.empty() && rows.front().state == kActive;
    };
    LS_TRY(rows, usable(repository_id, kind));
    if (ready(rows)) {
        return rows;
    }
    std::lock_guard guard(making_);
    LS_TRY(again, usable(repository_id, kind));
    if (ready(again)) {
        return again;
    }
    auto made = create(repository_id, kind, "", daemon_itself());
    // Another process may have been faster.
    if (!made && made.error().code != Code::already_exists) {
        return std::move(made).error();
    }
    return usable(repository_id, kind);
}

std::shared_ptr<Signer::Unsealed> Signer::cached(
    const Slot& slot, const std::vector<std::int64_t>& ids) {
    std::lock_guard guard(mutex_);
    auto found = kept_.find(slot);
    if (found == kept_.end() || found->second->ids != ids) {
        return nullptr;
    }
    found->second->used = ++uses_;
    return found->second;
}

void Signer::keep(const Slot& slot, std::shared_ptr<Unsealed> keys) {
    std::lock_guard guard(mutex_);
    keys->used = ++uses_;
    kept_[slot] = std::move(keys);
    if (kept_.size() > kMaxSigningKeysInMemory) {
        kept_.erase(std::min_element(kept_.begin(), kept_.end(),
                                     [](const auto& a, const auto& b) {
                                         return a.second->used < b.second->used;
                                     }));
    }
}

Result<std::shared_ptr<Signer::Unsealed>> Signer::unsealed(
    std::int64_t repository_id, SigningKind kind) {
    LS_TRY(rows, usable_or_made(repository_id, kind));
    const auto& end = rows.empty() ? 0 : rows.front().expires_at_ms;
    if (end != 0 && end <= unix_ms()) {
        return Error{Code::unavailable,
                     "signing key " + rows.front().fingerprint +
                         " has expired: rotate it, or import another one"};
    }
    std::vector<std::int64_t> ids;
    for (const auto& row : rows) {
        ids.push_back(row.id);
    }
    Slot slot(repository_id, kind);
    if (auto ready = cached(slot, ids)) {
        return ready;
    }
    LS_TRY(made, unseal(kind, rows, std::move(ids)));
    keep(slot, made);
    return made;
}

Result<std::shared_ptr<Signer::Unsealed>> Signer::unseal(
    SigningKind kind, const Rows& rows, std::vector<std::int64_t> ids) {
    LS_TRY(sealing, SealingKey::read(root_));
    auto out = std::make_shared<Unsealed>();
    std::vector<SecretBytes> secrets;
    for (const auto& row : rows) {
        auto secret = sealing.unseal(row.sealed, context_of(row));
        if (!secret) {
            return Error{secret.error().code, "signing key " + row.fingerprint +
                                                  ": " +
                                                  secret.error().message};
        }
        secrets.push_back(std::move(*secret));
        if (kind != SigningKind::openpgp) {
            break;  // only the active one signs
        }
    }
    if (secrets.empty()) {
        return Error{Code::unavailable,
                     "the signing key was removed a moment ago"};
    }
    if (kind == SigningKind::openpgp) {
        LS_TRY(signer, OpenPgpSigner::open(secrets));
        out->openpgp = std::move(signer);
    } else {
        LS_TRY(key, RawKey::read(secrets.front()));
        out->raw = std::make_unique<RawKey>(std::move(key));
    }
    out->ids = std::move(ids);
    return out;
}

// What is signed

Result<std::string> Signer::clear_sign(std::int64_t repository_id,
                                       std::string_view text) {
    LS_TRY(keys, unsealed(repository_id, SigningKind::openpgp));
    return keys->openpgp->clear_sign(text, keys->ids.size());
}

Result<std::string> Signer::detach_sign_armored(std::int64_t repository_id,
                                                std::string_view bytes,
                                                SignedBy by) {
    LS_TRY(keys, unsealed(repository_id, SigningKind::openpgp));
    return keys->openpgp->detach_sign(
        bytes, OpenPgpArmor::yes, by == SignedBy::all ? keys->ids.size() : 1);
}

Result<std::string> Signer::detach_sign_binary(std::int64_t repository_id,
                                               std::string_view bytes,
                                               SignedBy by) {
    LS_TRY(keys, unsealed(repository_id, SigningKind::openpgp));
    return keys->openpgp->detach_sign(
        bytes, OpenPgpArmor::no, by == SignedBy::all ? keys->ids.size() : 1);
}

Result<std::string> Signer::sign_raw(std::int64_t repository_id,
                                     SigningKind kind, std::string_view bytes) {
    LS_TRY(keys, unsealed(repository_id, kind));
    return keys->raw->sign(bytes);
}

Result<std::string> Signer::sign_rsa_sha256(std::int64_t repository_id,
                                            std::string_view bytes) {
    return sign_raw(repository_id, SigningKind::rsa, bytes);
}

Result<std::string> Signer::sign_ed25519(std::int64_t repository_id,
                                         std::string_view bytes) {
    return sign_raw(repository_id, SigningKind::ed25519, bytes);
}

// What clients get

Result<std::string> Signer::public_keys(std::int64_t repository_id,
                                        OpenPgpArmor armor) {
    LS_TRY(rows, usable_or_made(repository_id, SigningKind::openpgp));
    std::string packets;
    for (const auto& row : rows) {
        packets += packets_of(row);
    }
    return armor == OpenPgpArmor::yes ? armored_keys(packets) : packets;
}

Result<std::string> Signer::public_keys_armored(std::int64_t repository_id) {
    return public_keys(repository_id, OpenPgpArmor::yes);
}

Result<std::string> Signer::public_keys_binary(std::int64_t repository_id) {
    return public_keys(repository_id, OpenPgpArmor::no);
}

Result<std::vector<SigningKeyInfo>> Signer::published(
    std::int64_t repository_id, SigningKind kind) {
    LS_TRY(rows, usable_or_made(repository_id, kind));
    std::vector<SigningKeyInfo> found;
    for (const auto& row : rows) {
        found.push_back(info_of(row));
    }
    return found;
}

Result<std::vector<std::string>> Signer::fingerprints(
    std::int64_t repository_id, SigningKind kind) {
    LS_TRY(rows, usable_or_made(repository_id, kind));
    std::vector<std::string> found;
    for (const auto& row : rows) {
        found.push_back(row.fingerprint);
    }
    return found;
}

// What an administrator does

Result<std::vector<SigningKeyInfo>> Signer::list(std::int64_t repository_id) {
    std::vector<SigningKeyInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(key, key_of(t, repository_id));
        static_cast<void>(key);
        LS_TRY(rows, db::list_signing_keys(t, repository_id));
        for (const auto& row : rows) {
            found.push_back(info_of(row));
        }
        return {};
    }));
    return found;
}

// Without any sealed key a new file does no harm; with one it would hide that
// the old file is gone.
Result<SealingKey> Signer::sealing_key() {
    bool sealed = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(any, db::has_sealed_keys(t));
        sealed = any;
        return {};
    }));
    return sealed ? SealingKey::read(root_) : SealingKey::make(root_);
}

Result<void> Signer::seal(Row& row, const SecretBytes& secret) {
    LS_TRY(sealing, sealing_key());
    LS_TRY(sealed, sealing.seal(secret, context_of(row)));
    row.sealed = std::move(sealed);
    return {};
}

Result<Row> Signer::make(std::int64_t repository_id, SigningKind kind,
                         std::string_view algorithm) {
    Row row;
    std::string name;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(key, key_of(t, repository_id));
        name = std::move(key);
        return {};
    }));
    // Before the second that an RSA key takes.
    LS_TRY(sealing, sealing_key());
    static_cast<void>(sealing);
    row.repository_id = repository_id;
    row.kind = signing_kind_name(kind);
    row.origin = "made";
    row.algorithm = default_algorithm(kind, algorithm);
    row.created_at_ms = unix_ms();
    if (kind == SigningKind::openpgp) {
        auto user = name.empty() ? std::string("Repository signing key")
                                 : "Signing key of repository " + name;
        LS_TRY(made, make_openpgp_key(row.algorithm, user));
        row.fingerprint = std::move(made.fingerprint);
        row.key_id = std::move(made.key_id);
        row.user_id = std::move(made.user_id);
        row.public_key = base64url_encode(made.public_key);
        LS_CHECK(seal(row, made.secret));
        return row;
    }
    if ((row.algorithm == "ed25519") != (kind == SigningKind::ed25519)) {
        return Error{Code::invalid_argument, "a key of kind " + row.kind +
                                                 " cannot be " + row.algorithm};
    }
    LS_TRY(key, RawKey::make(row.algorithm));
    LS_TRY(fingerprint, key.fingerprint());
    row.key_id = fingerprint.substr(0, 16);
    row.fingerprint = std::move(fingerprint);
    LS_TRY(pem, key.public_pem());
    row.public_key = std::move(pem);
    LS_TRY(secret, key.secret());
    LS_CHECK(seal(row, secret));
    return row;
}

Result<SigningKeyInfo> Signer::add(Row row, bool replaces,
                                   std::int64_t overlap_s, const char* action,
                                   const Actor& by) {
    constexpr std::int64_t kMost = 100LL * 365 * 86'400;
    if (overlap_s < 0 || overlap_s > kMost) {
        return Error{Code::invalid_argument,
                     "the time that the key before stays published is no "
                     "time"};
    }
    row.state = kActive;
    LS_PROBE(signing_key, sealed);
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(repository, key_of(t, row.repository_id));
        static_cast<void>(repository);
        LS_TRY(all, db::list_signing_keys(t, row.repository_id));
        auto same = std::find_if(all.begin(), all.end(), [&](const Row& each) {
            return each.kind == row.kind &&
                   (each.fingerprint == row.fingerprint ||
                    (!replaces && each.state == kActive));
        });
        if (same != all.end()) {
            return Error{Code::already_exists,
                         "the repository has " + row.kind + " key " +
                             same->fingerprint + " (" + same->state + ")"};
        }
        auto now = unix_ms();
        LS_TRY(moved, db::publish_active_key(t, row.repository_id, row.kind,
                                             now + overlap_s * 1000));
        static_cast<void>(moved);
        LS_TRY(id, db::add_signing_key(t, row));
        row.id = id;
        LS_CHECK(tell(t, row, action, by));
        return sweep_in(t, now, by);
    }));
    LS_PROBE(signing_key, committed);
    return info_of(row);
}

Result<SigningKeyInfo> Signer::create(std::int64_t repository_id,
                                      SigningKind kind,
                                      std::string_view algorithm,
                                      const Actor& by) {
    LS_TRY(rows, usable(repository_id, kind));
    if (!rows.empty() && rows.front().state == kActive) {
        return Error{Code::already_exists,
                     "the repository has " + rows.front().kind + " key " +
                         rows.front().fingerprint +
                         ": rotate it to have another one"};
    }
    LS_TRY(row, make(repository_id, kind, algorithm));
    return add(std::move(row), false, 0, "signing-key.create", by);
}

Result<SigningKeyInfo> Signer::rotate(std::int64_t repository_id,
                                      SigningKind kind,
                                      std::string_view algorithm,
                                      std::int64_t overlap_s, const Actor& by) {
    LS_TRY(row, make(repository_id, kind, algorithm));
    return add(std::move(row), true, overlap_s, "signing-key.rotate", by);
}

Result<SigningKeyInfo> Signer::import_openpgp(std::int64_t repository_id,
                                              std::string_view bytes,
                                              const SecretBytes& passphrase,
                                              std::int64_t overlap_s,
                                              const Actor& by) {
    LS_TRY(key, read_openpgp_key(bytes, passphrase));
    Row row;
    row.repository_id = repository_id;
    row.kind = signing_kind_name(SigningKind::openpgp);
    row.origin = "imported";
    row.algorithm = std::move(key.algorithm);
    row.fingerprint = std::move(key.fingerprint);
    row.key_id = std::move(key.key_id);
    row.user_id = std::move(key.user_id);
    row.public_key = base64url_encode(key.public_key);
    row.created_at_ms = key.created_at_ms;
    row.expires_at_ms = key.expires_at_ms;
    LS_CHECK(seal(row, key.secret));
    return add(std::move(row), true, overlap_s, "signing-key.import", by);
}

Result<SigningKeyInfo> Signer::remove(std::int64_t repository_id,
                                      std::string_view fingerprint,
                                      const Actor& by) {
    auto wanted = upper(fingerprint);
    Row gone;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(repository, key_of(t, repository_id));
        static_cast<void>(repository);
        LS_TRY(rows, db::list_signing_keys(t, repository_id));
        auto found = std::find_if(
            rows.begin(), rows.end(),
            [&](const Row& row) { return upper(row.fingerprint) == wanted; });
        if (found == rows.end()) {
            return Error{Code::not_found,
                         "the repository has no key of that fingerprint"};
        }
        gone = std::move(*found);
        LS_TRY(deleted, db::delete_signing_key(t, gone.id));
        static_cast<void>(deleted);
        return tell(t, gone, "signing-key.remove", by);
    }));
    auto kind = parse_signing_kind(gone.kind);
    if (kind) {
        std::lock_guard guard(mutex_);
        kept_.erase({repository_id, *kind});
    }
    return info_of(gone);
}

Result<void> Signer::sweep(std::int64_t now_ms) {
    bool due = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(ended, db::ended_signing_keys(t, now_ms));
        due = !ended.empty();
        return {};
    }));
    return due ? database_.write([&](Transaction& t) -> Result<void> {
        return sweep_in(t, now_ms, daemon_itself());
    })
               : Result<void>();
}

Result<std::int64_t> Signer::repository(std::string_view key) {
    std::int64_t found = 0;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, db::repository_id(t, key));
        if (!id) {
            return no_repository("\"" + std::string(key) + "\"");
        }
        found = *id;
        return {};
    }));
    return found;
}

}  // namespace longshore
