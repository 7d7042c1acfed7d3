#include "auth/token_service.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <nlohmann/json.hpp>

#include "auth/authorizer.hpp"
#include "auth/credential.hpp"
#include "common/clock.hpp"
#include "common/encoding.hpp"
#include "common/oci_error.hpp"
#include "common/oci_path.hpp"

namespace longshore {
namespace {

constexpr std::size_t kMaxPairs = 256;

constexpr std::array<std::pair<std::string_view, Action>, 3> kActions = {{
    {"pull", Action::pull},
    {"push", Action::push},
    {"delete", Action::remove},
}};

std::string rfc3339(std::int64_t seconds) {
    std::time_t time = seconds;
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    std::array<char, 32> text{};
    auto size = std::strftime(text.data(), text.size(), "%FT%TZ", &utc);
    return {text.data(), size};
}

std::optional<std::string> decode_form(std::string_view text) {
    std::string spaced(text);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    return percent_decode(spaced);
}

Error bad(const char* message) {
    return {Code::invalid_argument, message, "UNSUPPORTED"};
}

// OAuth 2 has its own words (RFC 6749 section 5.2).
std::string_view oauth_error(const Error& error) {
    switch (error.code) {
        case Code::unauthenticated:
            return "invalid_grant";
        case Code::invalid_argument:
        case Code::too_large:
        case Code::unsupported:
            return "invalid_request";
        default:
            return "temporarily_unavailable";
    }
}

std::string scope_words(const std::vector<TokenAccess>& access) {
    std::string out;
    for (const auto& one : access) {
        if (is_external_entry(one)) {
            continue;
        }
        out += out.empty() ? "" : " ";
        out += one.type + ":" + one.name + ":";
        for (std::size_t i = 0; i < one.actions.size(); ++i) {
            out += (i == 0 ? "" : ",") + one.actions[i];
        }
    }
    return out;
}

// A token for something must not become one for something else.
Result<void> check_login(const Caller& caller) {
    if (caller.kind == CredentialKind::access_token) {
        return Error{Code::unauthenticated,
                     "an access token cannot ask for another one",
                     "UNAUTHORIZED"};
    }
    return {};
}

// One entry for each name, however often it was asked for.
void add(std::vector<TokenAccess>& all, TokenAccess one) {
    if (one.actions.empty()) {
        return;
    }
    for (auto& known : all) {
        if (known.type != one.type || known.name != one.name) {
            continue;
        }
        for (auto& action : one.actions) {
            if (std::find(known.actions.begin(), known.actions.end(), action) ==
                known.actions.end()) {
                known.actions.push_back(std::move(action));
            }
        }
        return;
    }
    all.push_back(std::move(one));
}

}  // namespace

// What a request asks for.
struct TokenService::Wish {
    std::vector<Scope> scopes;
    std::string client;
    std::string account;
    bool offline = false;
    std::string grant_type;
    std::string user;
    std::string password;
    std::string refresh_token;
};

Result<std::vector<std::pair<std::string, std::string>>> parse_form(
    std::string_view text) {
    std::vector<std::pair<std::string, std::string>> pairs;
    while (!text.empty()) {
        auto end = std::min(text.find('&'), text.size());
        auto pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty()) {
            continue;
        }
        if (pairs.size() == kMaxPairs) {
            return Error{Code::too_large, "too many parameters"};
        }
        auto equals = std::min(pair.find('='), pair.size());
        auto name = decode_form(pair.substr(0, equals));
        auto value =
            decode_form(pair.substr(std::min(equals + 1, pair.size())));
        if (name && value) {
            pairs.emplace_back(std::move(*name), std::move(*value));
        }
    }
    return pairs;
}

