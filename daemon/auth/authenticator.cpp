#include "auth/authenticator.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "auth/accounts.hpp"
#include "auth/secret.hpp"
#include "common/clock.hpp"
#include "common/range.hpp"
#include "db/accounts.hpp"
#include "db/database.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kRefreshMs = std::int64_t{90} * 86'400 * 1000;
constexpr std::size_t kRefreshKept = 1000;  // of one principal
constexpr std::size_t kMaxClient = 128;
constexpr std::size_t kPruneAtOnce = 10'000;
constexpr std::size_t kRandomId = 20;

Error unauthenticated(const char* message) {
    return {Code::unauthenticated, message, "UNAUTHORIZED"};
}

// The same words whether the name, the password or the account is at fault.
Error wrong_password() {
    return unauthenticated("wrong name or password");
}

Error wrong_token() {
    return unauthenticated("the token is unknown, expired or revoked");
}

Error locked(std::int64_t until_ms, std::int64_t now_ms) {
    auto seconds = std::max<std::int64_t>(1, (until_ms - now_ms + 999) / 1000);
    return {Code::rate_limited,
            "too many wrong passwords; try again in " +
                std::to_string(seconds) + " s",
            "TOOMANYREQUESTS", std::to_string(seconds)};
}

// Of an access token: "p.<generation>.<random>", "t<id>.<generation>.…" for
// one that was had by an API token, "x.<generation>.…" by a token of an
// issuer, "a.0.…" for anonymous.
struct TokenOrigin {
    char kind = 0;
    std::string_view api_token;
    std::uint64_t generation = 0;
};

std::optional<TokenOrigin> parse_origin(std::string_view id) {
    auto first = id.find('.');
    auto second =
        first == std::string_view::npos ? first : id.find('.', first + 1);
    if (first == 0 || second == std::string_view::npos) {
        return std::nullopt;
    }
    auto generation = parse_decimal(id.substr(first + 1, second - first - 1));
    if (!generation) {
        return std::nullopt;
    }
    return TokenOrigin{id[0], id.substr(1, first - 1), *generation};
}

bool is_good(const db::ApiTokenRow& row, std::int64_t now_ms) {
    return row.revoked_at_ms == 0 &&
           (row.expires_at_ms == 0 || row.expires_at_ms > now_ms);
}

Result<Limits> limits_of(const db::ApiTokenRow& row) {
    Limits limits;
    auto actions = ActionSet::from_bits(row.actions);
    std::string_view rest = row.patterns;
    if (rest.empty()) {
        rest = "**";
    }
    while (!rest.empty()) {
        auto end = std::min(rest.find(' '), rest.size());
        LS_TRY(pattern, Pattern::parse(rest.substr(0, end)));
        limits.rules.push_back({std::move(pattern), actions});
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return limits;
}

std::string clean_client(const std::string& text) {
    std::string out;
    for (char c : text.substr(0, kMaxClient)) {
        out += c >= ' ' && c < 0x7f ? c : '?';
    }
    return out;
}

}  // namespace

const std::shared_ptr<const Actor>& nobody() {
    static const auto kUnknown = std::make_shared<const Actor>();
    return kUnknown;
}

std::int64_t lock_ms(std::int64_t failures) noexcept {
    if (failures < kFreeFailures) {
        return 0;
    }
    auto doublings = std::min<std::int64_t>(failures - kFreeFailures, 20);
    return std::min(std::int64_t{1000} << doublings, kLongestLockMs);
}

Result<Caller> Authenticator::start(PrincipalId id, CredentialKind kind) {
    Caller caller;
    LS_TRY(policy, parts_.policy.current());
    caller.policy = std::move(policy);
    caller.kind = kind;
    caller.id = id;
    if (id == kAnonymous) {
        return caller;
    }
    const auto* state = caller.policy->find(id);
    if (state == nullptr || !caller.policy->active(id)) {
        return wrong_token();
    }
    caller.name = state->name;
    caller.generation = state->generation;
    return caller;
}

