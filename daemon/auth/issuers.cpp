#include "auth/issuers.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "auth/accounts.hpp"
#include "auth/external_tokens.hpp"
#include "auth/issuer_rows.hpp"
#include "auth/key_set.hpp"
#include "common/clock.hpp"
#include "db/accounts.hpp"
#include "db/database.hpp"
#include "db/issuers.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxIssuers = 64;
constexpr std::size_t kMaxRules = 500;  // of one issuer
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxUrl = 1024;
constexpr std::size_t kMaxAudience = 512;
constexpr std::size_t kMaxAudiences = 16;  // of one issuer
constexpr std::int64_t kMaxLeeway = 60;
constexpr std::int64_t kMinLifetime = 60;
constexpr std::int64_t kMaxLifetime = std::int64_t{366} * 86'400;
// Where keys come from.
constexpr const char* kDiscovery = "discovery";
constexpr const char* kUrl = "url";
constexpr const char* kFile = "file";

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

bool is_url_text(std::string_view url) {
    return std::all_of(url.begin(), url.end(), [](char c) {
        return c > ' ' && c <= '~' && c != '"' && c != '\\' && c != '#' &&
               c != '@' && c != '<' && c != '>';
    });
}

// "host" or "[::1]" of the text after "://".
std::string_view host_of(std::string_view rest) {
    auto end = std::min(rest.find_first_of("/?"), rest.size());
    auto authority = rest.substr(0, end);
    if (authority.starts_with('[')) {
        return authority.substr(
            0, std::min(authority.find(']'), authority.size() - 1) + 1);
    }
    return authority.substr(0, authority.find(':'));
}

bool is_audience(const std::string& text) {
    return !text.empty() && text.size() <= kMaxAudience &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return c > ' ' && c <= '~'; });
}

Result<void> check_audiences(const std::vector<std::string>& audiences) {
    bool good = !audiences.empty() && audiences.size() <= kMaxAudiences &&
                std::all_of(audiences.begin(), audiences.end(), is_audience);
    return good ? Result<void>()
                : bad("an issuer needs an audience: what aud says, at most "
                      "512 characters without spaces; there may be 16");
}

// What both a new issuer and a changed one have to be.
Result<void> check_row(const db::IssuerRow& row) {
    LS_CHECK(check_audiences(split(row.audiences, ' ')));
    if (!row.keys_url.empty()) {
        LS_CHECK(check_issuer_url(row.keys_url, true));
    }
    if (!row.ca_file.empty() && !row.ca_file.starts_with('/')) {
        return bad("\"" + row.ca_file + "\" is not an absolute path");
    }
    if (row.leeway_s < 0 || row.leeway_s > kMaxLeeway) {
        return bad("clocks may differ by 0 to 60 seconds");
    }
    if (row.max_lifetime_s < kMinLifetime ||
        row.max_lifetime_s > kMaxLifetime) {
        return bad("the longest lifetime is a minute to a year");
    }
    return {};
}

Error from_one_place() {
    return bad("keys come from an address or a file, not from both");
}

// A JWK Set in which there is a key that can be used.
Result<void> check_keys(std::string_view keys) {
    LS_TRY(set, KeySet::parse(keys));
    static_cast<void>(set);
    return {};
}

Result<db::IssuerRow> find_row(Transaction& t, const std::string& name) {
    LS_TRY(row, db::find_issuer(t, name));
    if (!row) {
        return Error{Code::not_found, "there is no issuer \"" + name + "\""};
    }
    return std::move(*row);
}

// Everything that depends on issuers depends on the policy.
Result<void> bump(Transaction& t) {
    return db::bump_policy(t, 0, unix_ms());
}

std::string join(const std::vector<std::string>& texts, char between) {
    std::string out;
    for (const auto& text : texts) {
        if (!out.empty()) {
            out += between;
        }
        out += text;
    }
    return out;
}

