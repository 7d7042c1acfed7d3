#include "db/accounts.hpp"

#include "db/rows.hpp"

namespace longshore::db {
namespace {

// Changes that a reader may be behind; one further behind takes everything
// for changed.
constexpr std::int64_t kChangesKept = 1000;

std::string text(const Rows& row, int column) {
    return std::string(row.text(column));
}

void read_row(const Rows& row, PrincipalRow& out) {
    out = {row.integer(0), text(row, 1),   text(row, 2),
           text(row, 3),   text(row, 4),   row.integer(5) != 0,
           row.integer(6), row.integer(7), row.integer(8)};
}

void read_row(const Rows& row, ApiTokenRow& out) {
    out = {text(row, 0),   row.integer(1), text(row, 2),   text(row, 3),
           row.integer(4), text(row, 5),   row.integer(6), row.integer(7),
           row.integer(8), row.integer(9)};
}

void read_row(const Rows& row, RefreshTokenRow& out) {
    out = {text(row, 0), row.integer(1), text(row, 2),   row.integer(3),
           text(row, 4), text(row, 5),   row.integer(6), row.integer(7)};
}

void read_row(const Rows& row, CertificateRow& out) {
    out = {text(row, 0), row.integer(1), row.integer(2)};
}

void read_row(const Rows& row, GrantRow& out) {
    out = {row.integer(0), text(row, 1), row.integer(2), row.integer(3)};
}

void read_row(const Rows& row, MembershipRow& out) {
    out = {row.integer(0), row.integer(1)};
}

void read_row(const Rows& row, VisibilityRow& out) {
    out = {text(row, 0), text(row, 1)};
}

void read_row(const Rows& row, FailureRow& out) {
    out = {text(row, 0), row.integer(1), row.integer(2), row.integer(3)};
}

template <typename T>
Result<std::vector<T>> all(Transaction& t, Sql sql,
                           std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    std::vector<T> found;
    for (;;) {
        LS_TRY(more, rows->next());
        if (!more) {
            return found;
        }
        read_row(*rows, found.emplace_back());
    }
}

template <typename T>
Result<std::optional<T>> one(Transaction& t, Sql sql,
                             std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    LS_TRY(found, rows->next());
    if (!found) {
        return std::optional<T>();
    }
    T row;
    read_row(*rows, row);
    return std::optional<T>(std::move(row));
}

}  // namespace

// The policy's version.

Result<std::int64_t> policy_version(Transaction& t) {
    static constexpr Sql kVersion = "SELECT version FROM policy WHERE id = 1";
    LS_TRY(version, one_integer(t, kVersion, {}));
    return version.value_or(0);
}

Result<void> bump_policy(Transaction& t, std::int64_t principal,
                         std::int64_t now_ms) {
    // The row's lock makes the versions of concurrent changes come in the
    // order of their commits.
    static constexpr Sql kBump =
        "UPDATE policy SET version = version + 1 WHERE id = 1";
    static constexpr Sql kChange =
        "INSERT INTO policy_changes (version, principal_id, at_ms)"
        " SELECT version, $1, $2 FROM policy WHERE id = 1";
    static constexpr Sql kForget =
        "DELETE FROM policy_changes WHERE version <="
        " (SELECT version FROM policy WHERE id = 1) - $1";
    LS_CHECK(done(t.execute(kBump, {})));
    LS_CHECK(done(t.execute(kChange, {principal, now_ms})));
    return done(t.execute(kForget, {kChangesKept}));
}

Result<std::vector<std::int64_t>> changes_between(Transaction& t,
                                                  std::int64_t from,
                                                  std::int64_t to) {
    static constexpr Sql kChanges =
        "SELECT principal_id FROM policy_changes"
        " WHERE version > $1 AND version <= $2 ORDER BY version";
    LS_TRY(rows, t.query(kChanges, {from, to}));
    std::vector<std::int64_t> found;
    for (;;) {
        LS_TRY(more, rows->next());
        if (!more) {
            return found;
        }
        found.push_back(rows->integer(0));
    }
}

// Principals.

Result<std::optional<PrincipalRow>> find_principal(Transaction& t,
                                                   std::string_view name) {
    static constexpr Sql kFind =
        "SELECT id, kind, name, source, password_hash, disabled, generation,"
        " created_at_ms, changed_at_ms FROM principals WHERE name = $1";
    return one<PrincipalRow>(t, kFind, {name});
}

Result<std::optional<PrincipalRow>> principal(Transaction& t, std::int64_t id) {
    static constexpr Sql kFind =
        "SELECT id, kind, name, source, password_hash, disabled, generation,"
        " created_at_ms, changed_at_ms FROM principals WHERE id = $1";
    return one<PrincipalRow>(t, kFind, {id});
}

Result<std::vector<PrincipalRow>> list_principals(Transaction& t) {
    static constexpr Sql kList =
        "SELECT id, kind, name, source, password_hash, disabled, generation,"
        " created_at_ms, changed_at_ms FROM principals ORDER BY name";
    return all<PrincipalRow>(t, kList, {});
}

Result<std::int64_t> add_principal(Transaction& t, const PrincipalRow& row) {
    static constexpr Sql kAdd =
        "INSERT INTO principals (id, kind, name, source, password_hash,"
        " disabled, generation, created_at_ms, changed_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";
    static constexpr Sql kAddNew =
        "INSERT INTO principals (kind, name, source, password_hash,"
        " disabled, generation, created_at_ms, changed_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    auto disabled = std::int64_t{row.disabled ? 1 : 0};
    LS_TRY(id, row.id != 0
                   ? one_integer(t, kAdd,
                                 {row.id, row.kind, row.name, row.source,
                                  row.password_hash, disabled, row.generation,
                                  row.created_at_ms, row.changed_at_ms})
                   : one_integer(t, kAddNew,
                                 {row.kind, row.name, row.source,
                                  row.password_hash, disabled, row.generation,
                                  row.created_at_ms, row.changed_at_ms}));
    if (!id) {
        return Error{Code::internal, "insert of a principal gave no row"};
    }
    return *id;
}

Result<bool> update_principal(Transaction& t, const PrincipalRow& row) {
    static constexpr Sql kUpdate =
        "UPDATE principals SET name = $2, source = $3, password_hash = $4,"
        " disabled = $5, generation = $6, changed_at_ms = $7 WHERE id = $1";
    return any(
        t.execute(kUpdate, {row.id, row.name, row.source, row.password_hash,
                            std::int64_t{row.disabled ? 1 : 0}, row.generation,
                            row.changed_at_ms}));
}

Result<bool> delete_principal(Transaction& t, std::int64_t id) {
    static constexpr Sql kDelete = "DELETE FROM principals WHERE id = $1";
    return any(t.execute(kDelete, {id}));
}

// Groups.

Result<std::vector<MembershipRow>> list_memberships(Transaction& t) {
    static constexpr Sql kList =
        "SELECT member_id, group_id FROM memberships"
        " ORDER BY member_id, group_id";
    return all<MembershipRow>(t, kList, {});
}

Result<bool> add_membership(Transaction& t, const MembershipRow& row) {
    static constexpr Sql kAdd =
        "INSERT INTO memberships (member_id, group_id) VALUES ($1, $2)"
        " ON CONFLICT (member_id, group_id) DO NOTHING";
    return any(t.execute(kAdd, {row.member_id, row.group_id}));
}

Result<bool> delete_membership(Transaction& t, const MembershipRow& row) {
    static constexpr Sql kDelete =
        "DELETE FROM memberships WHERE member_id = $1 AND group_id = $2";
    return any(t.execute(kDelete, {row.member_id, row.group_id}));
}

// API tokens.

Result<std::optional<ApiTokenRow>> find_api_token(Transaction& t,
                                                  std::string_view id) {
    static constexpr Sql kFind =
        "SELECT id, principal_id, secret_hash, name, actions, patterns,"
        " created_at_ms, expires_at_ms, used_at_ms, revoked_at_ms"
        " FROM api_tokens WHERE id = $1";
    return one<ApiTokenRow>(t, kFind, {id});
}

Result<std::vector<ApiTokenRow>> list_api_tokens(Transaction& t,
                                                 std::int64_t principal) {
    static constexpr Sql kList =
        "SELECT id, principal_id, secret_hash, name, actions, patterns,"
        " created_at_ms, expires_at_ms, used_at_ms, revoked_at_ms"
        " FROM api_tokens WHERE $1 = 0 OR principal_id = $1"
        " ORDER BY created_at_ms DESC, id";
    return all<ApiTokenRow>(t, kList, {principal});
}

Result<void> add_api_token(Transaction& t, const ApiTokenRow& row) {
    static constexpr Sql kAdd =
        "INSERT INTO api_tokens (id, principal_id, secret_hash, name, actions,"
        " patterns, created_at_ms, expires_at_ms, used_at_ms, revoked_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    return done(t.execute(
        kAdd, {row.id, row.principal_id, row.secret_hash, row.name, row.actions,
               row.patterns, row.created_at_ms, row.expires_at_ms,
               row.used_at_ms, row.revoked_at_ms}));
}