void Authenticator::count(CredentialKind kind, LoginOutcome outcome) {
    if (parts_.guards != nullptr) {
        parts_.guards->counts().count(kind, outcome);
    }
}

Result<Caller> Authenticator::authenticate(const Credential& credential,
                                           std::string_view peer) {
    auto caller = look(credential, peer);
    if (caller) {
        count(caller->kind, LoginOutcome::accepted);
    } else if (caller.error().code == Code::unauthenticated) {
        count(credential.kind, LoginOutcome::refused);
    }
    return caller;
}

Result<Caller> Authenticator::look(const Credential& credential,
                                   std::string_view peer) {
    switch (credential.kind) {
        case CredentialKind::none:
            return start(kAnonymous, credential.kind);
        case CredentialKind::password:
            return by_password(credential, peer);
        case CredentialKind::api_token:
            return by_api_token(credential.secret);
        case CredentialKind::access_token:
            return by_access_token(credential.secret);
        case CredentialKind::certificate:
            return by_certificate(credential.secret);
        case CredentialKind::external_token:
        case CredentialKind::malformed:
            break;
    }
    return unauthenticated("the credential has a form that is not known here");
}

Result<bool> Authenticator::verify(const Credential& credential,
                                   const std::string& hash,
                                   std::int64_t now_ms) {
    auto right = parts_.passwords.verify(credential.user, credential.secret,
                                         hash, now_ms);
    if (!right && right.error().code == Code::rate_limited) {
        count(credential.kind, LoginOutcome::busy);
    }
    return right;
}

Result<Caller> Authenticator::by_password(const Credential& credential,
                                          std::string_view peer) {
    auto now = unix_ms();
    if (parts_.guards != nullptr) {
        auto admitted = parts_.guards->admit_login(peer, now);
        if (!admitted) {
            count(credential.kind, LoginOutcome::limited);
            return std::move(admitted).error();
        }
    }
    // Longer than any that can be; not worth a row among the failures.
    if (!is_principal_name(credential.user)) {
        LS_TRY(never, verify(credential, "", now));
        static_cast<void>(never);
        if (parts_.guards != nullptr) {
            parts_.guards->login_failed(peer, now);
        }
        return wrong_password();
    }
    db::PrincipalRow row;
    db::FailureRow failures;
    // What is no name of ours may be a password typed in the wrong place, so
    // that is nowhere in the clear.
    auto failure_name = credential.user;
    LS_CHECK(parts_.database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_principal(t, credential.user));
        row = found.value_or(db::PrincipalRow{});
        if (row.id == 0) {
            failure_name = parts_.passwords.alias(credential.user);
        }
        LS_TRY(failed, db::find_failures(t, failure_name));
        failures = failed.value_or(db::FailureRow{});
        return {};
    }));
    // Further than any lock: the clock was set back since.
    if (failures.locked_until_ms > now &&
        failures.locked_until_ms - now <= kLongestLockMs) {
        count(credential.kind, LoginOutcome::locked);
        return locked(failures.locked_until_ms, now);
    }
    bool usable = row.id != 0 && !row.disabled &&
                  (row.kind == "user" || row.kind == "service");
    LS_TRY(right,
           verify(credential, usable ? row.password_hash : std::string(), now));
    if (!right) {
        LS_CHECK(record_failure(failure_name, peer, now));
        return wrong_password();
    }
    if (failures.failures > 0) {
        LS_CHECK(parts_.database.write([&](Transaction& t) -> Result<void> {
            LS_TRY(gone, db::delete_failures(t, credential.user));
            static_cast<void>(gone);
            return {};
        }));
    }
    LS_TRY(caller, start(row.id, CredentialKind::password));
    // The password was changed while it was verified.
    if (caller.generation != row.generation) {
        return wrong_password();
    }
    return caller;
}

