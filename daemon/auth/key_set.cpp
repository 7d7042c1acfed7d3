#include "auth/key_set.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <nlohmann/json.hpp>

#include "auth/strict_json.hpp"
#include "common/encoding.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;
using Pkey = std::shared_ptr<evp_pkey_st>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 16'384;
constexpr std::size_t kMaxExponent = 4;  // bytes
constexpr std::size_t kCoordinate = 32;  // of P-256, and all of Ed25519
constexpr JsonBounds kSetBounds = {kMaxKeySetBytes, 20'000, 8};

// What libcrypto says of a failure is forgotten: the caller is told.
class QuietErrors {
public:
    QuietErrors() noexcept { ERR_set_mark(); }
    ~QuietErrors() { ERR_pop_to_mark(); }
    QuietErrors(const QuietErrors&) = delete;
    QuietErrors& operator=(const QuietErrors&) = delete;
};

const unsigned char* bytes_of(std::string_view text) noexcept {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// A member in base64url, without the zeros that some put before a number.
std::optional<std::string> bytes_member(const Json& key, const char* name) {
    auto text = text_member(key, name);
    if (!text) {
        return std::nullopt;
    }
    std::string bytes(text->size() / 4 * 3 + 2, '\0');
    auto size = base64url_decode(*text, bytes.data());
    if (!size) {
        return std::nullopt;
    }
    bytes.resize(*size);
    return bytes;
}

// An EVP_PKEY of public parts. Null when they make none.
Pkey make_key(const char* type, OSSL_PARAM_BLD* parts) {
    std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> parameters(
        OSSL_PARAM_BLD_to_param(parts), OSSL_PARAM_free);
    KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr),
                       EVP_PKEY_CTX_free);
    EVP_PKEY* made = nullptr;
    if (parameters == nullptr || context == nullptr ||
        EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY,
                          parameters.get()) != 1) {
        return nullptr;
    }
    return {made, EVP_PKEY_free};
}

// Also that the point is on its curve. Not for RSA: libcrypto would look
// whether the modulus is a prime, for seconds if it is long.
bool is_on_curve(EVP_PKEY* key) {
    KeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr),
                     EVP_PKEY_CTX_free);
    return check != nullptr && EVP_PKEY_public_check(check.get()) == 1;
}

using Parts = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;

// RFC 7518 section 6.3.1.
Pkey rsa_key(const Json& jwk) {
    auto n = bytes_member(jwk, "n");
    auto e = bytes_member(jwk, "e");
    if (!n || !e || n->size() > kMaxRsaBits / 8 + 1 || e->empty() ||
        e->size() > kMaxExponent || (e->back() & 1) == 0 || *e == "\x01") {
        return nullptr;
    }
    Number modulus(
        BN_bin2bn(bytes_of(*n), static_cast<int>(n->size()), nullptr), BN_free);
    Number exponent(
        BN_bin2bn(bytes_of(*e), static_cast<int>(e->size()), nullptr), BN_free);
    if (modulus == nullptr || exponent == nullptr ||
        BN_num_bits(modulus.get()) < kMinRsaBits ||
        BN_num_bits(modulus.get()) > kMaxRsaBits ||
        BN_is_odd(modulus.get()) != 1 || BN_is_one(exponent.get()) == 1) {
        return nullptr;
    }
    Parts parts(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
    if (parts == nullptr ||
        OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_N,
                               modulus.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_E,
                               exponent.get()) != 1) {
        return nullptr;
    }
    return make_key("RSA", parts.get());
}

// RFC 7518 section 6.2.1.
Pkey p256_key(const Json& jwk) {
    auto x = bytes_member(jwk, "x");
    auto y = bytes_member(jwk, "y");
    if (text_member(jwk, "crv") != "P-256" || !x || !y ||
        x->size() != kCoordinate || y->size() != kCoordinate) {
        return nullptr;
    }
    auto point = "\x04" + *x + *y;  // uncompressed
    Parts parts(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
    if (parts == nullptr ||
        OSSL_PARAM_BLD_push_utf8_string(parts.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                        "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(parts.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                         point.data(), point.size()) != 1) {
        return nullptr;
    }
    auto key = make_key("EC", parts.get());
    return key != nullptr && is_on_curve(key.get()) ? key : nullptr;
}

// RFC 8037 section 2.
Pkey ed25519_key(const Json& jwk) {
    auto x = bytes_member(jwk, "x");
    if (text_member(jwk, "crv") != "Ed25519" || !x ||
        x->size() != kCoordinate) {
        return nullptr;
    }
    return {EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x),
                                        x->size()),
            EVP_PKEY_free};
}

// Made for verifying signatures with this algorithm, as far as it says what
// it was made for. One that shows its secret part is nobody's.
bool may_verify(const Json& jwk, std::string_view algorithm) {
    auto use = jwk.find("use");
    auto alg = jwk.find("alg");
    auto operations = jwk.find("key_ops");
    bool able =
        operations == jwk.end() ||
        (operations->is_array() &&
         std::any_of(operations->begin(), operations->end(),
                     [](const Json& each) { return each == "verify"; }));
    return able && (use == jwk.end() || *use == "sig") &&
           (alg == jwk.end() || *alg == algorithm) && !jwk.contains("d");
}

