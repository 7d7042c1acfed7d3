// The public keys of an issuer, from its JWK Set (RFC 7517): RSA for RS256
// (RFC 7518 section 3.3), P-256 for ES256 (section 3.4), Ed25519 for EdDSA
// (RFC 8037). A key is good for one algorithm, the one that its type has here,
// whatever a token says. What a set has besides is passed over. A KeySet never
// changes; any thread may use it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

struct evp_pkey_st;

namespace longshore {

/// Bytes of a JWK Set.
inline constexpr std::size_t kMaxKeySetBytes = 512 * 1024;
/// Keys in a set, also those that are passed over.
inline constexpr std::size_t kMaxKeys = 256;
/// Bytes of a key's id.
inline constexpr std::size_t kMaxKeyId = 256;

enum class JwsAlgorithm : std::uint8_t { rs256, es256, eddsa };
std::string_view algorithm_name(JwsAlgorithm algorithm) noexcept;

enum class KeyAnswer : std::uint8_t {
    good,
    no_such_key,  // by this id, for whatever algorithm
    wrong_key,    // of this id, but not for this algorithm
    bad_signature,
};

class KeySet {
public:
    /// @errors invalid_argument (no JWK Set, or none of its keys can be
    ///         used), too_large
    static Result<KeySet> parse(std::string_view text);

    /// `signature` in the form of JWS: of ES256 R and S, 64 bytes.
    KeyAnswer verify(std::string_view id, JwsAlgorithm algorithm,
                     std::string_view message,
                     std::string_view signature) const;

    struct KeyInfo {
        std::string id;
        JwsAlgorithm algorithm = JwsAlgorithm::rs256;
    };
    std::vector<KeyInfo> keys() const;

private:
    struct Key {
        std::string id;
        JwsAlgorithm algorithm;
        std::shared_ptr<evp_pkey_st> key;
    };
    std::vector<Key> keys_;
};

}  // namespace longshore
