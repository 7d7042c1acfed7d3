#include "auth/external_tokens.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "auth/issuer_rows.hpp"
#include "auth/issuers.hpp"
#include "auth/jwt.hpp"
#include "auth/key_set.hpp"
#include "auth/strict_json.hpp"
#include "common/clock.hpp"
#include "db/database.hpp"
#include "db/issuers.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxDisplayName = 160;
constexpr std::size_t kMaxProblem = 300;
constexpr JsonBounds kDiscoveryBounds = {kMaxKeySetBytes, 5000, 8};

Error refused(std::string what) {
    return {Code::unauthenticated, std::move(what), "UNAUTHORIZED"};
}

// Printable, and nothing that has to be escaped in JSON or a header.
std::string clean(std::string_view text, std::size_t most) {
    std::string out;
    for (char c : text.substr(0, most)) {
        bool good = c > ' ' && c <= '~' && c != '"' && c != '\\';
        out += good ? c : '?';
    }
    return out;
}

std::string problem(const Error& error) {
    std::string out;
    for (char c : error.message.substr(0, kMaxProblem)) {
        out += c >= ' ' && c <= '~' ? c : '?';
    }
    return out;
}

bool is_recent(std::int64_t at_ms, std::int64_t now_ms, std::int64_t ms) {
    return at_ms <= now_ms && now_ms - at_ms < ms;
}

bool is_due(const db::IssuerKeysRow& row, bool wanted, std::int64_t now_ms) {
    if (is_recent(row.tried_at_ms, now_ms, kKeysPauseMs)) {
        return false;
    }
    auto age = row.error.empty() ? kKeysAgeMs : kKeysRetryMs;
    return wanted || !is_recent(row.tried_at_ms, now_ms, age);
}

}  // namespace

// Rules as stored

const Condition* IssuerRule::unmet(const nlohmann::json& claims) const {
    for (const auto& condition : conditions) {
        if (!condition.holds(claims)) {
            return &condition;
        }
    }
    return nullptr;
}

std::vector<std::string> split(std::string_view text, char between) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        auto end = std::min(text.find(between), text.size());
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

Result<IssuerRule> read_rule(const db::IssuerRuleRow& row) {
    auto damaged = [](const Error& error) {
        return Error{Code::corrupt, "database: " + error.message};
    };
    IssuerRule rule;
    rule.id = row.id;
    rule.actions = ActionSet::from_bits(row.actions);
    rule.service = row.principal_id;
    for (const auto& text : split(row.conditions, '\n')) {
        auto condition = Condition::parse(text);
        if (!condition) {
            return damaged(condition.error());
        }
        rule.conditions.push_back(std::move(*condition));
    }
    for (const auto& text : split(row.patterns, ' ')) {
        auto pattern = ClaimPattern::parse(text);
        if (!pattern) {
            return damaged(pattern.error());
        }
        rule.patterns.push_back(std::move(*pattern));
    }
    // Without one it would be for everybody.
    if (rule.conditions.empty()) {
        return Error{Code::corrupt, "database: a rule without conditions"};
    }
    return rule;
}

const Rule* ExternalIdentity::find(std::string_view repository,
                                   Action action) const noexcept {
    for (const auto& given : gives) {
        if (given.what.actions.has(action) &&
            given.what.pattern.matches(repository)) {
            return &given.what;
        }
    }
    return nullptr;
}

// Verifying

struct ExternalTokens::Found {
    db::IssuerRow issuer;
    db::IssuerKeysRow keys;  // without the text
    std::vector<IssuerRule> rules;
};

Result<ExternalTokens::Found> ExternalTokens::find(
    std::string_view issuer_url) {
    Found found;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(issuer, db::find_issuer_by_url(t, issuer_url));
        if (!issuer) {
            return refused("the token's issuer is not known here");
        }
        found.issuer = std::move(*issuer);
        LS_TRY(keys, db::issuer_keys_state(t, found.issuer.id));
        found.keys = keys.value_or(db::IssuerKeysRow{});
        LS_TRY(rows, db::list_issuer_rules(t, found.issuer.id));
        for (const auto& row : rows) {
            LS_TRY(rule, read_rule(row));
            found.rules.push_back(std::move(rule));
        }
        return {};
    }));
    return found;
}