Result<bool> revoke_api_token(Transaction& t, std::string_view id,
                              std::int64_t now_ms) {
    static constexpr Sql kRevoke =
        "UPDATE api_tokens SET revoked_at_ms = $2"
        " WHERE id = $1 AND revoked_at_ms = 0";
    return any(t.execute(kRevoke, {id, now_ms}));
}

Result<void> touch_api_token(Transaction& t, std::string_view id,
                             std::int64_t used_at_ms) {
    static constexpr Sql kTouch =
        "UPDATE api_tokens SET used_at_ms = $2"
        " WHERE id = $1 AND used_at_ms < $2";
    return done(t.execute(kTouch, {id, used_at_ms}));
}

// Refresh tokens.

Result<std::optional<RefreshTokenRow>> find_refresh_token(Transaction& t,
                                                          std::string_view id) {
    static constexpr Sql kFind =
        "SELECT id, principal_id, secret_hash, generation, api_token_id,"
        " client, created_at_ms, expires_at_ms FROM refresh_tokens"
        " WHERE id = $1";
    return one<RefreshTokenRow>(t, kFind, {id});
}

Result<std::vector<RefreshTokenRow>> list_refresh_tokens(Transaction& t) {
    static constexpr Sql kList =
        "SELECT id, principal_id, secret_hash, generation, api_token_id,"
        " client, created_at_ms, expires_at_ms FROM refresh_tokens"
        " ORDER BY id";
    return all<RefreshTokenRow>(t, kList, {});
}

