// SQL of issuers of external tokens, their keys and their rules. A row is what
// the table has; what it means is said in auth/issuers.hpp.
//
// @errors of all: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace longshore {
class Transaction;
}

namespace longshore::db {

struct IssuerRow {
    std::int64_t id = 0;
    std::string name;
    std::string url;
    std::string audiences;  // between spaces
    std::string keys_from;  // "discovery" "url" "file"
    std::string keys_url;
    std::string ca_file;
    bool private_network = false;
    std::int64_t leeway_s = 0;
    std::int64_t max_lifetime_s = 0;
    std::int64_t created_at_ms = 0;
    std::int64_t generation = 1;  // grows with each change
};

struct IssuerKeysRow {
    std::int64_t issuer_id = 0;
    std::string jwks;
    std::int64_t version = 0;
    std::int64_t fetched_at_ms = 0;
    std::int64_t tried_at_ms = 0;
    std::string error;
};

struct IssuerRuleRow {
    std::int64_t id = 0;
    std::int64_t issuer_id = 0;
    std::string conditions;
    std::int64_t actions = 0;
    std::string patterns;
    std::int64_t principal_id = 0;  // 0: none
    std::int64_t created_at_ms = 0;
};

Result<std::vector<IssuerRow>> list_issuers(Transaction& t);
Result<std::optional<IssuerRow>> find_issuer(Transaction& t,
                                             std::string_view name);
Result<std::optional<IssuerRow>> find_issuer_by_url(Transaction& t,
                                                    std::string_view url);
Result<std::optional<IssuerRow>> issuer(Transaction& t, std::int64_t id);
/// Returns the id; that of the row unless it is 0. Also makes the row of keys.
/// @errors conflict (name, url)
Result<std::int64_t> add_issuer(Transaction& t, const IssuerRow& row);
/// All but its name, URL and time. False when it is gone.
Result<bool> update_issuer(Transaction& t, const IssuerRow& row);
/// With its keys and rules.
Result<bool> delete_issuer(Transaction& t, std::int64_t id);

Result<std::optional<IssuerKeysRow>> issuer_keys(Transaction& t,
                                                 std::int64_t issuer_id);
/// The same without the keys themselves, which may be long.
Result<std::optional<IssuerKeysRow>> issuer_keys_state(Transaction& t,
                                                       std::int64_t issuer_id);
/// Of all issuers.
Result<std::vector<IssuerKeysRow>> list_issuer_keys(Transaction& t);
/// False when the issuer is gone.
Result<bool> update_issuer_keys(Transaction& t, const IssuerKeysRow& row);

/// Of one issuer; 0: of all. In the order of their ids.
Result<std::vector<IssuerRuleRow>> list_issuer_rules(Transaction& t,
                                                     std::int64_t issuer_id);
/// Returns the id; that of the row unless it is 0.
Result<std::int64_t> add_issuer_rule(Transaction& t, const IssuerRuleRow& row);
Result<std::optional<IssuerRuleRow>> find_issuer_rule(Transaction& t,
                                                      std::int64_t id);
Result<bool> delete_issuer_rule(Transaction& t, std::int64_t id);

/// Everything of these tables, from one database into a new one.
struct IssuerRows {
    std::vector<IssuerRow> issuers;
    std::vector<IssuerKeysRow> keys;
    std::vector<IssuerRuleRow> rules;
};
Result<IssuerRows> read_issuers(Transaction& t);
Result<void> write_issuers(Transaction& t, const IssuerRows& rows);

}  // namespace longshore::db