Result<TokenService::Wish> TokenService::read(std::string_view text) const {
    LS_TRY(pairs, parse_form(text));
    Wish wish;
    for (auto& [name, value] : pairs) {
        if (name == "service") {
            if (value != keys_.service()) {
                return bad("tokens of another service are not made here");
            }
        } else if (name == "scope") {
            LS_CHECK(parse_scopes(value, wish.scopes));
        } else if (name == "client_id") {
            wish.client = std::move(value);
        } else if (name == "account") {
            wish.account = std::move(value);
        } else if (name == "offline_token") {
            wish.offline = value == "true" || value == "1";
        } else if (name == "access_type") {
            wish.offline = value == "offline";
        } else if (name == "grant_type") {
            wish.grant_type = std::move(value);
        } else if (name == "username") {
            wish.user = std::move(value);
        } else if (name == "password") {
            wish.password = std::move(value);
        } else if (name == "refresh_token") {
            wish.refresh_token = std::move(value);
        }
    }
    return wish;
}

std::vector<TokenAccess> TokenService::allowed(
    const Caller& caller, const std::vector<Scope>& scopes) const {
    std::vector<TokenAccess> all;
    for (const auto& scope : scopes) {
        TokenAccess access{scope.type, scope.name, {}};
        bool catalog = scope.type == "registry" && scope.name == "catalog";
        bool repository =
            scope.type == "repository" && is_repository_name(scope.name);
        auto asked = [&](std::string_view word) {
            return std::any_of(
                scope.actions.begin(), scope.actions.end(),
                [&](const auto& a) { return a == word || a == "*"; });
        };
        if (catalog && asked("*")) {
            // What the list shows is what this caller may pull.
            access.actions.emplace_back("*");
        }
        for (const auto& [word, action] : kActions) {
            if (repository && asked(word) &&
                caller.decide(scope.name, action).allowed()) {
                access.actions.emplace_back(word);
            }
        }
        add(all, std::move(access));
    }
    return all;
}

void TokenService::tell(const Question& question, const Caller& caller,
                        std::string scope) const {
    if (guards_ == nullptr) {
        return;
    }
    guards_->counts().token_issued();
    if (caller.id == kAnonymous) {
        return;
    }
    AuditNote note;
    note.action = "token.issue";
    note.status = 200;
    note.actor = actor_of(caller, true, question);
    note.detail = std::move(scope);
    guards_->audit().add_login(note.actor, unix_ms());
    guards_->audit().add(std::move(note), unix_ms());
}

void TokenService::tell_refusal(const Question& question,
                                const Credential& shown,
                                const Error& error) const {
    auto status = http_status(error.code);
    if (guards_ == nullptr ||
        (status != 401 && status != 403 && status != 429)) {
        return;
    }
    AuditNote note;
    note.action = "token.issue";
    note.refused = true;
    note.status = status;
    note.actor.peer = question.peer;
    note.actor.request_id = question.request_id;
    note.actor.credential = credential_name(shown.kind);
    note.claimed = shown.user;
    note.detail = error.message;
    guards_->audit().add(std::move(note), unix_ms());
}

Result<Reply> TokenService::issue(const Question& question,
                                  const Caller& caller, const Wish& wish,
                                  std::string refresh_token) {
    auto now = unix_ms();
    if (guards_ != nullptr) {
        LS_CHECK(guards_->admit(caller, question, now));
    }
    auto seconds = kAccessTokenSeconds;
    if (caller.ends_at_ms != 0) {
        seconds = std::min(seconds, (caller.ends_at_ms - now) / 1000);
        if (seconds <= 0) {
            return Error{Code::unauthenticated, "the token has expired",
                         "UNAUTHORIZED"};
        }
    }
    TokenClaims claims;
    claims.access = allowed(caller, wish.scopes);
    LS_CHECK(authenticator_.describe(caller, claims));
    auto token = keys_.sign(claims, now, seconds);
    // More than a header can carry: the first ones, as many as it can.
    while (!token && token.error().code == Code::too_large &&
           !claims.access.empty()) {
        claims.access.pop_back();
        token = keys_.sign(claims, now, seconds);
    }
    if (!token) {
        return std::move(token).error();
    }
    bool may_refresh = caller.id != kAnonymous && !caller.external &&
                       caller.kind != CredentialKind::certificate;
    if (refresh_token.empty() && wish.offline && may_refresh) {
        LS_TRY(made, authenticator_.make_refresh(caller, wish.client));
        refresh_token = std::move(made);
    }
    nlohmann::ordered_json body = {{"token", *token},
                                   {"access_token", *token},
                                   {"scope", scope_words(claims.access)},
                                   {"expires_in", seconds},
                                   {"issued_at", rfc3339(now / 1000)}};
    if (!refresh_token.empty()) {
        body["refresh_token"] = refresh_token;
    }
    Reply reply;
    reply.media_type = "application/json";
    reply.header("Cache-Control", "no-store");
    reply.body = InlineBody{body.dump() + "\n"};
    tell(question, caller,
         scope_words(claims.access) +
             (body.contains("refresh_token") ? " offline" : ""));
    return reply;
}

