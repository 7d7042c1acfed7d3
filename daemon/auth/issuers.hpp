// Issuers: what an operator does to the issuers of external tokens and their
// rules. Each change is one transaction that raises the policy's version, so
// every running daemon and nginx knows within a second, whichever process
// called, and that has a row of the audit log. What was had by a token of an
// issuer ends when the issuer changes. Rules do not change, they are made and
// removed. Thread-safe; blocks on the database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/changes.hpp"
#include "auth/policy.hpp"
#include "common/result.hpp"

namespace longshore {

class Database;
class Transaction;
namespace db {
struct IssuerRow;
}

struct NewIssuer {
    std::string name;
    std::string url;                     // `iss`, to the letter
    std::vector<std::string> audiences;  // `aud` is, or has, one of them
    std::string keys_url;                // JWK Set; "": by discovery
    std::string keys;                    // the JWK Set itself; "": fetched
    std::string ca_file;                 // PEM; "": the system's
    bool private_network = false;
    std::int64_t leeway_s = 30;
    std::int64_t max_lifetime_s = 86'400;
};

/// What is to be another; what is not said stays.
struct IssuerChange {
    std::optional<std::vector<std::string>> audiences;
    /// At most one of these: from where the keys come from now on.
    bool discovery = false;
    std::string keys_url;
    std::string keys;
    std::optional<std::string> ca_file;
    std::optional<bool> private_network;
    std::optional<std::int64_t> leeway_s;
    std::optional<std::int64_t> max_lifetime_s;
};

struct IssuerInfo {
    std::string name;
    std::string url;
    std::vector<std::string> audiences;
    std::string keys_from;  // "discovery" "url" "file"
    std::string keys_url;
    std::string ca_file;
    bool private_network = false;
    std::int64_t leeway_s = 0;
    std::int64_t max_lifetime_s = 0;
    std::int64_t created_at_ms = 0;
    std::int64_t fetched_at_ms = 0;  // 0: never
    std::string error;               // of the last attempt
    std::vector<std::string> keys;   // "kid (RS256)"
    std::size_t rules = 0;
};

struct NewIssuerRule {
    std::string issuer;
    std::vector<std::string> conditions;
    std::string service;  // acts as this account; or
    ActionSet actions;    // these on `patterns`
    std::vector<std::string> patterns;
};

struct IssuerRuleInfo {
    std::int64_t id = 0;
    std::string issuer;
    std::vector<std::string> conditions;
    std::string service;
    ActionSet actions;
    std::vector<std::string> patterns;
};

/// What a token is worth, step by step.
struct TokenReport {
    bool good = false;
    std::string why;     // not; or a summary
    std::string issuer;  // "": none that is known
    std::string name;
    std::string claims;     // JSON, as far as they could be read
    bool verified = false;  // signature and times are right
    struct RuleReport {
        std::int64_t id = 0;
        bool matches = false;
        std::string why;  // the condition that does not hold, or what it gives
    };
    std::vector<RuleReport> rules;
};

/// Every function returns unavailable or corrupt when the database does.
class Issuers {
public:
    /// `actor` is who calls, for the audit log.
    explicit Issuers(Database& database, Actor actor = {})
        : database_(database), changes_(database, std::move(actor), {}) {}

    /// @errors invalid_argument, already_exists (name, URL), too_large (keys)
    Result<void> add(const NewIssuer& wanted);
    /// Nothing changes if something of it cannot be.
    /// @errors not_found, invalid_argument, too_large (keys)
    Result<void> change(const std::string& name, const IssuerChange& wanted);
    /// With its rules; ends what its tokens were given. @errors not_found
    Result<void> remove(const std::string& name);
    /// Other keys for an issuer whose keys were given.
    /// @errors not_found, invalid_argument, too_large
    Result<void> set_keys(const std::string& name, std::string_view keys);
    /// By name. @errors those said above
    Result<std::vector<IssuerInfo>> list();
    /// @errors not_found
    Result<IssuerInfo> find(const std::string& name);

    /// Returns its number.
    /// @errors not_found (issuer, service), invalid_argument
    Result<std::int64_t> add_rule(const NewIssuerRule& wanted);
    /// `issuer`: whose it has to be; "": anybody's. @errors not_found
    Result<void> remove_rule(std::int64_t id, const std::string& issuer = {});
    /// Of one issuer; "": of all. @errors not_found
    Result<std::vector<IssuerRuleInfo>> list_rules(const std::string& issuer);

    /// @errors those said above
    Result<TokenReport> test(std::string_view token);

private:
    Result<void> put(Transaction& t, db::IssuerRow& row,
                     std::string_view action, std::string detail);

    Database& database_;
    Changes changes_;
};

/// Whether an address may be one of an issuer or of keys: https, or http on
/// this machine; no user or fragment, and a query only if `query`.
/// @errors invalid_argument
Result<void> check_issuer_url(std::string_view url, bool query);

}  // namespace longshore