// Null when there are none, yet or any more.
Result<std::shared_ptr<const KeySet>> ExternalTokens::keys_of(
    std::int64_t issuer_id, std::int64_t version) {
    if (version == 0) {
        return std::shared_ptr<const KeySet>();
    }
    {
        std::lock_guard guard(mutex_);
        auto known = known_.find(issuer_id);
        if (known != known_.end() && known->second.version == version) {
            return known->second.set;
        }
    }
    db::IssuerKeysRow row;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::issuer_keys(t, issuer_id));
        row = found.value_or(db::IssuerKeysRow{});
        return {};
    }));
    if (row.jwks.empty()) {
        return std::shared_ptr<const KeySet>();
    }
    auto parsed = KeySet::parse(row.jwks);
    if (!parsed) {
        return Error{Code::corrupt,
                     "database: keys of an issuer: " + parsed.error().message};
    }
    auto set = std::make_shared<const KeySet>(std::move(*parsed));
    std::lock_guard guard(mutex_);
    known_[issuer_id] = {row.version, set};
    return set;
}

Result<void> ExternalTokens::check_signature(const Jwt& jwt, Found& found,
                                             bool wait) {
    auto& keys = found.keys;
    auto id = found.issuer.id;
    LS_TRY(set, keys_of(id, keys.version));
    auto ask = [&] {
        return set ? set->verify(jwt.key_id, jwt.algorithm, jwt.signed_part,
                                 jwt.signature)
                   : KeyAnswer::no_such_key;
    };
    auto answer = ask();
    if (answer == KeyAnswer::no_such_key && wait &&
        found.issuer.keys_from != "file") {
        auto waited = wait_for_keys(id, keys.tried_at_ms);
        if (waited == Wait::busy) {
            return Error{Code::unavailable,
                         "the keys of the token's issuer are being fetched, "
                         "try again",
                         "UNAVAILABLE"};
        }
        if (waited == Wait::refreshed) {
            LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
                LS_TRY(state, db::issuer_keys_state(t, id));
                keys = state.value_or(db::IssuerKeysRow{});
                return {};
            }));
            LS_TRY(newer, keys_of(id, keys.version));
            set = std::move(newer);
            answer = ask();
        }
    }
    switch (answer) {
        case KeyAnswer::good:
            return {};
        case KeyAnswer::no_such_key:
            if (!set) {
                return Error{Code::unavailable,
                             "the keys of the token's issuer could not be "
                             "fetched yet",
                             "UNAVAILABLE"};
            }
            return refused("the token's key (kid) is none of its issuer's");
        case KeyAnswer::wrong_key:
            return refused("the token's key (kid) is not for its alg");
        case KeyAnswer::bad_signature:
            break;
    }
    return refused("the token's signature is wrong");
}

namespace {

// What the rules give for the claims, in the order of their numbers. The
// first that says an account counts.
void apply_rules(const std::vector<IssuerRule>& rules,
                 const nlohmann::json& claims, ExternalIdentity& identity) {
    for (const auto& rule : rules) {
        if (rule.unmet(claims) != nullptr) {
            continue;
        }
        if (rule.service != 0 && identity.service == 0) {
            identity.service = rule.service;
            identity.service_rule = rule.id;
        }
        for (const auto& each : rule.patterns) {
            auto pattern = each.insert(claims);
            if (pattern && identity.gives.size() < kMaxGiven) {
                identity.gives.push_back(
                    {rule.id, {std::move(*pattern), rule.actions}});
            }
        }
    }
}

JwtExpected expected_of(const db::IssuerRow& issuer) {
    JwtExpected expected;
    expected.issuer = issuer.url;
    expected.audiences = split(issuer.audiences, ' ');
    expected.leeway_s = issuer.leeway_s;
    expected.max_lifetime_s = issuer.max_lifetime_s;
    expected.now_s = unix_ms() / 1000;
    return expected;
}

ExternalIdentity identify(const db::IssuerRow& issuer, const JwtFacts& facts) {
    ExternalIdentity identity;
    identity.issuer_id = issuer.id;
    identity.generation = issuer.generation;
    identity.issuer = issuer.name;
    identity.name = clean(issuer.name + ":" + facts.subject, kMaxDisplayName);
    identity.ends_at_ms = (facts.expires_s + issuer.leeway_s) * 1000;
    return identity;
}

}  // namespace

