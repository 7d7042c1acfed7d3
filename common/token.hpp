// The registry's own access tokens: JWS in compact form (RFC 7515 section
// 3.1), signed with Ed25519 (RFC 8037 section 3.1), with the claims of the
// Docker token specification (RFC 7519 section 4.1, and `access`).
//
// The daemon signs and nginx verifies, so both texts inside have one spelling
// only: the header is {"alg":"EdDSA","kid":"…","typ":"JWT"}, the payload
// what write_claims() gives. Whatever differs by a byte is refused; the
// payload is not even decoded before its signature is found right. Which
// algorithm and which key is said by our list of keys, never by the token.
// Why it is so: docs/decisions/0004-tokens.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/ed25519.hpp"
#include "common/result.hpp"

namespace longshore {

/// Bytes of a whole token. With `Authorization: Bearer ` before it, it is to
/// fit into one of nginx's header buffers, 8 KiB unless set otherwise.
inline constexpr std::size_t kMaxTokenBytes = 8192 - 256;
/// Bytes that a decoded payload can have at most.
inline constexpr std::size_t kMaxTokenPayload = kMaxTokenBytes / 4 * 3;
/// Characters of issuer, subject, audience and an access's name.
inline constexpr std::size_t kMaxTokenText = 255;
/// Characters of a key's id, a token's id, a type and an action.
inline constexpr std::size_t kMaxTokenWord = 64;
inline constexpr std::size_t kMaxTokenAccess = 64;
inline constexpr std::size_t kMaxTokenActions = 16;  // of one access
inline constexpr std::size_t kMaxTokenKeys = 16;
/// Latest time in a token, Unix seconds: the end of the year 9999.
inline constexpr std::int64_t kMaxTokenTime = 253'402'300'799;

// The issuer's side

/// What may be done with one resource, in the words of a scope
/// (`repository:library/alpine:pull,push`).
struct TokenAccess {
    std::string type;  // 1 to kMaxTokenWord characters
    std::string name;  // 1 to kMaxTokenText
    std::vector<std::string> actions;
};

/// Texts are printable ASCII without `"` and `\`, so that none has to be
/// escaped. Times are Unix seconds. RFC 7519 section 4.1.
struct TokenClaims {
    std::string issuer;   // iss
    std::string subject;  // sub; empty: anonymous
    std::string audience;
    std::int64_t expires = 0;     // exp: not valid then
    std::int64_t not_before = 0;  // nbf: valid then
    std::int64_t issued = 0;      // iat
    std::string id;               // jti, unique
    std::vector<TokenAccess> access;
};

/// The payload: JSON without white space, members always in the same order.
/// @errors invalid_argument (a text or time that a token cannot have, an end
/// before the beginning), too_large (too many)
Result<std::string> write_claims(const TokenClaims& claims);

/// True for what may name a key: 1 to kMaxTokenWord of A-Z a-z 0-9 - _
bool is_key_id(std::string_view id) noexcept;

/// The token.
/// @errors invalid_argument (claims, key id), too_large (claims, or more than
/// kMaxTokenBytes in all), internal (out of memory)
Result<std::string> sign_token(const SigningKey& key, std::string_view key_id,
                               const TokenClaims& claims);

// The reader's side: nothing here allocates, libcrypto apart

/// One access of a verified token; views into its payload.
struct AccessView {
    std::string_view type;
    std::string_view name;
    std::string_view actions;  // as written: "pull","push"

    bool has(std::string_view action) const noexcept;
};

/// The `access` of a verified token, read from front to back.
class AccessList {
public:
    AccessList() = default;

    /// The next one; nullopt at the end.
    std::optional<AccessView> next() noexcept;

    /// True when an access of this type and name has the action. Looks at all
    /// of the list, also at what next() has given.
    bool allows(std::string_view type, std::string_view name,
                std::string_view action) const noexcept;

private:
    friend bool read_claims(std::string_view, struct TokenView&) noexcept;
    explicit AccessList(std::string_view text) noexcept
        : text_(text), rest_(text) {}

    std::string_view text_;  // between the brackets, known to be right
    std::string_view rest_;
};

/// Claims as views into the payload.
struct TokenView {
    std::string_view issuer;
    std::string_view subject;
    std::string_view audience;
    std::int64_t expires = 0;
    std::int64_t not_before = 0;
    std::int64_t issued = 0;
    std::string_view id;
    AccessList access;
};

/// Takes exactly what write_claims() writes; `out` is then complete, else it
/// holds nothing of use.
bool read_claims(std::string_view payload, TokenView& out) noexcept;

enum class TokenVerdict : std::uint8_t {
    good,
    malformed,      // not a token of ours, or longer than kMaxTokenBytes
    unknown_key,    // well formed, but no key of this id is known
    bad_signature,  // of a known key
    wrong_issuer,
    wrong_audience,
    expired,
    not_yet_valid,  // also: issued in the future
};

/// "bad_signature" for a log or a challenge.
std::string_view verdict_name(TokenVerdict verdict) noexcept;

struct TokenExpected {
    std::string_view issuer;
    std::string_view audience;
    std::int64_t now = 0;     // Unix seconds
    std::int64_t leeway = 0;  // seconds that clocks may differ, 0 to 300
};

/// The public keys by id. Rotation: add the new key everywhere, then sign
/// with it, remove the old one when its last token has expired. Verifying is
/// for any thread as long as none changes the keys.
class TokenKeys {
public:
    /// Takes the place of a key of the same id.
    /// @errors invalid_argument (id), too_large (more than kMaxTokenKeys),
    /// internal (out of memory)
    Result<void> add(std::string_view id, const Ed25519Bytes& public_key);

    /// False when there was none.
    bool remove(std::string_view id) noexcept;

    std::size_t size() const noexcept { return keys_.size(); }

    /// Verifies a token (without `Bearer`). RFC 7515 section 5.2, RFC 7519
    /// section 7.2. `scratch` has room for kMaxTokenPayload bytes; it holds
    /// what the views of `out` point to. `out` is empty unless the verdict is
    /// `good`.
    [[nodiscard]] TokenVerdict verify(std::string_view token,
                                      const TokenExpected& expected,
                                      std::span<char, kMaxTokenPayload> scratch,
                                      TokenView& out) const noexcept;

private:
    struct Key {
        std::string id;
        VerifyingKey key;
    };
    const Key* find(std::string_view id) const noexcept;
    TokenVerdict examine(std::string_view token, const TokenExpected& expected,
                         std::span<char, kMaxTokenPayload> scratch,
                         TokenView& out) const noexcept;

    std::vector<Key> keys_;
};

}  // namespace longshore