Result<Reply> TokenService::get(const Question& question,
                                std::string_view query, Credential& shown) {
    LS_TRY(wish, read(query));
    auto credential = read_credential(question.headers, question.client_cert);
    shown = credential;
    LS_TRY(caller, authenticator_.authenticate(credential, question.peer));
    LS_CHECK(check_login(caller));
    return issue(question, caller, wish, {});
}

Result<Reply> TokenService::post(const Question& question, Credential& shown) {
    if (question.type != QuestionType::received) {
        if (question.body_bytes > static_cast<std::int64_t>(kMaxTokenForm)) {
            return Error{Code::too_large, "the form is too long",
                         "SIZE_INVALID"};
        }
        Reply reply;
        reply.body = ReceiveMemory{kMaxTokenForm};
        return reply;
    }
    auto form = question.body_kind == BodyKind::memory ? question.body
                                                       : std::string_view();
    LS_TRY(wish, read(form));
    if (wish.grant_type == "refresh_token") {
        LS_TRY(caller, authenticator_.authenticate_refresh(wish.refresh_token));
        // The same goes on being good, so that two at once do not lose it.
        return issue(question, caller, wish,
                     caller.external ? std::string() : wish.refresh_token);
    }
    if (wish.grant_type == "password") {
        auto credential = user_credential(wish.user, wish.password);
        shown = credential;
        LS_TRY(caller, authenticator_.authenticate(credential, question.peer));
        LS_CHECK(check_login(caller));
        return issue(question, caller, wish, {});
    }
    return bad("grant_type is none of password, refresh_token");
}

Reply TokenService::refuse(const Error& error) const {
    Reply reply;
    reply.status = http_status(error.code);
    reply.media_type = "application/json";
    reply.error =
        error.reason.empty() ? oci_code_for_status(reply.status) : error.reason;
    bool inside = error.code == Code::internal || error.code == Code::corrupt;
    auto message = inside ? std::string(oci_message_for_status(reply.status))
                          : error.message;
    nlohmann::ordered_json body = {
        {"errors", {{{"code", reply.error}, {"message", message}}}},
        {"error", oauth_error(error)},
        {"error_description", message}};
    reply.body = InlineBody{
        body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
        "\n"};
    reply.header("Cache-Control", "no-store");
    if (error.code == Code::unauthenticated) {
        reply.header("WWW-Authenticate", basic_challenge(keys_.service()));
    }
    if (error.code == Code::rate_limited) {
        reply.header("Retry-After", error.detail);
    } else if (error.code == Code::unavailable) {
        reply.header("Retry-After", "2");
    }
    return reply;
}

Reply TokenService::answer(const Question& question) {
    auto query_at = std::min(question.target.find('?'), question.target.size());
    auto query =
        question.target.substr(std::min(query_at + 1, question.target.size()));
    Result<Reply> reply = Error{
        Code::unsupported, "the method is not allowed here", "UNSUPPORTED"};
    bool known = question.method == "GET" || question.method == "POST";
    Credential shown;
    auto admitted = guards_ == nullptr ? Result<void>()
                                       : guards_->admit(question, unix_ms());
    if (!admitted) {
        reply = std::move(admitted).error();
    } else if (question.method == "GET") {
        reply = get(question, query, shown);
    } else if (question.method == "POST") {
        reply = post(question, shown);
    }
    if (reply) {
        return std::move(*reply);
    }
    tell_refusal(question, shown, reply.error());
    auto refusal = refuse(reply.error());
    if (!known) {
        refusal.header("Allow", "GET, POST");
    }
    return refusal;
}

}  // namespace longshore
