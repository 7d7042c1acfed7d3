// The one reader of credentials: from the headers and the client certificate
// of a question to what they say, whatever the form. The same secret is the
// same credential as Basic password, Bearer, `Token`, or alone in the header.
// Pure; nothing is looked up.
//
//     Basic user:password              password of user
//     Basic anything:TOKEN             TOKEN (also TOKEN with no password)
//     Bearer TOKEN, Token TOKEN, TOKEN TOKEN
//
// A TOKEN is known by its form: an API token of ours, or a JWS of three parts.
// A header goes before a certificate: who sends both means the header.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/protocol.hpp"

namespace longshore {

enum class CredentialKind : std::uint8_t {
    none,            // anonymous
    password,        // user and secret
    api_token,       // secret
    access_token,    // secret
    certificate,     // secret is the fingerprint
    external_token,  // of an issuer; never read, known when verified
    malformed,       // there is a credential, and it can be none of ours
};

struct Credential {
    CredentialKind kind = CredentialKind::none;
    bool bearer = false;  // came as Bearer: what a challenge has to answer
    std::string user;     // passwords
    std::string secret;
};

/// Bytes of an Authorization header that are looked at.
inline constexpr std::size_t kMaxAuthorization = 16 * 1024;

Credential read_credential(std::span<const HeaderField> headers,
                           std::string_view client_cert);

/// What Basic carries, from elsewhere: a form's user name and password.
Credential user_credential(std::string_view user, std::string_view secret);

/// The same for a token alone: api_token, access_token or malformed.
CredentialKind token_kind(std::string_view token) noexcept;

}  // namespace longshore
