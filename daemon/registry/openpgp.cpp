#include "registry/openpgp.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "registry/openpgp_packet.hpp"
#include "registry/rnp.hpp"

namespace longshore {
namespace {

constexpr const char* kHash = "SHA512";
constexpr std::uint32_t kWeakestRsa = 2048;
constexpr std::uint32_t kSecret =
    RNP_LOAD_SAVE_PUBLIC_KEYS | RNP_LOAD_SAVE_SECRET_KEYS;

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

// "rsa4096" "ed25519"; "" for what should sign nothing any more.
std::string algorithm_of(const Rnp& rnp, const RnpKey& key) {
    auto name = rnp_text(rnp, rnp.key_get_alg, key.get());
    if (name == "RSA") {
        std::uint32_t bits = 0;
        rnp.key_get_bits(key.get(), &bits);
        return bits < kWeakestRsa ? "" : "rsa" + std::to_string(bits);
    }
    return name == "EDDSA" ? "ed25519" : "";
}

bool may_sign(const Rnp& rnp, const RnpKey& key) {
    bool signs = false;
    return rnp_flag(rnp.key_have_secret, key) &&
           rnp.key_allows_usage(key.get(), "sign", &signs) == RNP_SUCCESS &&
           signs && rnp_flag(rnp.key_is_valid, key) &&
           rnp_text(rnp, rnp.key_get_protection_type, key.get()) == "None" &&
           !algorithm_of(rnp, key).empty();
}

// The parts of a key: itself, then its subkeys.
std::vector<RnpKey> parts_of(const Rnp& rnp, RnpKey primary) {
    std::vector<RnpKey> parts;
    std::size_t count = 0;
    rnp.key_get_subkey_count(primary.get(), &count);
    parts.push_back(std::move(primary));
    for (std::size_t i = 0; i < count; ++i) {
        RnpKey sub(rnp.key_handle_destroy);
        if (rnp.key_get_subkey_at(parts.front().get(), i, sub.out()) ==
            RNP_SUCCESS) {
            parts.push_back(std::move(sub));
        }
    }
    return parts;
}

// As gpg chooses: the newest subkey that may, else the primary key.
const RnpKey* signing_part(const Rnp& rnp, const std::vector<RnpKey>& parts) {
    const RnpKey* chosen = nullptr;
    std::uint32_t newest = 0;
    for (const auto& part : parts) {
        if (!may_sign(rnp, part)) {
            continue;
        }
        std::uint32_t created = 0;
        rnp.key_get_creation(part.get(), &created);
        bool primary = &part == parts.data();
        if (chosen == nullptr || chosen == parts.data() ||
            (!primary && created >= newest)) {
            chosen = &part;
            newest = created;
        }
    }
    return chosen;
}

Result<std::string> export_key(const Rnp& rnp, const RnpKey& key,
                               std::uint32_t flags) {
    RnpOutput output(rnp, kMaxOpenPgpKeys);
    auto done = rnp.key_export(key.get(), output.get(), flags);
    if (done != RNP_SUCCESS) {
        return rnp.failed(Code::internal, "write a public key", done);
    }
    return std::string(output.view());
}

Result<OpenPgpPart> secret_part(const Rnp& rnp, const RnpKey& key) {
    std::uint8_t* bytes = nullptr;
    std::size_t size = 0;
    auto got = rnp.get_secret_key_data(key.get(), &bytes, &size);
    if (got != RNP_SUCCESS) {
        return rnp.failed(Code::internal, "read a secret key", got);
    }
    auto part = OpenPgpPart::read({reinterpret_cast<const char*>(bytes), size});
    wipe(bytes, size);
    rnp.buffer_destroy(bytes);
    return part;
}

// When the key, or what signs of it, ends; 0: never.
std::int64_t end_of(const Rnp& rnp, const RnpKey& signing) {
    std::uint64_t till = 0;
    bool known = rnp.key_valid_till64(signing.get(), &till) == RNP_SUCCESS;
    return known && till < UINT32_MAX ? static_cast<std::int64_t>(till) * 1000
                                      : 0;
}

// Of a key whose secret is not encrypted (any more).
Result<OpenPgpSecretKey> describe(const Rnp& rnp,
                                  const std::vector<RnpKey>& parts) {
    const auto* signing = signing_part(rnp, parts);
    if (signing == nullptr) {
        return bad(
            "no part of the key can sign: it has to have its secret, be "
            "neither revoked nor expired, and be RSA of 2048 bits or more or "
            "Ed25519");
    }
    const auto& primary = parts.front();
    OpenPgpSecretKey made;
    made.algorithm = algorithm_of(rnp, *signing);
    made.fingerprint = rnp_text(rnp, rnp.key_get_fprint, primary.get());
    made.key_id = rnp_text(rnp, rnp.key_get_keyid, primary.get());
    made.user_id = rnp_text(rnp, rnp.key_get_primary_uid, primary.get());
    std::uint32_t created = 0;
    rnp.key_get_creation(primary.get(), &created);
    made.created_at_ms = std::int64_t{created} * 1000;
    made.expires_at_ms = end_of(rnp, *signing);
    LS_TRY(open, export_key(rnp, primary,
                            RNP_KEY_EXPORT_PUBLIC | RNP_KEY_EXPORT_SUBKEYS));
    made.public_key = std::move(open);
    RnpOutput output(rnp, kMaxOpenPgpKeys);
    auto done = rnp.key_export(primary.get(), output.get(),
                               RNP_KEY_EXPORT_SECRET | RNP_KEY_EXPORT_SUBKEYS);
    if (done != RNP_SUCCESS) {
        return rnp.failed(Code::internal, "write a secret key", done);
    }
    LS_TRY(part, secret_part(rnp, *signing));
    LS_CHECK(part.save(made.secret));
    made.secret.insert(made.secret.end(), output.view().begin(),
                       output.view().end());
    return made;
}

// A passphrase that does not fit is told; parts without a secret are not.
Result<void> unprotect(const Rnp& rnp, const std::vector<RnpKey>& parts,
                       const SecretBytes& passphrase) {
    SecretBytes text = passphrase;
    text.push_back(0);
    for (const auto& part : parts) {
        if (!rnp_flag(rnp.key_have_secret, part)) {
            continue;
        }
        auto type = rnp_text(rnp, rnp.key_get_protection_type, part.get());
        if (type != "Encrypted" && type != "Encrypted-Hashed") {
            continue;
        }
        if (passphrase.empty()) {
            return Error{Code::denied, "the key needs its passphrase"};
        }
        if (rnp.key_unprotect(part.get(), reinterpret_cast<const char*>(
                                              text.data())) != RNP_SUCCESS) {
            return Error{Code::denied, "the passphrase does not fit the key"};
        }
    }
    return {};
}

}  // namespace

Result<OpenPgpSecretKey> make_openpgp_key(std::string_view algorithm,
                                          const std::string& user_id) {
    bool edwards = algorithm == "ed25519";
    if (!edwards && algorithm != "rsa3072" && algorithm != "rsa4096") {
        return bad("\"" + std::string(algorithm) +
                   "\" is no algorithm of keys: rsa3072, rsa4096, ed25519");
    }
    LS_TRY(rnp, load_rnp());
    LS_TRY(ring, RnpRing::make(*rnp));
    RnpOwned<rnp_op_generate_t> op(rnp->op_generate_destroy);
    std::vector<RnpKey> parts;
    parts.emplace_back(rnp->key_handle_destroy);
    auto done = rnp->op_generate_create(op.out(), ring.get(),
                                        edwards ? "EDDSA" : "RSA");
    if (done == RNP_SUCCESS && !edwards) {
        done = rnp->op_generate_set_bits(op.get(),
                                         algorithm == "rsa4096" ? 4096 : 3072);
    }
    if (done == RNP_SUCCESS) {
        done = rnp->op_generate_set_hash(op.get(), kHash);
    }
    if (done == RNP_SUCCESS) {
        // Unless told so librnp ends it after two years.
        done = rnp->op_generate_set_expiration(op.get(), 0);
    }
    for (const char* usage : {"sign", "certify"}) {
        if (done == RNP_SUCCESS) {
            done = rnp->op_generate_add_usage(op.get(), usage);
        }
    }
    if (done == RNP_SUCCESS) {
        done = rnp->op_generate_set_userid(op.get(), user_id.c_str());
    }
    if (done == RNP_SUCCESS) {
        done = rnp->op_generate_execute(op.get());
    }
    if (done == RNP_SUCCESS) {
        done = rnp->op_generate_get_key(op.get(), parts.front().out());
    }
    if (done != RNP_SUCCESS) {
        return rnp->failed(Code::internal, "make an OpenPGP key", done);
    }
    return describe(*rnp, parts);
}

Result<OpenPgpSecretKey> read_openpgp_key(std::string_view bytes,
                                          const SecretBytes& passphrase) {
    if (bytes.size() > kMaxOpenPgpKeys) {
        return Error{Code::too_large, "the key is longer than 1 MiB"};
    }
    LS_TRY(rnp, load_rnp());
    LS_TRY(ring, RnpRing::make(*rnp));
    LS_CHECK(ring.add(bytes, kSecret));
    LS_TRY(keys, ring.primary_keys());
    std::optional<std::vector<RnpKey>> found;
    for (auto& key : keys) {
        auto parts = parts_of(*rnp, std::move(key));
        bool secret =
            std::any_of(parts.begin(), parts.end(), [&](const RnpKey& part) {
                return rnp_flag(rnp->key_have_secret, part);
            });
        if (secret && found) {
            return bad("there are several secret keys; give one");
        }
        if (secret) {
            found = std::move(parts);
        }
    }
    if (!found) {
        return bad("there is no secret OpenPGP key");
    }
    LS_CHECK(unprotect(*rnp, *found, passphrase));
    return describe(*rnp, *found);
}

}  // namespace longshore