Result<void> add_refresh_token(Transaction& t, const RefreshTokenRow& row) {
    static constexpr Sql kAdd =
        "INSERT INTO refresh_tokens (id, principal_id, secret_hash,"
        " generation, api_token_id, client, created_at_ms, expires_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    return done(t.execute(kAdd, {row.id, row.principal_id, row.secret_hash,
                                 row.generation, row.api_token_id, row.client,
                                 row.created_at_ms, row.expires_at_ms}));
}

Result<bool> delete_refresh_token(Transaction& t, std::string_view id) {
    static constexpr Sql kDelete = "DELETE FROM refresh_tokens WHERE id = $1";
    return any(t.execute(kDelete, {id}));
}

Result<std::int64_t> delete_refresh_tokens(Transaction& t,
                                           std::int64_t principal) {
    static constexpr Sql kDelete =
        "DELETE FROM refresh_tokens WHERE principal_id = $1";
    return t.execute(kDelete, {principal});
}

Result<void> prune_refresh_tokens(Transaction& t, std::int64_t principal,
                                  std::size_t keep, std::int64_t now_ms) {
    static constexpr Sql kExpired =
        "DELETE FROM refresh_tokens WHERE expires_at_ms < $1";
    static constexpr Sql kSurplus =
        "DELETE FROM refresh_tokens WHERE principal_id = $1 AND id NOT IN"
        " (SELECT id FROM refresh_tokens WHERE principal_id = $1"
        " ORDER BY created_at_ms DESC, id LIMIT $2)";
    LS_CHECK(done(t.execute(kExpired, {now_ms})));
    return done(t.execute(kSurplus, {principal, integer(keep)}));
}

