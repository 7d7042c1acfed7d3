#include "ngx_module/guard.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>

#include "common/encoding.hpp"
#include "common/siphash.hpp"
#include "common/token.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/counters.hpp"
#include "ngx_module/question.hpp"
#include "ngx_module/text.hpp"
#include "ngx_module/worker.hpp"

namespace longshore {
namespace {

Cache* cache_of(RequestCtx& ctx) noexcept {
    return Cache::of(main_conf(ctx.r).zone);
}

// The length before each part, and zeros behind it up to a whole word: no two
// lists of parts give the same bytes, and all are hashed by words.
void add(SipHash& hash, std::string_view part) noexcept {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    std::array<char, kWord> word;
    std::uint64_t size = part.size();
    std::memcpy(word.data(), &size, kWord);
    hash.update({word.data(), kWord});
    auto whole = part.size() / kWord * kWord;
    hash.update(part.substr(0, whole));
    if (whole < part.size()) {
        word.fill(0);
        std::memcpy(word.data(), part.data() + whole, part.size() - whole);
        hash.update({word.data(), kWord});
    }
}

// Credential, virtual host, mount and what is to be done where.
GrantName grant_name(RequestCtx& ctx, const Cache& cache,
                     std::string_view repository,
                     std::string_view action) noexcept {
    auto* r = ctx.r;
    SipHash hash(cache.grants.key());
    add(hash, view(r->headers_in.server));
    add(hash, view(location_conf(r).prefix));
    add(hash, repository);
    add(hash, action);
    add(hash, client_cert(r));
    for_each_credential(r, [&](std::string_view name, std::string_view value) {
        add(hash, name);
        add(hash, value);
    });
    return {hash.finish()};
}

GrantName needed(RequestCtx& ctx, const Cache& cache) noexcept {
    return grant_name(ctx, cache, ctx.path.name, action_name(ctx.needs));
}

// The token of `Authorization: Bearer`, if it is of the form that the daemon
// signs and not an opaque one. Which of several credentials counts is for the
// daemon to say.
std::string_view access_token(ngx_http_request_t* r) noexcept {
    constexpr std::string_view kScheme = "Bearer ";
    std::size_t credentials = 0;
    for_each_credential(
        r, [&](std::string_view, std::string_view) { ++credentials; });
    if (r->headers_in.authorization == nullptr || credentials != 1) {
        return {};
    }
    auto value = view(r->headers_in.authorization->value);
    if (value.size() <= kScheme.size() ||
        !equal_nocase(value.substr(0, kScheme.size()), kScheme)) {
        return {};
    }
    value.remove_prefix(kScheme.size());
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    return std::count(value.begin(), value.end(), '.') == 2
               ? value
               : std::string_view();
}

// The number of a principal as the daemon writes it; nullopt for another text.
std::optional<std::int64_t> principal_of(std::string_view subject) noexcept {
    std::int64_t id = 0;
    auto* end = subject.data() + subject.size();
    auto parsed = std::from_chars(subject.data(), end, id);
    if (parsed.ec != std::errc() || parsed.ptr != end || id < 0 ||
        (subject.front() == '0' && subject.size() > 1)) {
        return std::nullopt;
    }
    return id;
}

// Whether what a token says was still true when it was signed, as far as this
// nginx has heard. In the second of a change it may be from before it, and in
// the next one where the clock was set back a little; of more registryd sees
// to it (docs/decisions/0008).
bool is_later(const Cache& cache, std::string_view key,
              std::int64_t issued) noexcept {
    auto revoked_s = cache.revoked_at_ms(key) / 1000;
    return issued > static_cast<std::int64_t>(revoked_s) + 1;
}

// Verifies the request's token; if it allows what is needed, that is a grant
// until it ends.
bool take_token(RequestCtx& ctx, Cache& cache, const GrantName& name) {
    auto* r = ctx.r;
    auto token = access_token(r);
    if (token.empty() || worker() == nullptr) {
        return false;
    }
    auto& conf = location_conf(r);
    const auto& keys =
        worker()->token_files().of(view(conf.root), r->connection->log);
    if (keys.size() == 0) {
        return false;
    }
    // Before the look at what was dropped: a later drop ends the grant.
    auto asked = cache.clock();
    TokenExpected expected;
    expected.issuer = expected.audience = view(conf.service);
    // Not time(2), which lags: a token may be of this very second.
    expected.now = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
    static std::array<char, kMaxTokenPayload> scratch;  // event loop only
    TokenView claims;
    auto verdict = keys.verify(token, expected, scratch, claims);
    if (verdict != TokenVerdict::good) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "registry token: %s", verdict_name(verdict).data());
        return false;
    }
    auto principal = principal_of(claims.subject);
    if (!principal || !claims.access.allows("repository", ctx.path.name,
                                            action_name(ctx.needs))) {
        return false;
    }
    auto owner = key::principal(*principal);
    if (!is_later(cache, key::kPolicy, claims.issued) ||
        !is_later(cache, owner, claims.issued)) {
        return false;
    }
    const std::array<std::string_view, 2> depends = {key::kPolicy, owner};
    auto left_s = static_cast<ngx_msec_t>(claims.expires - expected.now);
    cache.grants.insert(name, depends,
                        std::min(left_s, Grants::kMaxMs / 1000) * 1000, asked);
    return true;
}