Result<void> Authenticator::record_failure(const std::string& user,
                                           std::string_view peer,
                                           std::int64_t now_ms) {
    if (parts_.guards != nullptr) {
        parts_.guards->login_failed(peer, now_ms);
    }
    return parts_.database.write([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_failures(t, user));
        auto row = found.value_or(db::FailureRow{user, 0, 0, 0});
        if (row.failed_at_ms + kFailureMemoryMs < now_ms) {
            row.failures = 0;
        }
        ++row.failures;
        row.failed_at_ms = now_ms;
        auto pause = lock_ms(row.failures);
        row.locked_until_ms = pause == 0 ? 0 : now_ms + pause;
        return db::put_failures(t, row);
    });
}

// What the API token allows, whether it was sent itself or an access token
// was had by it.
Result<void> Authenticator::add_limits(Caller& caller,
                                       std::string_view api_token) {
    std::optional<db::ApiTokenRow> row;
    LS_CHECK(parts_.database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_api_token(t, api_token));
        row = std::move(found);
        return {};
    }));
    if (!row || row->principal_id != caller.id || !is_good(*row, unix_ms())) {
        return wrong_token();
    }
    LS_TRY(limits, limits_of(*row));
    caller.limits = std::move(limits);
    caller.api_token = row->id;
    caller.credential_id = row->id;
    if (row->expires_at_ms != 0 &&
        (caller.ends_at_ms == 0 || row->expires_at_ms < caller.ends_at_ms)) {
        caller.ends_at_ms = row->expires_at_ms;
    }
    used(row->id, unix_ms());
    return {};
}

Result<Caller> Authenticator::by_api_token(std::string_view token) {
    auto id = secret_id(SecretKind::api_token, token);
    if (!id) {
        return wrong_token();
    }
    std::optional<db::ApiTokenRow> row;
    LS_CHECK(parts_.database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_api_token(t, *id));
        row = std::move(found);
        return {};
    }));
    auto stored = row ? row->secret_hash : secret_hash("");
    bool same = equal_secrets(stored, secret_hash(token));
    if (!row || !same || !is_good(*row, unix_ms())) {
        return wrong_token();
    }
    LS_TRY(caller, start(row->principal_id, CredentialKind::api_token));
    LS_CHECK(add_limits(caller, *id));
    return caller;
}

Result<Caller> Authenticator::by_access_token(std::string_view token) {
    auto scratch = std::make_unique<std::array<char, kMaxTokenPayload>>();
    TokenView view;
    auto now = unix_ms();
    auto verdict = parts_.keys.verify(token, now, *scratch, view);
    if (verdict == TokenVerdict::malformed ||
        verdict == TokenVerdict::unknown_key) {
        return by_external_token(token);
    }
    if (verdict != TokenVerdict::good) {
        return unauthenticated(verdict == TokenVerdict::expired
                                   ? "the token has expired"
                                   : "the token is not valid here");
    }
    auto origin = parse_origin(view.id);
    auto id = view.subject.empty() ? std::optional<std::uint64_t>(kAnonymous)
                                   : parse_decimal(view.subject);
    // A number has one spelling: keys of revocation are made of it.
    bool canonical =
        id && (view.subject.empty() || view.subject == std::to_string(*id));
    if (!origin || !canonical || *id > INT64_MAX ||
        (origin->kind == 'a') != view.subject.empty()) {
        return wrong_token();
    }
    LS_TRY(caller, origin->kind == 'x' ? by_external_access(view)
                                       : start(static_cast<PrincipalId>(*id),
                                               CredentialKind::access_token));
    if (origin->generation != static_cast<std::uint64_t>(caller.generation)) {
        return wrong_token();
    }
    caller.ends_at_ms = view.expires * 1000;
    caller.credential_id = view.id;
    if (origin->kind == 't') {
        LS_CHECK(add_limits(caller, origin->api_token));
        caller.credential_id = view.id;
    }
    std::vector<TokenAccess> scope;
    while (auto access = view.access.next()) {
        TokenAccess copy;
        copy.type = access->type;
        copy.name = access->name;
        for (std::string_view action : {"pull", "push", "delete", "*"}) {
            if (access->has(action)) {
                copy.actions.emplace_back(action);
            }
        }
        scope.push_back(std::move(copy));
    }
    caller.scope = std::move(scope);
    return caller;
}