// R and S, each of 32 bytes, as the DER that libcrypto takes.
std::string der_signature(std::string_view raw) {
    if (raw.size() != 2 * kCoordinate) {
        return {};
    }
    std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(),
                                                               ECDSA_SIG_free);
    Number r(BN_bin2bn(bytes_of(raw), kCoordinate, nullptr), BN_free);
    Number s(BN_bin2bn(bytes_of(raw.substr(kCoordinate)), kCoordinate, nullptr),
             BN_free);
    if (pair == nullptr || r == nullptr || s == nullptr ||
        ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) {
        return {};
    }
    // They are the pair's from here on.
    static_cast<void>(r.release());
    static_cast<void>(s.release());
    unsigned char* bytes = nullptr;
    auto size = i2d_ECDSA_SIG(pair.get(), &bytes);
    std::string der;
    if (size > 0) {
        der.assign(reinterpret_cast<char*>(bytes),
                   static_cast<std::size_t>(size));
    }
    OPENSSL_free(bytes);
    return der;
}

bool is_signed(EVP_PKEY* key, JwsAlgorithm algorithm, std::string_view message,
               std::string_view signature) {
    const QuietErrors quiet;
    std::string der;
    if (algorithm == JwsAlgorithm::es256) {
        der = der_signature(signature);
        signature = der;
    }
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
        EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const auto* digest =
        algorithm == JwsAlgorithm::eddsa ? nullptr : EVP_sha256();
    return context != nullptr && !signature.empty() &&
           EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) ==
               1 &&
           EVP_DigestVerify(context.get(), bytes_of(signature),
                            signature.size(), bytes_of(message),
                            message.size()) == 1;
}

struct KeyType {
    std::string_view kty;
    JwsAlgorithm algorithm;
    Pkey (*make)(const Json&);
};

constexpr std::array<KeyType, 3> kTypes = {{
    {"RSA", JwsAlgorithm::rs256, rsa_key},
    {"EC", JwsAlgorithm::es256, p256_key},
    {"OKP", JwsAlgorithm::eddsa, ed25519_key},
}};

}  // namespace

std::string_view algorithm_name(JwsAlgorithm algorithm) noexcept {
    switch (algorithm) {
        case JwsAlgorithm::rs256:
            return "RS256";
        case JwsAlgorithm::es256:
            return "ES256";
        case JwsAlgorithm::eddsa:
            break;
    }
    return "EdDSA";
}

Result<KeySet> KeySet::parse(std::string_view text) {
    LS_TRY(document, parse_object(text, kSetBounds));
    auto list = document.find("keys");
    if (list == document.end() || !list->is_array()) {
        return Error{Code::invalid_argument, "no JWK Set: there are no keys"};
    }
    if (list->size() > kMaxKeys) {
        return Error{Code::too_large,
                     "more than " + std::to_string(kMaxKeys) + " keys"};
    }
    const QuietErrors quiet;
    KeySet set;
    for (const auto& jwk : *list) {
        if (!jwk.is_object()) {
            return Error{Code::invalid_argument,
                         "no JWK Set: a key is no object"};
        }
        auto id = text_member(jwk, "kid");
        auto kty = text_member(jwk, "kty");
        if (!id || id->empty() || id->size() > kMaxKeyId || !kty) {
            continue;
        }
        for (const auto& type : kTypes) {
            if (type.kty != *kty ||
                !may_verify(jwk, algorithm_name(type.algorithm))) {
                continue;
            }
            if (auto key = type.make(jwk)) {
                set.keys_.push_back({*id, type.algorithm, std::move(key)});
            }
        }
    }
    if (set.keys_.empty()) {
        return Error{Code::invalid_argument,
                     "no key of the set can be used: each needs a kid, and is "
                     "RSA of 2048 to 16384 bits, P-256 or Ed25519"};
    }
    return set;
}

KeyAnswer KeySet::verify(std::string_view id, JwsAlgorithm algorithm,
                         std::string_view message,
                         std::string_view signature) const {
    auto answer = KeyAnswer::no_such_key;
    for (const auto& key : keys_) {
        if (key.id != id) {
            continue;
        }
        if (key.algorithm == algorithm) {
            return is_signed(key.key.get(), algorithm, message, signature)
                       ? KeyAnswer::good
                       : KeyAnswer::bad_signature;
        }
        answer = KeyAnswer::wrong_key;
    }
    return answer;
}

std::vector<KeySet::KeyInfo> KeySet::keys() const {
    std::vector<KeyInfo> found;
    found.reserve(keys_.size());
    for (const auto& key : keys_) {
        found.push_back({key.id, key.algorithm});
    }
    return found;
}

}  // namespace longshore
