// Issuers: what an operator does to the issuers of external tokens and their
// rules. Each change is one transaction that raises the policy's version, so
// every running daemon and nginx knows within a second, whichever process
// called. Issuers and rules do not change, they are made and removed.
// Thread-safe; blocks on the database.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/policy.hpp"
#include "common/result.hpp"

namespace longshore {

class Database;

struct NewIssuer {
    std::string name;
    std::string url;       // `iss`, to the letter
    std::string audience;  // `aud`
    std::string keys_url;  // JWK Set; "": by discovery
    std::string keys;      // the JWK Set itself; "": fetched
    std::string ca_file;   // PEM; "": the system's
    bool private_network = false;
    std::int64_t leeway_s = 30;
    std::int64_t max_lifetime_s = 86'400;
};

struct IssuerInfo {
    std::string name;
    std::string url;
    std::string audience;
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
    explicit Issuers(Database& database) : database_(database) {}

    /// @errors invalid_argument, already_exists (name, URL), too_large (keys)
    Result<void> add(const NewIssuer& wanted);
    /// With its rules; ends what its tokens were given. @errors not_found
    Result<void> remove(const std::string& name);
    /// Other keys for an issuer whose keys were given.
    /// @errors not_found, invalid_argument, too_large
    Result<void> set_keys(const std::string& name, std::string_view keys);
    /// @errors those said above
    Result<std::vector<IssuerInfo>> list();

    /// Returns its number.
    /// @errors not_found (issuer, service), invalid_argument
    Result<std::int64_t> add_rule(const NewIssuerRule& wanted);
    /// @errors not_found
    Result<void> remove_rule(std::int64_t id);
    /// Of one issuer; "": of all. @errors not_found
    Result<std::vector<IssuerRuleInfo>> list_rules(const std::string& issuer);

    /// @errors those said above
    Result<TokenReport> test(std::string_view token);

private:
    Database& database_;
};

/// Whether an address may be one of an issuer or of keys: https, or http on
/// this machine; no user or fragment, and a query only if `query`.
/// @errors invalid_argument
Result<void> check_issuer_url(std::string_view url, bool query);

}  // namespace longshore
