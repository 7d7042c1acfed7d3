#include "db/issuers.hpp"

#include "db/rows.hpp"

namespace longshore::db {
namespace {

std::string text(const Rows& row, int column) {
    return std::string(row.text(column));
}

void read_row(const Rows& row, IssuerRow& out) {
    out = {row.integer(0), text(row, 1),   text(row, 2),    text(row, 3),
           text(row, 4),   text(row, 5),   text(row, 6),    row.integer(7) != 0,
           row.integer(8), row.integer(9), row.integer(10), row.integer(11)};
}

void read_row(const Rows& row, IssuerKeysRow& out) {
    out = {row.integer(0), text(row, 1),   row.integer(2),
           row.integer(3), row.integer(4), text(row, 5)};
}

void read_row(const Rows& row, IssuerRuleRow& out) {
    out = {row.integer(0), row.integer(1), text(row, 2),  row.integer(3),
           text(row, 4),   row.integer(5), row.integer(6)};
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
    LS_TRY(rows, all<T>(t, sql, values));
    if (rows.empty()) {
        return std::optional<T>();
    }
    return std::optional<T>(std::move(rows.front()));
}

Result<std::int64_t> made_id(Result<std::optional<std::int64_t>> id) {
    if (!id) {
        return std::move(id).error();
    }
    return id->value_or(0);
}

}  // namespace

Result<std::vector<IssuerRow>> list_issuers(Transaction& t) {
    static constexpr Sql kList =
        "SELECT id, name, url, audiences, keys_from, keys_url, ca_file,"
        " private_network, leeway_s, max_lifetime_s, created_at_ms, generation"
        " FROM issuers ORDER BY name";
    return all<IssuerRow>(t, kList, {});
}

Result<std::optional<IssuerRow>> find_issuer(Transaction& t,
                                             std::string_view name) {
    static constexpr Sql kFind =
        "SELECT id, name, url, audiences, keys_from, keys_url, ca_file,"
        " private_network, leeway_s, max_lifetime_s, created_at_ms, generation"
        " FROM issuers WHERE name = $1";
    return one<IssuerRow>(t, kFind, {name});
}

Result<std::optional<IssuerRow>> find_issuer_by_url(Transaction& t,
                                                    std::string_view url) {
    static constexpr Sql kFind =
        "SELECT id, name, url, audiences, keys_from, keys_url, ca_file,"
        " private_network, leeway_s, max_lifetime_s, created_at_ms, generation"
        " FROM issuers WHERE url = $1";
    return one<IssuerRow>(t, kFind, {url});
}

Result<std::optional<IssuerRow>> issuer(Transaction& t, std::int64_t id) {
    static constexpr Sql kFind =
        "SELECT id, name, url, audiences, keys_from, keys_url, ca_file,"
        " private_network, leeway_s, max_lifetime_s, created_at_ms, generation"
        " FROM issuers WHERE id = $1";
    return one<IssuerRow>(t, kFind, {id});
}

Result<std::int64_t> add_issuer(Transaction& t, const IssuerRow& row) {
    static constexpr Sql kAdd =
        "INSERT INTO issuers (id, name, url, audiences, keys_from, keys_url,"
        " ca_file, private_network, leeway_s, max_lifetime_s, created_at_ms,"
        " generation)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
        " RETURNING id";
    static constexpr Sql kAddNew =
        "INSERT INTO issuers (name, url, audiences, keys_from, keys_url,"
        " ca_file, private_network, leeway_s, max_lifetime_s, created_at_ms,"
        " generation)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id";
    static constexpr Sql kKeys =
        "INSERT INTO issuer_keys (issuer_id, jwks, version, fetched_at_ms,"
        " tried_at_ms, error) VALUES ($1, '', 0, 0, 0, '')";
    auto network = std::int64_t{row.private_network ? 1 : 0};
    LS_TRY(id,
           made_id(row.id != 0
                       ? one_integer(t, kAdd,
                                     {row.id, row.name, row.url, row.audiences,
                                      row.keys_from, row.keys_url, row.ca_file,
                                      network, row.leeway_s, row.max_lifetime_s,
                                      row.created_at_ms, row.generation})
                       : one_integer(t, kAddNew,
                                     {row.name, row.url, row.audiences,
                                      row.keys_from, row.keys_url, row.ca_file,
                                      network, row.leeway_s, row.max_lifetime_s,
                                      row.created_at_ms, row.generation})));
    LS_CHECK(done(t.execute(kKeys, {id})));
    return id;
}

Result<bool> update_issuer(Transaction& t, const IssuerRow& row) {
    static constexpr Sql kUpdate =
        "UPDATE issuers SET audiences = $2, keys_from = $3, keys_url = $4,"
        " ca_file = $5, private_network = $6, leeway_s = $7,"
        " max_lifetime_s = $8, generation = $9 WHERE id = $1";
    return any(t.execute(
        kUpdate, {row.id, row.audiences, row.keys_from, row.keys_url,
                  row.ca_file, std::int64_t{row.private_network ? 1 : 0},
                  row.leeway_s, row.max_lifetime_s, row.generation}));
}

Result<bool> delete_issuer(Transaction& t, std::int64_t id) {
    static constexpr Sql kDelete = "DELETE FROM issuers WHERE id = $1";
    return any(t.execute(kDelete, {id}));
}

Result<std::optional<IssuerKeysRow>> issuer_keys(Transaction& t,
                                                 std::int64_t issuer_id) {
    static constexpr Sql kFind =
        "SELECT issuer_id, jwks, version, fetched_at_ms, tried_at_ms, error"
        " FROM issuer_keys WHERE issuer_id = $1";
    return one<IssuerKeysRow>(t, kFind, {issuer_id});
}

Result<std::optional<IssuerKeysRow>> issuer_keys_state(Transaction& t,
                                                       std::int64_t issuer_id) {
    static constexpr Sql kFind =
        "SELECT issuer_id, '', version, fetched_at_ms, tried_at_ms, error"
        " FROM issuer_keys WHERE issuer_id = $1";
    return one<IssuerKeysRow>(t, kFind, {issuer_id});
}

Result<std::vector<IssuerKeysRow>> list_issuer_keys(Transaction& t) {
    static constexpr Sql kAll =
        "SELECT issuer_id, jwks, version, fetched_at_ms, tried_at_ms, error"
        " FROM issuer_keys ORDER BY issuer_id";
    return all<IssuerKeysRow>(t, kAll, {});
}

Result<bool> update_issuer_keys(Transaction& t, const IssuerKeysRow& row) {
    static constexpr Sql kUpdate =
        "UPDATE issuer_keys SET jwks = $2, version = $3, fetched_at_ms = $4,"
        " tried_at_ms = $5, error = $6 WHERE issuer_id = $1";
    return any(
        t.execute(kUpdate, {row.issuer_id, row.jwks, row.version,
                            row.fetched_at_ms, row.tried_at_ms, row.error}));
}

Result<std::vector<IssuerRuleRow>> list_issuer_rules(Transaction& t,
                                                     std::int64_t issuer_id) {
    static constexpr Sql kAll =
        "SELECT id, issuer_id, conditions, actions, patterns, principal_id,"
        " created_at_ms FROM issuer_rules ORDER BY id";
    static constexpr Sql kOf =
        "SELECT id, issuer_id, conditions, actions, patterns, principal_id,"
        " created_at_ms FROM issuer_rules WHERE issuer_id = $1 ORDER BY id";
    return issuer_id == 0 ? all<IssuerRuleRow>(t, kAll, {})
                          : all<IssuerRuleRow>(t, kOf, {issuer_id});
}

Result<std::int64_t> add_issuer_rule(Transaction& t, const IssuerRuleRow& row) {
    static constexpr Sql kAdd =
        "INSERT INTO issuer_rules (id, issuer_id, conditions, actions,"
        " patterns, principal_id, created_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    static constexpr Sql kAddNew =
        "INSERT INTO issuer_rules (issuer_id, conditions, actions, patterns,"
        " principal_id, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6)"
        " RETURNING id";
    auto principal = nullable(
        row.principal_id == 0 ? std::nullopt : std::optional(row.principal_id));
    return made_id(
        row.id != 0
            ? one_integer(t, kAdd,
                          {row.id, row.issuer_id, row.conditions, row.actions,
                           row.patterns, principal, row.created_at_ms})
            : one_integer(t, kAddNew,
                          {row.issuer_id, row.conditions, row.actions,
                           row.patterns, principal, row.created_at_ms}));
}

Result<std::optional<IssuerRuleRow>> find_issuer_rule(Transaction& t,
                                                      std::int64_t id) {
    static constexpr Sql kFind =
        "SELECT id, issuer_id, conditions, actions, patterns, principal_id,"
        " created_at_ms FROM issuer_rules WHERE id = $1";
    return one<IssuerRuleRow>(t, kFind, {id});
}

Result<bool> delete_issuer_rule(Transaction& t, std::int64_t id) {
    static constexpr Sql kDelete = "DELETE FROM issuer_rules WHERE id = $1";
    return any(t.execute(kDelete, {id}));
}

Result<IssuerRows> read_issuers(Transaction& t) {
    IssuerRows rows;
    LS_TRY(issuers, list_issuers(t));
    rows.issuers = std::move(issuers);
    LS_TRY(keys, list_issuer_keys(t));
    rows.keys = std::move(keys);
    LS_TRY(rules, list_issuer_rules(t, 0));
    rows.rules = std::move(rules);
    return rows;
}

Result<void> write_issuers(Transaction& t, const IssuerRows& rows) {
    for (const auto& row : rows.issuers) {
        LS_TRY(id, add_issuer(t, row));
        static_cast<void>(id);
    }
    for (const auto& row : rows.keys) {
        LS_TRY(updated, update_issuer_keys(t, row));
        static_cast<void>(updated);
    }
    for (const auto& row : rows.rules) {
        LS_TRY(id, add_issuer_rule(t, row));
        static_cast<void>(id);
    }
    return {};
}

}  // namespace longshore::db