Result<ExternalIdentity> ExternalTokens::verify(std::string_view token) {
    LS_TRY(jwt, read_jwt(token));
    LS_TRY(found, find(jwt.issuer));
    LS_CHECK(check_signature(jwt, found, true));
    LS_TRY(facts, check_claims(jwt.claims, expected_of(found.issuer)));
    auto identity = identify(found.issuer, facts);
    apply_rules(found.rules, jwt.claims, identity);
    if (identity.service == 0 && identity.gives.empty()) {
        return refused("no rule of " + found.issuer.name +
                       " takes the token; see: registryctl issuer test");
    }
    return identity;
}

namespace {

TokenReport::RuleReport report_rule(const IssuerRule& rule,
                                    const nlohmann::json& claims) {
    TokenReport::RuleReport report;
    report.id = rule.id;
    if (const auto* condition = rule.unmet(claims)) {
        report.why = "does not hold: " + condition->text();
        return report;
    }
    report.matches = true;
    if (rule.service != 0) {
        report.why = "acts as a service account";
        return report;
    }
    for (const auto& each : rule.patterns) {
        auto pattern = each.insert(claims);
        report.why += report.why.empty() ? "" : "; ";
        report.why += pattern ? rule.actions.text() + " " + pattern->text()
                              : each.text() +
                                    ": a claim is missing or is no part of a "
                                    "repository's name";
    }
    return report;
}

}  // namespace

Result<TokenReport> ExternalTokens::report(std::string_view token) {
    TokenReport report;
    auto stopped = [&](const Error& error) -> Result<TokenReport> {
        if (error.code != Code::unauthenticated &&
            error.reason != "UNAVAILABLE") {
            return error;
        }
        report.why = error.message;
        return report;
    };
    auto jwt = read_jwt(token);
    if (!jwt) {
        return stopped(jwt.error());
    }
    report.claims = jwt->claims.dump(-1, ' ', false,
                                     nlohmann::json::error_handler_t::replace);
    auto found = find(jwt->issuer);
    if (!found) {
        return stopped(found.error());
    }
    report.issuer = found->issuer.name;
    if (auto checked = check_signature(*jwt, *found, false); !checked) {
        return stopped(checked.error());
    }
    auto facts = check_claims(jwt->claims, expected_of(found->issuer));
    if (!facts) {
        return stopped(facts.error());
    }
    report.verified = true;
    auto identity = identify(found->issuer, *facts);
    report.name = identity.name;
    for (const auto& rule : found->rules) {
        report.rules.push_back(report_rule(rule, jwt->claims));
    }
    apply_rules(found->rules, jwt->claims, identity);
    report.good = identity.service != 0 || !identity.gives.empty();
    report.why = report.good ? "the token is taken"
                             : "the token is right, but no rule takes it";
    return report;
}

Result<ExternalIdentity> ExternalTokens::still_good(ExternalIdentity said,
                                                    std::int64_t issued_s) {
    std::vector<db::IssuerRuleRow> rows;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(issuer, db::issuer(t, said.issuer_id));
        if (!issuer) {
            return refused("the token's issuer was removed");
        }
        if (issuer->generation != said.generation) {
            return refused("the token's issuer was changed");
        }
        said.issuer = issuer->name;
        LS_TRY(found, db::list_issuer_rules(t, issuer->id));
        rows = std::move(found);
        return {};
    }));
    auto row_of = [&](std::int64_t id) {
        return std::find_if(rows.begin(), rows.end(), [&](const auto& row) {
            // One that is younger than the token is another rule.
            return row.id == id && row.created_at_ms / 1000 <= issued_s;
        });
    };
    std::erase_if(said.gives, [&](const ExternalIdentity::Given& given) {
        return row_of(given.rule) == rows.end();
    });
    if (said.service != 0) {
        auto row = row_of(said.service_rule);
        if (row == rows.end() || row->principal_id != said.service) {
            return refused("the rule that the token was had by was removed");
        }
    } else if (said.gives.empty()) {
        return refused("the rules that the token was had by were removed");
    }
    return said;
}

// Keys

