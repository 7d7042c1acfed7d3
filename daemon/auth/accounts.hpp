// Accounts: what an operator does to principals, tokens, grants and
// visibility. Each call is one transaction that also raises the policy's
// version, so every running daemon knows within a second, whichever process
// called. Nothing returns or says a secret but what made it. Thread-safe;
// blocks on the database.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/changes.hpp"
#include "auth/policy.hpp"
#include "common/result.hpp"

namespace longshore {

class Database;
class Transaction;
namespace db {
struct PrincipalRow;
}

struct PrincipalInfo {
    PrincipalId id = 0;
    PrincipalKind kind = PrincipalKind::user;
    std::string name;
    std::string source;  // "local" "htpasswd"
    bool has_password = false;
    bool disabled = false;
    std::int64_t created_at_ms = 0;
    std::vector<std::string> groups;   // of a user or service
    std::vector<std::string> members;  // of a group
};

struct ApiTokenInfo {
    std::string id;  // public part
    std::string principal;
    std::string name;
    ActionSet actions;
    std::vector<std::string> patterns;  // none: every repository
    std::int64_t created_at_ms = 0;
    std::int64_t expires_at_ms = 0;  // 0: never; so for the others
    std::int64_t used_at_ms = 0;
    std::int64_t revoked_at_ms = 0;
};

struct CertificateInfo {
    std::string principal;
    std::string fingerprint;
    std::int64_t created_at_ms = 0;
};

struct GrantInfo {
    std::string principal;
    std::string pattern;
    ActionSet actions;
};

struct VisibilityInfo {
    std::string pattern;
    bool is_public = false;
};

struct NewApiToken {
    std::string principal;
    std::string name;  // for people: "ci of team/app"
    ActionSet actions;
    std::vector<std::string> patterns;
    std::int64_t expires_at_ms = 0;
    /// Of the credential that it is made with: the token is to have no more.
    std::optional<Limits> within = {};
    std::int64_t within_until_ms = 0;  // 0: no end
};

struct MadeApiToken {
    std::string id;
    std::string text;  // shown once
};

struct CanAnswer {
    bool allowed = false;
    std::string why;
};

/// Reads all that the policy is made of, in one snapshot.
/// @errors unavailable, corrupt (a pattern or kind that cannot be)
Result<std::shared_ptr<const Policy>> load_policy(Database& database);

/// [A-Za-z0-9] and inside also . _ - @ +, at most 128 characters; so that no
/// name has to be escaped anywhere.
bool is_principal_name(std::string_view name) noexcept;

/// Every function returns unavailable or corrupt when the database does, and
/// not_found for a principal, token, certificate or rule that there is not.
/// `expected`: versions one of which the policy must have when something is
/// written, else precondition_failed; none: any.
class Accounts {
public:
    /// `actor` is who calls: each change is told in the audit log, in its own
    /// transaction.
    explicit Accounts(Database& database, Actor actor = {},
                      ExpectedVersions expected = {})
        : database_(database),
          changes_(database, std::move(actor), std::move(expected)) {}

    /// The policy's version: each change of principals, groups, grants or
    /// visibility makes it another. @errors those said above
    Result<std::int64_t> version();

    /// A user, service account or group; without a password unless one is
    /// given. @errors invalid_argument (name, kind, the password's rules),
    ///         already_exists
    Result<void> create(PrincipalKind kind, const std::string& name,
                        std::optional<std::string_view> password = {});
    /// With all its tokens, grants and memberships.
    /// @errors not_found, invalid_argument (a builtin one)
    Result<void> remove(const std::string& name);
    /// Disabled: no credential of it is taken, what was issued ends.
    /// @errors not_found, invalid_argument (a builtin one)
    Result<void> set_disabled(const std::string& name, bool disabled);
    /// Ends what was issued for the old one; lifts a lock.
    /// @errors not_found, invalid_argument (rules, a group, of htpasswd)
    Result<void> set_password(const std::string& name,
                              std::string_view password);
    /// Forgets wrong passwords. @errors those said above
    Result<void> unlock(const std::string& name);
    /// Of any kind but a builtin one. @errors not_found
    Result<PrincipalInfo> find(const std::string& name);
    /// Of one kind; without builtin ones. @errors those said above
    Result<std::vector<PrincipalInfo>> list(PrincipalKind kind);

    /// @errors not_found, invalid_argument (not a group, a group as member)
    Result<void> add_member(const std::string& group,
                            const std::string& member);
    /// @errors not_found
    Result<void> remove_member(const std::string& group,
                               const std::string& member);

    /// @errors not_found, invalid_argument (no actions, a pattern, the end),
    ///         denied (more than `within`)
    Result<MadeApiToken> create_token(const NewApiToken& wanted);
    /// Of one principal; "": of all. @errors not_found
    Result<std::vector<ApiTokenInfo>> list_tokens(const std::string& principal);
    /// By the public part, or by the whole text. @errors not_found
    Result<void> revoke_token(const std::string& token);

    /// `fingerprint`: SHA-256 of the certificate, hex, colons allowed.
    /// @errors not_found, already_exists, invalid_argument
    Result<void> add_certificate(const std::string& principal,
                                 const std::string& fingerprint);
    /// @errors not_found, invalid_argument
    Result<void> remove_certificate(const std::string& fingerprint);
    /// Of one principal; "": of all. @errors not_found
    Result<std::vector<CertificateInfo>> list_certificates(
        const std::string& principal);

    /// Adds the actions to what the principal has for exactly this pattern.
    /// `principal` may be "anonymous" or "authenticated".
    /// @errors not_found, invalid_argument
    Result<void> grant(const std::string& principal, const std::string& pattern,
                       ActionSet actions);
    /// Takes the actions away again. @errors not_found, invalid_argument
    Result<void> revoke(const std::string& principal,
                        const std::string& pattern, ActionSet actions);
    /// Of one principal; "": all. @errors not_found
    Result<std::vector<GrantInfo>> list_grants(const std::string& principal);

    /// @errors invalid_argument
    Result<void> set_visibility(const std::string& pattern, bool is_public);
    /// @errors not_found
    Result<void> remove_visibility(const std::string& pattern);
    /// @errors those said above
    Result<std::vector<VisibilityInfo>> list_visibility();

    /// Whether a principal may, with a credential that limits nothing.
    /// @errors not_found, invalid_argument (the repository's name)
    Result<CanAnswer> can(const std::string& principal, Action action,
                          const std::string& repository);

private:
    template <typename F>
    Result<void> change(std::string_view action, const std::string& name,
                        const F& work, const std::string& detail = {});

    Database& database_;
    Changes changes_;
};

}  // namespace longshore