// Client certificates.

Result<std::optional<CertificateRow>> find_certificate(
    Transaction& t, std::string_view fingerprint) {
    static constexpr Sql kFind =
        "SELECT fingerprint, principal_id, created_at_ms"
        " FROM client_certificates WHERE fingerprint = $1";
    return one<CertificateRow>(t, kFind, {fingerprint});
}

Result<std::vector<CertificateRow>> list_certificates(Transaction& t) {
    static constexpr Sql kList =
        "SELECT fingerprint, principal_id, created_at_ms"
        " FROM client_certificates ORDER BY fingerprint";
    return all<CertificateRow>(t, kList, {});
}

Result<void> add_certificate(Transaction& t, const CertificateRow& row) {
    static constexpr Sql kAdd =
        "INSERT INTO client_certificates (fingerprint, principal_id,"
        " created_at_ms) VALUES ($1, $2, $3)";
    return done(t.execute(
        kAdd, {row.fingerprint, row.principal_id, row.created_at_ms}));
}

Result<bool> delete_certificate(Transaction& t, std::string_view fingerprint) {
    static constexpr Sql kDelete =
        "DELETE FROM client_certificates WHERE fingerprint = $1";
    return any(t.execute(kDelete, {fingerprint}));
}

// Grants and visibility.

Result<std::vector<GrantRow>> list_grants(Transaction& t) {
    static constexpr Sql kList =
        "SELECT principal_id, pattern, actions, created_at_ms FROM grants"
        " ORDER BY principal_id, pattern";
    return all<GrantRow>(t, kList, {});
}

Result<std::optional<GrantRow>> find_grant(Transaction& t,
                                           std::int64_t principal,
                                           std::string_view pattern) {
    static constexpr Sql kFind =
        "SELECT principal_id, pattern, actions, created_at_ms FROM grants"
        " WHERE principal_id = $1 AND pattern = $2";
    return one<GrantRow>(t, kFind, {principal, pattern});
}

Result<void> put_grant(Transaction& t, const GrantRow& row) {
    static constexpr Sql kPut =
        "INSERT INTO grants (principal_id, pattern, actions, created_at_ms)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (principal_id, pattern)"
        " DO UPDATE SET actions = excluded.actions";
    return done(t.execute(
        kPut, {row.principal_id, row.pattern, row.actions, row.created_at_ms}));
}

Result<bool> delete_grant(Transaction& t, std::int64_t principal,
                          std::string_view pattern) {
    static constexpr Sql kDelete =
        "DELETE FROM grants WHERE principal_id = $1 AND pattern = $2";
    return any(t.execute(kDelete, {principal, pattern}));
}

Result<std::vector<VisibilityRow>> list_visibility(Transaction& t) {
    static constexpr Sql kList =
        "SELECT pattern, visibility FROM visibility ORDER BY pattern";
    return all<VisibilityRow>(t, kList, {});
}

Result<void> put_visibility(Transaction& t, const VisibilityRow& row) {
    static constexpr Sql kPut =
        "INSERT INTO visibility (pattern, visibility) VALUES ($1, $2)"
        " ON CONFLICT (pattern) DO UPDATE SET visibility ="
        " excluded.visibility";
    return done(t.execute(kPut, {row.pattern, row.visibility}));
}