ExternalTokens::Wait ExternalTokens::wait_for_keys(std::int64_t issuer_id,
                                                   std::int64_t tried_at_ms) {
    std::unique_lock guard(mutex_);
    if (!wake_) {
        return Wait::too_soon;
    }
    auto& flight = flights_[issuer_id];
    if (!flight.wanted && !flight.running &&
        is_recent(tried_at_ms, unix_ms(), kKeysPauseMs)) {
        return Wait::too_soon;
    }
    if (!flight.running) {
        flight.wanted = true;
        wake_();
    }
    if (waiting_ >= may_wait_) {
        return Wait::busy;
    }
    ++waiting_;
    auto before = flight.landed;
    bool landed =
        landed_.wait_for(guard, std::chrono::milliseconds(kKeysWaitMs),
                         [&] { return flight.landed != before; });
    --waiting_;
    return landed ? Wait::refreshed : Wait::busy;
}

void ExternalTokens::on_want(std::function<void()> wake) {
    std::lock_guard guard(mutex_);
    wake_ = std::move(wake);
}

Result<std::vector<KeysWanted>> ExternalTokens::due(std::int64_t now_ms) {
    std::vector<std::pair<db::IssuerRow, db::IssuerKeysRow>> rows;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(issuers, db::list_issuers(t));
        for (auto& issuer : issuers) {
            LS_TRY(keys, db::issuer_keys_state(t, issuer.id));
            if (keys && issuer.keys_from != "file") {
                rows.emplace_back(std::move(issuer), std::move(*keys));
            }
        }
        return {};
    }));
    std::vector<KeysWanted> wanted;
    std::lock_guard guard(mutex_);
    for (const auto& [issuer, keys] : rows) {
        auto& flight = flights_[issuer.id];
        if (!is_due(keys, flight.wanted, now_ms)) {
            // Somebody was sooner: who waits is to look at what that brought.
            flight.landed += flight.wanted ? 1 : 0;
            flight.wanted = false;
            continue;
        }
        flight.wanted = false;
        flight.running = true;
        wanted.push_back({issuer.id, issuer.generation, issuer.name, issuer.url,
                          issuer.keys_url, issuer.ca_file,
                          issuer.private_network});
    }
    landed_.notify_all();
    return wanted;
}

Result<bool> ExternalTokens::fetched(const KeysWanted& wanted,
                                     Result<std::string> keys,
                                     std::int64_t now_ms) {
    if (keys) {
        if (auto parsed = KeySet::parse(*keys); !parsed) {
            keys = parsed.error();
        }
    }
    bool news = false;
    auto written = database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(issuer, db::issuer(t, wanted.issuer_id));
        LS_TRY(found, db::issuer_keys(t, wanted.issuer_id));
        if (!issuer || !found || issuer->generation != wanted.generation) {
            return {};  // removed or changed meanwhile
        }
        auto row = std::move(*found);
        auto error = keys ? std::string() : problem(keys.error());
        news = error != row.error || (keys && *keys != row.jwks);
        if (keys) {
            row.version += *keys != row.jwks ? 1 : 0;
            row.jwks = *keys;
            row.fetched_at_ms = now_ms;
        }
        row.error = std::move(error);
        row.tried_at_ms = now_ms;
        LS_TRY(updated, db::update_issuer_keys(t, row));
        static_cast<void>(updated);
        return {};
    });
    {
        std::lock_guard guard(mutex_);
        auto& flight = flights_[wanted.issuer_id];
        flight.running = false;
        ++flight.landed;
    }
    landed_.notify_all();
    LS_CHECK(written);
    return news;
}

// Discovery

std::string discovery_url(std::string_view issuer_url) {
    while (issuer_url.ends_with('/')) {
        issuer_url.remove_suffix(1);
    }
    return std::string(issuer_url) + "/.well-known/openid-configuration";
}

Result<std::string> read_discovery(std::string_view text,
                                   std::string_view issuer_url) {
    LS_TRY(document, parse_object(text, kDiscoveryBounds));
    if (text_member(document, "issuer") != issuer_url) {
        return Error{Code::invalid_argument,
                     "the discovery document is of another issuer"};
    }
    auto url = text_member(document, "jwks_uri");
    if (!url) {
        return Error{Code::invalid_argument,
                     "the discovery document has no jwks_uri"};
    }
    LS_CHECK(check_issuer_url(*url, true));
    return std::move(*url);
}

}  // namespace longshore
