// Tokens of others: JWTs (RFC 7519) in the compact form of JWS (RFC 7515), as
// OpenID Connect issuers sign them. Nothing of a token is believed before its
// signature was found right under a key that the issuer publishes; which key
// may do which algorithm is said by our copy of the keys. `none`, HS*, `crit`,
// nested and encrypted tokens are refused always. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "auth/key_set.hpp"
#include "common/result.hpp"

namespace longshore {

/// Bytes of a token: what a header of nginx can carry.
inline constexpr std::size_t kMaxJwtBytes = 16 * 1024;

struct Jwt {
    JwsAlgorithm algorithm = JwsAlgorithm::rs256;
    std::string key_id;
    std::string issuer;            // as it says itself
    nlohmann::json claims;         // an object; not verified yet
    std::string_view signed_part;  // view into the token
    std::string signature;
};

/// Reads the form; verifies nothing.
/// @errors unauthenticated (UNAUTHORIZED; says what is wrong with it)
Result<Jwt> read_jwt(std::string_view token);

/// What an issuer's tokens have to say.
struct JwtExpected {
    std::string issuer;
    std::vector<std::string> audiences;  // of which it has to be for one
    std::int64_t leeway_s = 30;
    std::int64_t max_lifetime_s = 86'400;
    std::int64_t now_s = 0;
};

struct JwtFacts {
    std::string subject;
    std::int64_t expires_s = 0;
};

/// iss, aud, exp, nbf, iat and sub of a verified token. RFC 7519 section 4.1.
/// @errors unauthenticated (UNAUTHORIZED; says which claim)
Result<JwtFacts> check_claims(const nlohmann::json& claims,
                              const JwtExpected& expected);

}  // namespace longshore