Result<bool> delete_visibility(Transaction& t, std::string_view pattern) {
    static constexpr Sql kDelete = "DELETE FROM visibility WHERE pattern = $1";
    return any(t.execute(kDelete, {pattern}));
}

// Failed logins.

Result<std::optional<FailureRow>> find_failures(Transaction& t,
                                                std::string_view name) {
    static constexpr Sql kFind =
        "SELECT name, failures, failed_at_ms, locked_until_ms"
        " FROM login_failures WHERE name = $1";
    return one<FailureRow>(t, kFind, {name});
}

Result<void> put_failures(Transaction& t, const FailureRow& row) {
    static constexpr Sql kPut =
        "INSERT INTO login_failures (name, failures, failed_at_ms,"
        " locked_until_ms) VALUES ($1, $2, $3, $4) ON CONFLICT (name)"
        " DO UPDATE SET failures = excluded.failures,"
        " failed_at_ms = excluded.failed_at_ms,"
        " locked_until_ms = excluded.locked_until_ms";
    return done(t.execute(
        kPut, {row.name, row.failures, row.failed_at_ms, row.locked_until_ms}));
}

Result<bool> delete_failures(Transaction& t, std::string_view name) {
    static constexpr Sql kDelete = "DELETE FROM login_failures WHERE name = $1";
    return any(t.execute(kDelete, {name}));
}

Result<void> prune_failures(Transaction& t, std::int64_t before_ms,
                            std::size_t n) {
    static constexpr Sql kPrune =
        "DELETE FROM login_failures WHERE name IN (SELECT name FROM"
        " login_failures WHERE failed_at_ms < $1 ORDER BY failed_at_ms"
        " LIMIT $2)";
    return done(t.execute(kPrune, {before_ms, integer(n)}));
}

// From one database into another.

Result<AccountRows> read_accounts(Transaction& t) {
    AccountRows rows;
    LS_TRY(principals, list_principals(t));
    rows.principals = std::move(principals);
    LS_TRY(memberships, list_memberships(t));
    rows.memberships = std::move(memberships);
    LS_TRY(api_tokens, list_api_tokens(t, 0));
    rows.api_tokens = std::move(api_tokens);
    LS_TRY(refresh_tokens, list_refresh_tokens(t));
    rows.refresh_tokens = std::move(refresh_tokens);
    LS_TRY(certificates, list_certificates(t));
    rows.certificates = std::move(certificates);
    LS_TRY(grants, list_grants(t));
    rows.grants = std::move(grants);
    LS_TRY(visibility, list_visibility(t));
    rows.visibility = std::move(visibility);
    LS_TRY(issuers, read_issuers(t));
    rows.issuers = std::move(issuers);
    LS_TRY(version, policy_version(t));
    rows.version = version;
    return rows;
}

Result<void> write_accounts(Transaction& t, const AccountRows& rows) {
    static constexpr Sql kVersion =
        "UPDATE policy SET version = $1 WHERE id = 1";
    for (const auto& row : rows.principals) {
        if (row.kind != "builtin") {
            LS_TRY(id, add_principal(t, row));
            static_cast<void>(id);
        }
    }
    for (const auto& row : rows.memberships) {
        LS_TRY(added, add_membership(t, row));
        static_cast<void>(added);
    }
    for (const auto& row : rows.api_tokens) {
        LS_CHECK(add_api_token(t, row));
    }
    for (const auto& row : rows.refresh_tokens) {
        LS_CHECK(add_refresh_token(t, row));
    }
    for (const auto& row : rows.certificates) {
        LS_CHECK(add_certificate(t, row));
    }
    for (const auto& row : rows.grants) {
        LS_CHECK(put_grant(t, row));
    }
    for (const auto& row : rows.visibility) {
        LS_CHECK(put_visibility(t, row));
    }
    LS_CHECK(write_issuers(t, rows.issuers));
    return done(t.execute(kVersion, {rows.version + 1}));
}

}  // namespace longshore::db