Result<db::IssuerRuleRow> rule_row(const NewIssuerRule& wanted,
                                   const std::string& issuer_url) {
    std::vector<Condition> conditions;
    for (const auto& text : wanted.conditions) {
        LS_TRY(condition, Condition::parse(text));
        conditions.push_back(std::move(condition));
    }
    LS_CHECK(check_conditions(issuer_url, conditions));
    bool acts = !wanted.service.empty();
    bool gives = !wanted.patterns.empty() || !wanted.actions.empty();
    if (acts == gives) {
        return bad(
            "a rule gives either actions on repositories or a service "
            "account");
    }
    if (gives && (wanted.patterns.empty() || wanted.actions.empty())) {
        return bad("a rule needs actions and the repositories they are for");
    }
    if (wanted.patterns.size() > kMaxClaimPatterns) {
        return bad("a rule has at most 8 patterns");
    }
    for (const auto& text : wanted.patterns) {
        LS_TRY(pattern, ClaimPattern::parse(text));
        static_cast<void>(pattern);
    }
    db::IssuerRuleRow row;
    row.conditions = join(wanted.conditions, '\n');
    row.actions = wanted.actions.bits();
    row.patterns = join(wanted.patterns, ' ');
    row.created_at_ms = unix_ms();
    return row;
}

// What the audit log says of an issuer; nothing of it is secret.
std::string describe(const db::IssuerRow& row) {
    auto text = row.url + " aud=" + row.audiences + " keys=" + row.keys_from;
    if (!row.keys_url.empty()) {
        text += ":" + row.keys_url;
    }
    if (!row.ca_file.empty()) {
        text += " ca=" + row.ca_file;
    }
    if (row.private_network) {
        text += " private-network";
    }
    return text + " leeway=" + std::to_string(row.leeway_s) +
           " lifetime=" + std::to_string(row.max_lifetime_s);
}

std::string describe(const db::IssuerRuleRow& row, const std::string& service) {
    auto text = std::to_string(row.id) + ": " + row.conditions;
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text + (service.empty()
                       ? " gives " + ActionSet::from_bits(row.actions).text() +
                             " " + row.patterns
                       : " as " + service);
}

Result<std::string> service_name(Transaction& t, PrincipalId id) {
    if (id == 0) {
        return std::string();
    }
    LS_TRY(service, db::principal(t, id));
    return service ? service->name : std::string();
}

IssuerInfo info_of(const db::IssuerRow& row, const db::IssuerKeysRow& keys) {
    IssuerInfo info;
    info.name = row.name;
    info.url = row.url;
    info.audiences = split(row.audiences, ' ');
    info.keys_from = row.keys_from;
    info.keys_url = row.keys_url;
    info.ca_file = row.ca_file;
    info.private_network = row.private_network;
    info.leeway_s = row.leeway_s;
    info.max_lifetime_s = row.max_lifetime_s;
    info.created_at_ms = row.created_at_ms;
    info.fetched_at_ms = keys.fetched_at_ms;
    info.error = keys.error;
    if (auto set = KeySet::parse(keys.jwks)) {
        for (const auto& key : set->keys()) {
            info.keys.push_back(key.id + " (" +
                                std::string(algorithm_name(key.algorithm)) +
                                ")");
        }
    }
    return info;
}

Result<IssuerInfo> read_info(Transaction& t, const db::IssuerRow& row) {
    LS_TRY(keys, db::issuer_keys(t, row.id));
    LS_TRY(rules, db::list_issuer_rules(t, row.id));
    auto info = info_of(row, keys.value_or(db::IssuerKeysRow{}));
    info.rules = rules.size();
    return info;
}

// In place of those that there are; "": none, they are to be fetched at once.
Result<void> put_keys(Transaction& t, std::int64_t issuer_id,
                      const std::string& keys) {
    LS_TRY(old, db::issuer_keys_state(t, issuer_id));
    auto now = keys.empty() ? 0 : unix_ms();
    LS_TRY(changed,
           db::update_issuer_keys(
               t, {issuer_id, keys, old ? old->version + 1 : 1, now, now, ""}));
    static_cast<void>(changed);
    return {};
}

}  // namespace

Result<void> check_issuer_url(std::string_view url, bool query) {
    auto refuse = [&] {
        return bad("\"" + std::string(url) +
                   "\" is no address of an issuer: https://host/path, or "
                   "http:// for 127.0.0.1, [::1] and localhost");
    };
    constexpr std::string_view kSecure = "https://";
    constexpr std::string_view kPlain = "http://";
    bool secure = url.starts_with(kSecure);
    if (url.size() > kMaxUrl || !is_url_text(url) ||
        (!secure && !url.starts_with(kPlain)) ||
        (!query && url.find('?') != std::string_view::npos)) {
        return refuse();
    }
    auto host = host_of(url.substr(secure ? kSecure.size() : kPlain.size()));
    bool here = host == "127.0.0.1" || host == "[::1]" || host == "localhost";
    return host.empty() || (!secure && !here) ? refuse() : Result<void>();
}

