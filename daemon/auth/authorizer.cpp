#include "auth/authorizer.hpp"

#include <algorithm>

#include "auth/external_tokens.hpp"
#include "auth/scope.hpp"
#include "common/clock.hpp"
#include "common/oci_error.hpp"

namespace longshore {
namespace {

constexpr std::string_view kTokenPath = "/-/token";

bool has_word(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool in_scope(const std::vector<TokenAccess>& scope, std::string_view type,
              std::string_view name, std::string_view action) {
    return std::any_of(scope.begin(), scope.end(),
                       [&](const TokenAccess& access) {
                           return access.type == type && access.name == name &&
                                  (has_word(access.actions, action) ||
                                   has_word(access.actions, "*"));
                       });
}

// The form that distribution gives, which clients print.
std::string scope_detail(std::string_view name, Action action) {
    return R"([{"Type":"repository","Class":"","Name":)" + json_quote(name) +
           R"(,"Action":)" + json_quote(action_name(action)) + "}]";
}

Error log_in(std::string_view name, Action action) {
    std::string message =
        "authentication required: " + std::string(action_name(action)) +
        " on " + std::string(name) +
        " needs a credential; one is made by: registryctl "
        "token create NAME --actions " +
        std::string(scope_actions(action)) + " --repository " +
        std::string(name);
    return {Code::unauthenticated, std::move(message), "UNAUTHORIZED",
            scope_detail(name, action)};
}

Error denied(const Caller& caller, const Verdict& verdict,
             std::string_view name, Action action) {
    std::string what(action_name(action));
    std::string of(name);
    std::string message = "requested access to the resource is denied: ";
    if (verdict.cause == Cause::limited) {
        message += "the token is limited to less than " + what + " on " + of +
                   "; a wider one is made by: registryctl token create " +
                   caller.name + " --actions " +
                   std::string(scope_actions(action)) + " --repository " + of;
    } else if (caller.external) {
        message += caller.name + " has no " + what + " on " + of +
                   "; it is given by: registryctl issuer rule add " +
                   caller.external->issuer +
                   " --when CLAIM=PATTERN --actions " +
                   std::string(scope_actions(action)) + " --repository " + of;
    } else {
        message += caller.name + " has no " + what + " on " + of +
                   "; it is granted by: registryctl grant add " + caller.name +
                   " " + of + " " + std::string(scope_actions(action));
    }
    return {Code::denied, std::move(message), "DENIED",
            scope_detail(name, action)};
}

}  // namespace

std::string_view credential_name(CredentialKind kind) noexcept {
    switch (kind) {
        case CredentialKind::none:
            return "none";
        case CredentialKind::password:
            return "password";
        case CredentialKind::api_token:
            return "api_token";
        case CredentialKind::access_token:
            return "access_token";
        case CredentialKind::certificate:
            return "certificate";
        case CredentialKind::external_token:
            return "external_token";
        case CredentialKind::malformed:
            break;
    }
    return "malformed";
}

Actor actor_of(const Caller& caller, bool known, const Question& question) {
    Actor actor;
    if (known) {
        actor.principal_id = caller.id;
        actor.principal = caller.name;
        actor.credential = credential_name(caller.kind);
        actor.credential_id = caller.credential_id;
    }
    actor.peer = question.peer;
    actor.request_id = question.request_id;
    return actor;
}

Result<Caller> Authorizer::authenticate(const Question& question) const {
    Caller caller;
    auto now = unix_ms();
    if (guards_ != nullptr) {
        LS_CHECK(guards_->admit(question, now));
    }
    if (enabled()) {
        auto credential =
            read_credential(question.headers, question.client_cert);
        LS_TRY(known, authenticator_->authenticate(credential, question.peer));
        caller = std::move(known);
    }
    caller.actor =
        std::make_shared<const Actor>(actor_of(caller, enabled(), question));
    if (guards_ != nullptr && enabled()) {
        LS_CHECK(guards_->admit(caller, question, now));
        if (caller.kind != CredentialKind::access_token) {
            guards_->audit().add_login(*caller.actor, now);
        }
    }
    return caller;
}

Result<Access> Authorizer::authorize(const Caller& caller,
                                     const RepositoryName& name,
                                     Action action) const {
    if (!enabled()) {
        return Access(name, action, caller.actor);
    }
    auto verdict = caller.decide(name.text(), action);
    if (!verdict.allowed()) {
        return caller.id == kAnonymous
                   ? log_in(name.text(), action)
                   : denied(caller, verdict, name.text(), action);
    }
    if (verdict.cause == Cause::granted && caller.scope &&
        !in_scope(*caller.scope, "repository", name.text(),
                  action_name(action))) {
        return Error{Code::unauthenticated,
                     "the token is not for " +
                         std::string(action_name(action)) + " on " +
                         name.str() + "; ask the token service for one",
                     "UNAUTHORIZED", scope_detail(name.text(), action)};
    }
    return Access(name, action, caller.actor);
}

Result<void> Authorizer::authorize_registry(const Caller& caller, Action,
                                            std::string_view scope) const {
    if (!enabled()) {
        return {};
    }
    // Clients learn here how to log in, so even what is open to everybody
    // starts with a token of the token service.
    if (caller.kind == CredentialKind::none) {
        return Error{Code::unauthenticated,
                     "authentication required: ask the token service, also "
                     "for what is open to everybody",
                     "UNAUTHORIZED"};
    }
    if (scope.empty() || !caller.scope) {
        return {};
    }
    std::vector<Scope> wanted;
    LS_CHECK(parse_scopes(scope, wanted));
    for (const auto& one : wanted) {
        for (const auto& action : one.actions) {
            if (!in_scope(*caller.scope, one.type, one.name, action)) {
                return Error{Code::unauthenticated,
                             "the token is not for " + std::string(scope) +
                                 "; ask the token service for one",
                             "UNAUTHORIZED"};
            }
        }
    }
    return {};
}

Result<Self> Authorizer::as_self(const Caller& caller) const {
    // Without accounts there is nobody to be.
    if (!enabled() || caller.kind == CredentialKind::none ||
        caller.id == kAnonymous) {
        return Error{Code::unauthenticated,
                     "authentication required: a name and its password, an "
                     "API token or a client certificate"};
    }
    if (caller.kind == CredentialKind::access_token || caller.scope) {
        return Error{Code::denied,
                     "an access token of the token service is for "
                     "repositories only; send a name and its password, or an "
                     "API token"};
    }
    // It would make tokens that outlive it.
    if (caller.external) {
        return Error{Code::denied,
                     "a token of an issuer is for repositories only; send a "
                     "name and its password, or an API token"};
    }
    return Self();
}

Result<Administration> Authorizer::administer(const Caller& caller) const {
    LS_TRY(self, as_self(caller));
    static_cast<void>(self);
    const auto* limits = caller.limits ? &*caller.limits : nullptr;
    if (caller.policy->administers(caller.id, limits)) {
        return Administration();
    }
    if (caller.policy->administers(caller.id, nullptr)) {
        return Error{Code::denied,
                     "the token is limited to less than admin on every "
                     "repository"};
    }
    return Error{Code::denied,
                 caller.name +
                     " does not administer this registry; that is granted "
                     "by: registryctl grant add " +
                     caller.name + " '**' admin"};
}

Result<void> Authorizer::prove_password(const Caller& caller,
                                        std::string_view password) const {
    LS_TRY(self, as_self(caller));
    static_cast<void>(self);
    Credential credential;
    credential.kind = CredentialKind::password;
    credential.user = caller.name;
    credential.secret = password;
    auto proven = authenticator_->authenticate(credential);
    if (!proven && proven.error().code != Code::unauthenticated) {
        return std::move(proven).error();
    }
    if (!proven || proven->id != caller.id) {
        return Error{Code::denied, "the old password is wrong"};
    }
    return {};
}

std::string Authorizer::login_challenge() const {
    return basic_challenge(settings_.service);
}

bool Authorizer::may_list(const Caller& caller, std::string_view name) const {
    return !enabled() || caller.decide(name, Action::pull).allowed();
}

std::optional<std::string> Authorizer::list_from(const Caller& caller,
                                                 std::string_view last) const {
    return enabled() ? caller.list_from(last)
                     : std::optional<std::string>(last);
}

Grant Authorizer::grant(const Caller& caller) const {
    Grant grant;
    grant.ms = settings_.grant_ms;
    grant.keys.emplace_back(key::kPolicy);
    if (enabled() && caller.id != kAnonymous) {
        grant.keys.push_back(key::principal(caller.id));
    }
    if (caller.ends_at_ms != 0) {
        auto left = std::max<std::int64_t>(0, caller.ends_at_ms - unix_ms());
        grant.ms =
            static_cast<std::uint32_t>(std::min<std::int64_t>(left, grant.ms));
    }
    return grant;
}

std::string Authorizer::base(const Question& question) const {
    return settings_.public_url.empty()
               ? base_url(question.scheme, question.host, question.prefix)
                     .value_or("")
               : settings_.public_url;
}

std::string Authorizer::challenge(const Question& question,
                                  std::string_view scope,
                                  std::string_view error) const {
    auto realm = base(question);
    if (realm.empty()) {
        return basic_challenge(settings_.service);
    }
    realm += kTokenPath;
    return bearer_challenge({realm, settings_.service, scope, error});
}

std::string_view Authorizer::credential_error(const Question& question) {
    auto credential = read_credential(question.headers, question.client_cert);
    return credential.bearer ? "invalid_token" : "";
}

}  // namespace longshore
