#include "db/signing_keys.hpp"

#include "db/rows.hpp"

namespace longshore::db {
namespace {

std::string text(const Rows& row, int column) {
    return std::string(row.text(column));
}

SigningKeyRow read_row(const Rows& row) {
    return {row.integer(0),  row.integer(1),  text(row, 2),   text(row, 3),
            text(row, 4),    text(row, 5),    text(row, 6),   text(row, 7),
            text(row, 8),    text(row, 9),    text(row, 10),  row.integer(11),
            row.integer(12), row.integer(13), row.integer(14)};
}

Result<std::vector<SigningKeyRow>> all(Transaction& t, Sql sql,
                                       std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    std::vector<SigningKeyRow> found;
    for (;;) {
        LS_TRY(more, rows->next());
        if (!more) {
            return found;
        }
        found.push_back(read_row(*rows));
    }
}

}  // namespace

Result<std::vector<SigningKeyRow>> list_signing_keys(
    Transaction& t, std::int64_t repository_id) {
    static constexpr Sql kList =
        "SELECT id, repository_id, kind, state, origin, algorithm,"
        " fingerprint, key_id, user_id, public_key, sealed, created_at_ms,"
        " expires_at_ms, published_until_ms, retired_at_ms FROM signing_keys"
        " WHERE repository_id = $1 ORDER BY id DESC";
    return all(t, kList, {repository_id});
}

Result<std::vector<SigningKeyRow>> usable_signing_keys(
    Transaction& t, std::int64_t repository_id, std::string_view kind) {
    // 'active' is before 'published'.
    static constexpr Sql kUsable =
        "SELECT id, repository_id, kind, state, origin, algorithm,"
        " fingerprint, key_id, user_id, public_key, sealed, created_at_ms,"
        " expires_at_ms, published_until_ms, retired_at_ms FROM signing_keys"
        " WHERE repository_id = $1 AND kind = $2 AND state <> 'retired'"
        " ORDER BY state, id DESC";
    return all(t, kUsable, {repository_id, kind});
}

Result<bool> has_sealed_keys(Transaction& t) {
    static constexpr Sql kAny =
        "SELECT id FROM signing_keys WHERE sealed <> '' LIMIT 1";
    LS_TRY(found, one_integer(t, kAny, {}));
    return found.has_value();
}

Result<std::int64_t> add_signing_key(Transaction& t, const SigningKeyRow& row) {
    static constexpr Sql kAdd =
        "INSERT INTO signing_keys (id, repository_id, kind, state, origin,"
        " algorithm, fingerprint, key_id, user_id, public_key, sealed,"
        " created_at_ms, expires_at_ms, published_until_ms, retired_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
        " $15) RETURNING id";
    static constexpr Sql kAddNew =
        "INSERT INTO signing_keys (repository_id, kind, state, origin,"
        " algorithm, fingerprint, key_id, user_id, public_key, sealed,"
        " created_at_ms, expires_at_ms, published_until_ms, retired_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        " RETURNING id";
    LS_TRY(id,
           row.id != 0
               ? one_integer(t, kAdd,
                             {row.id, row.repository_id, row.kind, row.state,
                              row.origin, row.algorithm, row.fingerprint,
                              row.key_id, row.user_id, row.public_key,
                              row.sealed, row.created_at_ms, row.expires_at_ms,
                              row.published_until_ms, row.retired_at_ms})
               : one_integer(t, kAddNew,
                             {row.repository_id, row.kind, row.state,
                              row.origin, row.algorithm, row.fingerprint,
                              row.key_id, row.user_id, row.public_key,
                              row.sealed, row.created_at_ms, row.expires_at_ms,
                              row.published_until_ms, row.retired_at_ms}));
    return id.value_or(0);
}

Result<bool> publish_active_key(Transaction& t, std::int64_t repository_id,
                                std::string_view kind,
                                std::int64_t published_until_ms) {
    static constexpr Sql kPublish =
        "UPDATE signing_keys SET state = 'published', published_until_ms = $3"
        " WHERE repository_id = $1 AND kind = $2 AND state = 'active'";
    return any(t.execute(kPublish, {repository_id, kind, published_until_ms}));
}

Result<bool> delete_signing_key(Transaction& t, std::int64_t id) {
    static constexpr Sql kDelete = "DELETE FROM signing_keys WHERE id = $1";
    return any(t.execute(kDelete, {id}));
}

Result<std::vector<SigningKeyRow>> ended_signing_keys(Transaction& t,
                                                      std::int64_t now_ms) {
    static constexpr Sql kEnded =
        "SELECT id, repository_id, kind, state, origin, algorithm,"
        " fingerprint, key_id, user_id, public_key, sealed, created_at_ms,"
        " expires_at_ms, published_until_ms, retired_at_ms FROM signing_keys"
        " WHERE state = 'published' AND published_until_ms <= $1"
        " ORDER BY id LIMIT 100";
    return all(t, kEnded, {now_ms});
}

Result<bool> retire_signing_key(Transaction& t, std::int64_t id,
                                std::int64_t now_ms) {
    static constexpr Sql kRetire =
        "UPDATE signing_keys SET state = 'retired', sealed = '',"
        " retired_at_ms = $2 WHERE id = $1 AND state = 'published'";
    return any(t.execute(kRetire, {id, now_ms}));
}

Result<void> prune_signing_keys(Transaction& t, std::int64_t before_ms) {
    static constexpr Sql kPrune =
        "DELETE FROM signing_keys WHERE state = 'retired'"
        " AND retired_at_ms < $1";
    return done(t.execute(kPrune, {before_ms}));
}

Result<std::optional<std::string>> repository_key(Transaction& t,
                                                  std::int64_t id) {
    static constexpr Sql kFind = "SELECT key FROM repositories WHERE id = $1";
    return one_text(t, kFind, {id});
}

Result<std::optional<std::int64_t>> repository_id(Transaction& t,
                                                  std::string_view key) {
    static constexpr Sql kFind = "SELECT id FROM repositories WHERE key = $1";
    return one_integer(t, kFind, {key});
}

// From one database into another.

Result<SigningRows> read_signing_keys(Transaction& t) {
    static constexpr Sql kRepositories =
        "SELECT id, key, format, kind FROM repositories WHERE id IN"
        " (SELECT repository_id FROM signing_keys) ORDER BY id";
    static constexpr Sql kKeys =
        "SELECT id, repository_id, kind, state, origin, algorithm,"
        " fingerprint, key_id, user_id, public_key, sealed, created_at_ms,"
        " expires_at_ms, published_until_ms, retired_at_ms FROM signing_keys "
        "ORDER BY id";
    SigningRows found;
    {
        LS_TRY(rows, t.query(kRepositories, {}));
        for (;;) {
            LS_TRY(more, rows->next());
            if (!more) {
                break;
            }
            found.repositories.push_back({rows->integer(0), text(*rows, 1),
                                          text(*rows, 2), text(*rows, 3)});
        }
    }
    LS_TRY(keys, all(t, kKeys, {}));
    found.keys = std::move(keys);
    return found;
}

Result<void> write_signing_keys(Transaction& t, const SigningRows& rows) {
    static constexpr Sql kRepository =
        "INSERT INTO repositories (id, key, format, kind)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    for (const auto& row : rows.repositories) {
        LS_CHECK(done(
            t.execute(kRepository, {row.id, row.key, row.format, row.kind})));
    }
    for (const auto& row : rows.keys) {
        LS_TRY(id, add_signing_key(t, row));
        static_cast<void>(id);
    }
    return {};
}

}  // namespace longshore::db