// `admin` is of no route here.
bool is_granted_action(std::string_view name) noexcept {
    constexpr std::array kActions = {Action::pull, Action::push,
                                     Action::remove};
    return std::any_of(kActions.begin(), kActions.end(), [&](Action action) {
        return action_name(action) == name;
    });
}

bool carries_grant(const Decision& decision) noexcept {
    switch (decision.type) {
        case DecisionType::serve:
        case DecisionType::reply:
        case DecisionType::receive:
        case DecisionType::proceed:
            return decision.grant_ms > 0 && !decision.repository.empty() &&
                   is_granted_action(decision.action);
        case DecisionType::redirect:
        case DecisionType::deny:
            break;
    }
    return false;
}

// Says that the credential is not (any more) good for what was asked.
bool belies_grant(const RequestCtx& ctx, const Decision& decision) noexcept {
    if (ctx.needs == Action::none || decision.type != DecisionType::deny ||
        decision.status >= 500) {
        return false;
    }
    return decision.status == NGX_HTTP_UNAUTHORIZED ||
           decision.status == NGX_HTTP_FORBIDDEN || !ctx.permitted;
}

}  // namespace

bool is_granted(RequestCtx& ctx) noexcept {
    Cache* cache = cache_of(ctx);
    if (cache == nullptr || ctx.needs == Action::none) {
        return false;
    }
    try {
        auto name = needed(ctx, *cache);
        if (cache->grants.find(name) == GrantState::valid) {
            count(&Counters::grants_found);
            return true;
        }
        if (take_token(ctx, *cache, name)) {
            count(&Counters::grants_signed);
            return true;
        }
        count(&Counters::grants_asked);
        return false;
    } catch (...) {
        return false;
    }
}

bool was_granted(RequestCtx& ctx) noexcept {
    Cache* cache = cache_of(ctx);
    return cache != nullptr && ctx.needs == Action::pull &&
           cache->grants.find(needed(ctx, *cache)) != GrantState::none;
}

void remember_grant(RequestCtx& ctx, const Decision& decision) noexcept {
    Cache* cache = cache_of(ctx);
    if (cache == nullptr || !ctx.guarded) {
        return;
    }
    if (carries_grant(decision)) {
        cache->grants.insert(
            grant_name(ctx, *cache, decision.repository, decision.action),
            decision.grant_keys, decision.grant_ms, ctx.cache_clock);
    } else if (belies_grant(ctx, decision)) {
        cache->grants.forget(needed(ctx, *cache));
    }
}

std::string_view asker(RequestCtx& ctx) noexcept {
    Cache* cache = cache_of(ctx);
    if (cache == nullptr) {
        return {};
    }
    auto name = grant_name(ctx, *cache, {}, {});
    std::array<std::uint8_t, sizeof(name.hash)> bytes;
    std::memcpy(bytes.data(), name.hash.data(), bytes.size());
    std::array<char, 2 * sizeof(name.hash)> digits;
    hex_encode(bytes, digits.data());
    return keep(ctx.r->pool, {digits.data(), digits.size()});
}

}  // namespace longshore