Result<void> Issuers::add(const NewIssuer& wanted) {
    if (!is_principal_name(wanted.name) || wanted.name.size() > kMaxName) {
        return bad(
            "an issuer's name begins with a letter or digit, may have . _ - "
            "@ + inside, and is at most 64 characters long");
    }
    LS_CHECK(check_issuer_url(wanted.url, false));
    LS_CHECK(check_audiences(wanted.audiences));
    if (!wanted.keys.empty()) {
        if (!wanted.keys_url.empty()) {
            return from_one_place();
        }
        LS_CHECK(check_keys(wanted.keys));
    }
    db::IssuerRow row;
    row.name = wanted.name;
    row.url = wanted.url;
    row.audiences = join(wanted.audiences, ' ');
    row.keys_from = !wanted.keys.empty()       ? kFile
                    : !wanted.keys_url.empty() ? kUrl
                                               : kDiscovery;
    row.keys_url = wanted.keys_url;
    row.ca_file = wanted.ca_file;
    row.private_network = wanted.private_network;
    row.leeway_s = wanted.leeway_s;
    row.max_lifetime_s = wanted.max_lifetime_s;
    row.created_at_ms = unix_ms();
    LS_CHECK(check_row(row));
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(all, db::list_issuers(t));
        bool known = std::any_of(all.begin(), all.end(), [&](const auto& one) {
            return one.name == row.name || one.url == row.url;
        });
        if (known) {
            return Error{Code::already_exists,
                         "there is an issuer of this name or address already"};
        }
        if (all.size() >= kMaxIssuers) {
            return bad("there are 64 issuers already");
        }
        LS_TRY(id, db::add_issuer(t, row));
        if (!wanted.keys.empty()) {
            LS_TRY(set, db::update_issuer_keys(
                            t, {id, wanted.keys, 1, row.created_at_ms,
                                row.created_at_ms, ""}));
            static_cast<void>(set);
        }
        LS_CHECK(changes_.tell(t, "issuer.add", row.name, "", describe(row)));
        return bump(t);
    });
}

Result<void> Issuers::change(const std::string& name,
                             const IssuerChange& wanted) {
    bool other_url = !wanted.keys_url.empty();
    bool other_keys = !wanted.keys.empty();
    if (int{wanted.discovery} + int{other_url} + int{other_keys} > 1) {
        return from_one_place();
    }
    if (wanted.audiences) {
        LS_CHECK(check_audiences(*wanted.audiences));
    }
    if (other_keys) {
        LS_CHECK(check_keys(wanted.keys));
    }
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, name));
        if (wanted.audiences) {
            row.audiences = join(*wanted.audiences, ' ');
        }
        if (wanted.discovery || other_url || other_keys) {
            row.keys_from = other_keys ? kFile : other_url ? kUrl : kDiscovery;
            row.keys_url = wanted.keys_url;
            LS_CHECK(put_keys(t, row.id, wanted.keys));
        }
        row.ca_file = wanted.ca_file.value_or(row.ca_file);
        row.private_network =
            wanted.private_network.value_or(row.private_network);
        row.leeway_s = wanted.leeway_s.value_or(row.leeway_s);
        row.max_lifetime_s = wanted.max_lifetime_s.value_or(row.max_lifetime_s);
        LS_CHECK(check_row(row));
        return put(t, row, "issuer.change", describe(row));
    });
}

// A changed row, of another generation; told.
Result<void> Issuers::put(Transaction& t, db::IssuerRow& row,
                          std::string_view action, std::string detail) {
    ++row.generation;
    LS_TRY(changed, db::update_issuer(t, row));
    static_cast<void>(changed);
    LS_CHECK(changes_.tell(t, action, row.name, "", std::move(detail)));
    return bump(t);
}

Result<void> Issuers::remove(const std::string& name) {
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, name));
        LS_TRY(gone, db::delete_issuer(t, row.id));
        static_cast<void>(gone);
        LS_CHECK(changes_.tell(t, "issuer.remove", name, "", row.url));
        return bump(t);
    });
}

