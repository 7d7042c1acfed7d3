// Authenticator: from a credential to a Caller. The one place that knows what
// a credential is worth: it asks the database each time, so that what was
// revoked or changed a moment ago is void now. Thread-safe; blocks on the
// database, and for tens of milliseconds on a password it has not seen.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/credential.hpp"
#include "auth/guards.hpp"
#include "auth/key_ring.hpp"
#include "auth/password_gate.hpp"
#include "auth/policy.hpp"
#include "auth/policy_watch.hpp"
#include "common/result.hpp"
#include "model/actor.hpp"

namespace longshore {

class Database;
class ExternalTokens;
class Transaction;
struct ExternalIdentity;
namespace db {
struct ApiTokenRow;
struct FailureRow;
struct PrincipalRow;
}  // namespace db

/// The Actor of whom nothing is known.
const std::shared_ptr<const Actor>& nobody();

/// Who asks, by which credential, under which policy.
struct Caller {
    PrincipalId id = kAnonymous;
    std::string name = "anonymous";
    std::int64_t generation = 0;
    std::shared_ptr<const Policy> policy;  // null: everything is allowed
    CredentialKind kind = CredentialKind::none;
    std::optional<Limits> limits;  // of an API token
    std::string api_token;         // its public part, also behind others
    std::string credential_id;     // what names the credential in the audit log
    /// Who that is to the audit log; never null.
    std::shared_ptr<const Actor> actor = nobody();
    /// What an access token says it is for.
    std::optional<std::vector<TokenAccess>> scope;
    std::int64_t ends_at_ms = 0;  // of the credential; 0: never
    /// Of a token of an issuer, also behind an access token.
    std::shared_ptr<const ExternalIdentity> external;

    /// What the policy, and what an issuer's rules gave; needs a policy.
    Verdict decide(std::string_view repository, Action action) const noexcept;
    /// As Policy::list_from().
    std::optional<std::string> list_from(std::string_view last) const;
};

/// True for what describe() adds to the access of a token for registryd alone.
bool is_external_entry(const TokenAccess& access) noexcept;

/// When a wrong password locks the name: after so many, for twice as long
/// each time.
inline constexpr std::int64_t kFreeFailures = 5;
inline constexpr std::int64_t kLongestLockMs = 15 * 60'000;
/// Failures are forgotten after so long without one.
inline constexpr std::int64_t kFailureMemoryMs = 6 * 3600 * 1000;
/// Pause after the n-th wrong password in a row.
std::int64_t lock_ms(std::int64_t failures) noexcept;

class Authenticator {
public:
    struct Parts {
        Database& database;
        PolicyWatch& policy;
        KeyRing& keys;
        PasswordGate& passwords;
        ExternalTokens& external;
        Guards* guards = nullptr;
    };
    explicit Authenticator(const Parts& parts) : parts_(parts) {}

    /// `peer`: address that wrong passwords are counted for.
    /// @errors unauthenticated (UNAUTHORIZED), rate_limited (too many wrong
    ///         passwords, or logins at once; `detail` is the seconds to wait),
    ///         unavailable
    Result<Caller> authenticate(const Credential& credential,
                                std::string_view peer = {});

    /// A refresh token, with which only access tokens are had.
    /// @errors as authenticate()
    Result<Caller> authenticate_refresh(std::string_view token);

    /// A new refresh token for the caller.
    /// @errors unavailable, internal
    Result<std::string> make_refresh(const Caller& caller,
                                     const std::string& client);

    /// Claims that say who the caller is: sub, jti, and for a token of an
    /// issuer what its rules gave, in `access`.
    /// @errors internal (no entropy)
    Result<void> describe(const Caller& caller, TokenClaims& claims);

    /// Writes down when API tokens were used, forgets old failures; once in a
    /// while. @errors unavailable
    Result<void> tidy(std::int64_t now_ms);

private:
    Result<Caller> look(const Credential& credential, std::string_view peer);
    void count(CredentialKind kind, LoginOutcome outcome);
    Result<Caller> by_password(const Credential& credential,
                               std::string_view peer);
    Result<bool> verify(const Credential& credential, const std::string& hash,
                        std::int64_t now_ms);
    Result<Caller> by_api_token(std::string_view token);
    Result<Caller> by_access_token(std::string_view token);
    Result<Caller> by_certificate(std::string_view fingerprint);
    Result<Caller> by_external_token(std::string_view token);
    Result<Caller> by_external_access(TokenView view);
    Result<Caller> start_external(ExternalIdentity identity,
                                  CredentialKind kind);
    static void describe_external(const ExternalIdentity& identity,
                                  TokenClaims& claims);
    Result<Caller> start(PrincipalId id, CredentialKind kind);
    Result<void> add_limits(Caller& caller, std::string_view api_token);
    Result<void> record_failure(const std::string& name, std::string_view peer,
                                std::int64_t now_ms);
    void used(const std::string& api_token, std::int64_t now_ms);

    Parts parts_;
    std::mutex used_mutex_;
    std::unordered_map<std::string, std::int64_t> used_;  // not yet written
};

}  // namespace longshore
