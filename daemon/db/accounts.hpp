// Statements of the account tables (schema 0002): principals, credentials,
// grants, visibility, the policy's version. What belongs together is put
// together by auth/.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"
#include "db/issuers.hpp"

namespace longshore::db {

/// Rows that schema 0002 makes.
inline constexpr std::int64_t kAnonymousId = 1;
inline constexpr std::int64_t kAuthenticatedId = 2;

struct PrincipalRow {
    std::int64_t id = 0;
    std::string kind;  // "user" "service" "group" "builtin"
    std::string name;
    std::string source = "local";  // or "htpasswd"
    std::string password_hash;     // "": none
    bool disabled = false;
    std::int64_t generation = 0;
    std::int64_t created_at_ms = 0;
    std::int64_t changed_at_ms = 0;
};

struct ApiTokenRow {
    std::string id;
    std::int64_t principal_id = 0;
    std::string secret_hash;
    std::string name;
    std::int64_t actions = 0;
    std::string patterns;
    std::int64_t created_at_ms = 0;
    std::int64_t expires_at_ms = 0;
    std::int64_t used_at_ms = 0;
    std::int64_t revoked_at_ms = 0;
};

struct RefreshTokenRow {
    std::string id;
    std::int64_t principal_id = 0;
    std::string secret_hash;
    std::int64_t generation = 0;
    std::string api_token_id;
    std::string client;
    std::int64_t created_at_ms = 0;
    std::int64_t expires_at_ms = 0;
};

struct CertificateRow {
    std::string fingerprint;
    std::int64_t principal_id = 0;
    std::int64_t created_at_ms = 0;
};

struct GrantRow {
    std::int64_t principal_id = 0;
    std::string pattern;
    std::int64_t actions = 0;
    std::int64_t created_at_ms = 0;
};

struct MembershipRow {
    std::int64_t member_id = 0;
    std::int64_t group_id = 0;
};

struct VisibilityRow {
    std::string pattern;
    std::string visibility;
};

struct FailureRow {
    std::string name;
    std::int64_t failures = 0;
    std::int64_t failed_at_ms = 0;
    std::int64_t locked_until_ms = 0;
};

// The policy's version.
Result<std::int64_t> policy_version(Transaction& t);
/// One more; `principal` says whose, 0: everybody's. Called in the
/// transaction of the change. Forgets changes far behind.
Result<void> bump_policy(Transaction& t, std::int64_t principal,
                         std::int64_t now_ms);
/// Principals of the changes that led from one version to another, oldest
/// first; fewer than versions when some are forgotten.
Result<std::vector<std::int64_t>> changes_between(Transaction& t,
                                                  std::int64_t from,
                                                  std::int64_t to);

// Principals.
Result<std::optional<PrincipalRow>> find_principal(Transaction& t,
                                                   std::string_view name);
Result<std::optional<PrincipalRow>> principal(Transaction& t, std::int64_t id);
Result<std::vector<PrincipalRow>> list_principals(Transaction& t);
/// Returns the new id; `row.id` 0 makes one. @errors conflict (name)
Result<std::int64_t> add_principal(Transaction& t, const PrincipalRow& row);
/// All but id, kind and times of making. False: no such id.
Result<bool> update_principal(Transaction& t, const PrincipalRow& row);
Result<bool> delete_principal(Transaction& t, std::int64_t id);

// Groups.
Result<std::vector<MembershipRow>> list_memberships(Transaction& t);
/// True if it was not there before.
Result<bool> add_membership(Transaction& t, const MembershipRow& row);
Result<bool> delete_membership(Transaction& t, const MembershipRow& row);

// API tokens.
Result<std::optional<ApiTokenRow>> find_api_token(Transaction& t,
                                                  std::string_view id);
/// Of one principal, or of all for 0; newest first.
Result<std::vector<ApiTokenRow>> list_api_tokens(Transaction& t,
                                                 std::int64_t principal);
/// @errors conflict (id)
Result<void> add_api_token(Transaction& t, const ApiTokenRow& row);
/// False when it was not there, or was revoked already.
Result<bool> revoke_api_token(Transaction& t, std::string_view id,
                              std::int64_t now_ms);
Result<void> touch_api_token(Transaction& t, std::string_view id,
                             std::int64_t used_at_ms);

// Refresh tokens.
Result<std::optional<RefreshTokenRow>> find_refresh_token(Transaction& t,
                                                          std::string_view id);
Result<std::vector<RefreshTokenRow>> list_refresh_tokens(Transaction& t);
/// @errors conflict (id)
Result<void> add_refresh_token(Transaction& t, const RefreshTokenRow& row);
Result<bool> delete_refresh_token(Transaction& t, std::string_view id);
/// All of a principal. Returns how many.
Result<std::int64_t> delete_refresh_tokens(Transaction& t,
                                           std::int64_t principal);
/// Those that ended before `now_ms`, and of one principal all but the newest
/// `keep`.
Result<void> prune_refresh_tokens(Transaction& t, std::int64_t principal,
                                  std::size_t keep, std::int64_t now_ms);

// Client certificates.
Result<std::optional<CertificateRow>> find_certificate(
    Transaction& t, std::string_view fingerprint);
Result<std::vector<CertificateRow>> list_certificates(Transaction& t);
/// @errors conflict (fingerprint)
Result<void> add_certificate(Transaction& t, const CertificateRow& row);
Result<bool> delete_certificate(Transaction& t, std::string_view fingerprint);

// Grants and visibility.
Result<std::vector<GrantRow>> list_grants(Transaction& t);
Result<std::optional<GrantRow>> find_grant(Transaction& t,
                                           std::int64_t principal,
                                           std::string_view pattern);
/// Makes the row or replaces its actions.
Result<void> put_grant(Transaction& t, const GrantRow& row);
Result<bool> delete_grant(Transaction& t, std::int64_t principal,
                          std::string_view pattern);
Result<std::vector<VisibilityRow>> list_visibility(Transaction& t);
Result<void> put_visibility(Transaction& t, const VisibilityRow& row);
Result<bool> delete_visibility(Transaction& t, std::string_view pattern);

// Failed logins.
Result<std::optional<FailureRow>> find_failures(Transaction& t,
                                                std::string_view name);
Result<void> put_failures(Transaction& t, const FailureRow& row);
Result<bool> delete_failures(Transaction& t, std::string_view name);
/// Those that failed last before `before_ms`; at most `n`.
Result<void> prune_failures(Transaction& t, std::int64_t before_ms,
                            std::size_t n);

/// Everything of these tables but failed logins, from one database into a new
/// one. The new one must have nothing but what the schema makes.
struct AccountRows {
    std::vector<PrincipalRow> principals;
    std::vector<MembershipRow> memberships;
    std::vector<ApiTokenRow> api_tokens;
    std::vector<RefreshTokenRow> refresh_tokens;
    std::vector<CertificateRow> certificates;
    std::vector<GrantRow> grants;
    std::vector<VisibilityRow> visibility;
    IssuerRows issuers;
    std::int64_t version = 0;
};
Result<AccountRows> read_accounts(Transaction& t);
Result<void> write_accounts(Transaction& t, const AccountRows& rows);

}  // namespace longshore::db