// One that nobody registered is no credential of ours: nginx may ask for
// certificates for reasons of its own.
Result<Caller> Authenticator::by_certificate(std::string_view fingerprint) {
    std::optional<db::CertificateRow> row;
    LS_CHECK(parts_.database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_certificate(t, fingerprint));
        row = std::move(found);
        return {};
    }));
    if (!row) {
        return start(kAnonymous, CredentialKind::none);
    }
    auto caller = start(row->principal_id, CredentialKind::certificate);
    if (!caller && caller.error().code == Code::unauthenticated) {
        return unauthenticated("the certificate is of nobody who may log in");
    }
    if (caller) {
        caller->credential_id = fingerprint;
    }
    return caller;
}

Result<Caller> Authenticator::authenticate_refresh(std::string_view token) {
    // Where a client has one place for a secret only, it may be another one.
    auto kind = token_kind(token);
    if (kind == CredentialKind::api_token) {
        return by_api_token(token);
    }
    if (kind == CredentialKind::access_token) {
        return by_external_token(token);
    }
    auto id = secret_id(SecretKind::refresh_token, token);
    if (!id) {
        return wrong_token();
    }
    std::optional<db::RefreshTokenRow> row;
    LS_CHECK(parts_.database.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_refresh_token(t, *id));
        row = std::move(found);
        return {};
    }));
    auto stored = row ? row->secret_hash : secret_hash("");
    bool same = equal_secrets(stored, secret_hash(token));
    if (!row || !same || row->expires_at_ms <= unix_ms()) {
        return wrong_token();
    }
    LS_TRY(caller, start(row->principal_id, CredentialKind::password));
    if (caller.generation != row->generation) {
        return wrong_token();
    }
    if (!row->api_token_id.empty()) {
        LS_CHECK(add_limits(caller, row->api_token_id));
    }
    return caller;
}

Result<std::string> Authenticator::make_refresh(const Caller& caller,
                                                const std::string& client) {
    LS_TRY(secret, make_secret(SecretKind::refresh_token));
    auto now = unix_ms();
    db::RefreshTokenRow row;
    row.id = secret.id;
    row.principal_id = caller.id;
    row.secret_hash = secret.hash;
    row.generation = caller.generation;
    row.api_token_id = caller.api_token;
    row.client = clean_client(client);
    row.created_at_ms = now;
    row.expires_at_ms = now + kRefreshMs;
    if (caller.ends_at_ms != 0) {
        row.expires_at_ms = std::min(row.expires_at_ms, caller.ends_at_ms);
    }
    LS_CHECK(parts_.database.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::add_refresh_token(t, row));
        return db::prune_refresh_tokens(t, caller.id, kRefreshKept, now);
    }));
    return secret.text;
}

Result<void> Authenticator::describe(const Caller& caller,
                                     TokenClaims& claims) {
    LS_TRY(random, random_text(kRandomId));
    bool anonymous = caller.id == kAnonymous;
    claims.subject = anonymous ? "" : std::to_string(caller.id);
    claims.id = anonymous                  ? "a"
                : caller.external          ? "x"
                : caller.api_token.empty() ? "p"
                                           : "t" + caller.api_token;
    claims.id += "." + std::to_string(caller.generation) + "." + random;
    if (caller.external) {
        describe_external(*caller.external, claims);
    }
    return {};
}

void Authenticator::used(const std::string& api_token, std::int64_t now_ms) {
    std::lock_guard guard(used_mutex_);
    used_[api_token] = now_ms;
}

Result<void> Authenticator::tidy(std::int64_t now_ms) {
    std::unordered_map<std::string, std::int64_t> used;
    {
        std::lock_guard guard(used_mutex_);
        used.swap(used_);
    }
    return parts_.database.write([&](Transaction& t) -> Result<void> {
        for (const auto& [id, at_ms] : used) {
            LS_CHECK(db::touch_api_token(t, id, at_ms));
        }
        return db::prune_failures(t, now_ms - kFailureMemoryMs, kPruneAtOnce);
    });
}

}  // namespace longshore