Result<void> Issuers::set_keys(const std::string& name, std::string_view keys) {
    LS_CHECK(check_keys(keys));
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, name));
        if (row.keys_from != kFile) {
            return bad("the keys of \"" + name + "\" are fetched");
        }
        LS_CHECK(put_keys(t, row.id, std::string(keys)));
        return put(t, row, "issuer.keys", "");
    });
}

Result<IssuerInfo> Issuers::find(const std::string& name) {
    IssuerInfo info;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(row, find_row(t, name));
        LS_TRY(found, read_info(t, row));
        info = std::move(found);
        return {};
    }));
    return info;
}

Result<std::vector<IssuerInfo>> Issuers::list() {
    std::vector<IssuerInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(rows, db::list_issuers(t));
        LS_TRY(keys, db::list_issuer_keys(t));
        LS_TRY(rules, db::list_issuer_rules(t, 0));
        std::map<std::int64_t, const db::IssuerKeysRow*> keys_of;
        for (const auto& one : keys) {
            keys_of[one.issuer_id] = &one;
        }
        std::map<std::int64_t, std::size_t> rules_of;
        for (const auto& rule : rules) {
            ++rules_of[rule.issuer_id];
        }
        for (const auto& row : rows) {
            auto known = keys_of.find(row.id);
            found.push_back(info_of(row, known != keys_of.end()
                                             ? *known->second
                                             : db::IssuerKeysRow{}));
            found.back().rules = rules_of[row.id];
        }
        return {};
    }));
    return found;
}

Result<std::int64_t> Issuers::add_rule(const NewIssuerRule& wanted) {
    std::int64_t id = 0;
    LS_CHECK(changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(issuer, find_row(t, wanted.issuer));
        LS_TRY(row, rule_row(wanted, issuer.url));
        row.issuer_id = issuer.id;
        LS_TRY(rules, db::list_issuer_rules(t, issuer.id));
        if (rules.size() >= kMaxRules) {
            return bad("the issuer has 500 rules already");
        }
        if (!wanted.service.empty()) {
            LS_TRY(service, db::find_principal(t, wanted.service));
            if (!service || service->kind != "service") {
                return Error{Code::not_found, "there is no service account \"" +
                                                  wanted.service + "\""};
            }
            row.principal_id = service->id;
        }
        LS_TRY(made, db::add_issuer_rule(t, row));
        row.id = id = made;
        LS_CHECK(changes_.tell(t, "issuer.rule-add", issuer.name, "",
                               describe(row, wanted.service)));
        return bump(t);
    }));
    return id;
}

Result<void> Issuers::remove_rule(std::int64_t id, const std::string& issuer) {
    return changes_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, db::find_issuer_rule(t, id));
        std::optional<db::IssuerRow> of;
        if (row) {
            LS_TRY(found, db::issuer(t, row->issuer_id));
            of = std::move(found);
        }
        if (!of || (!issuer.empty() && of->name != issuer)) {
            return Error{Code::not_found,
                         "there is no rule " + std::to_string(id)};
        }
        LS_TRY(service, service_name(t, row->principal_id));
        LS_TRY(gone, db::delete_issuer_rule(t, id));
        static_cast<void>(gone);
        LS_CHECK(changes_.tell(t, "issuer.rule-remove", of->name, "",
                               describe(*row, service)));
        return bump(t);
    });
}

Result<std::vector<IssuerRuleInfo>> Issuers::list_rules(
    const std::string& issuer) {
    std::vector<IssuerRuleInfo> found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        std::int64_t of = 0;
        if (!issuer.empty()) {
            LS_TRY(row, find_row(t, issuer));
            of = row.id;
        }
        std::map<std::int64_t, std::string> names;
        LS_TRY(issuers, db::list_issuers(t));
        for (const auto& row : issuers) {
            names[row.id] = row.name;
        }
        LS_TRY(rows, db::list_issuer_rules(t, of));
        for (const auto& row : rows) {
            IssuerRuleInfo info;
            info.id = row.id;
            info.issuer = names[row.issuer_id];
            info.conditions = split(row.conditions, '\n');
            info.actions = ActionSet::from_bits(row.actions);
            info.patterns = split(row.patterns, ' ');
            LS_TRY(service, service_name(t, row.principal_id));
            info.service = std::move(service);
            found.push_back(std::move(info));
        }
        return {};
    }));
    return found;
}

Result<TokenReport> Issuers::test(std::string_view token) {
    return ExternalTokens(database_, 0).report(token);
}

}  // namespace longshore
