// The part of Authenticator that is about tokens of issuers, and about the
// access tokens of ours that were had by one. Such an access token says in its
// own `access`, beside the repositories that it is for:
//
//     external  "<issuer> <its generation> <rule of the account, or 0>
//                <name for logs>"                                   ["is"]
//     rule      "<rule> <pattern>"                       ["pull","push", …]
//
// so that registryd can look at the rules of now without the claims of then.
// nginx reads none of it. `sub` is the service account's number, or 0.
#include "auth/authenticator.hpp"

#include <algorithm>
#include <utility>

#include "auth/external_tokens.hpp"
#include "common/range.hpp"

namespace longshore {
namespace {

constexpr std::string_view kWho = "external";
constexpr std::string_view kGives = "rule";

// A number and a space from the front; nullopt when there is none.
std::optional<std::int64_t> take_number(std::string_view& text) {
    auto space = text.find(' ');
    auto number = space == std::string_view::npos
                      ? std::nullopt
                      : parse_decimal(text.substr(0, space));
    if (!number || *number > INT64_MAX) {
        return std::nullopt;
    }
    text.remove_prefix(space + 1);
    return static_cast<std::int64_t>(*number);
}

bool read_who(const AccessView& access, ExternalIdentity& said) {
    auto rest = access.name;
    auto issuer = take_number(rest);
    auto generation = issuer ? take_number(rest) : std::nullopt;
    auto rule = generation ? take_number(rest) : std::nullopt;
    if (!rule) {
        return false;
    }
    said.issuer_id = *issuer;
    said.generation = *generation;
    said.service_rule = *rule;
    said.name = rest;
    return true;
}

bool read_given(const AccessView& access, ExternalIdentity& said) {
    auto rest = access.name;
    auto rule = take_number(rest);
    auto pattern = Pattern::parse(rest);
    if (!rule || !pattern) {
        return false;
    }
    ActionSet actions;
    for (auto action :
         {Action::pull, Action::push, Action::remove, Action::admin}) {
        if (access.has(action_name(action))) {
            actions.add(ActionSet(action));
        }
    }
    said.gives.push_back({*rule, {std::move(*pattern), actions}});
    return true;
}

std::vector<std::string> words(ActionSet actions) {
    std::vector<std::string> out;
    for (auto action :
         {Action::pull, Action::push, Action::remove, Action::admin}) {
        if (actions.has(action)) {
            out.emplace_back(action_name(action));
        }
    }
    return out;
}

}  // namespace

Verdict Caller::decide(std::string_view repository,
                       Action action) const noexcept {
    const auto* narrow = limits ? &*limits : nullptr;
    auto verdict = id == kNobody
                       ? policy->decide_public(repository, action)
                       : policy->decide(id, narrow, repository, action);
    if (!verdict.allowed() && external) {
        if (const auto* rule = external->find(repository, action)) {
            return {Cause::granted, rule, id};
        }
    }
    return verdict;
}

std::optional<std::string> Caller::list_from(std::string_view last) const {
    std::vector<std::string_view> more;
    if (external) {
        for (const auto& given : external->gives) {
            if (given.what.actions.has(Action::pull)) {
                more.push_back(std::string_view(given.what.pattern.text())
                                   .substr(0, given.what.pattern.literal()));
            }
        }
    }
    return policy->list_from(id, last, more);
}

bool is_external_entry(const TokenAccess& access) noexcept {
    return access.type == kWho || access.type == kGives;
}

Result<Caller> Authenticator::start_external(ExternalIdentity identity,
                                             CredentialKind kind) {
    Caller caller;
    if (identity.service != 0) {
        LS_TRY(started, start(identity.service, kind));
        caller = std::move(started);
    } else {
        LS_TRY(policy, parts_.policy.current());
        caller.policy = std::move(policy);
        caller.kind = kind;
        caller.id = kNobody;
    }
    caller.name = identity.name;
    caller.ends_at_ms = identity.ends_at_ms;
    caller.external =
        std::make_shared<const ExternalIdentity>(std::move(identity));
    return caller;
}

Result<Caller> Authenticator::by_external_token(std::string_view token) {
    LS_TRY(identity, parts_.external.verify(token));
    return start_external(std::move(identity), CredentialKind::external_token);
}

Result<Caller> Authenticator::by_external_access(TokenView view) {
    ExternalIdentity said;
    bool known = false;
    auto entries = view.access;
    while (auto access = entries.next()) {
        bool good = access->type == kWho     ? read_who(*access, said)
                    : access->type == kGives ? read_given(*access, said)
                                             : true;
        known = known || access->type == kWho;
        if (!good) {
            return Error{Code::unauthenticated, "the token is none of ours",
                         "UNAUTHORIZED"};
        }
    }
    auto service = parse_decimal(view.subject);
    if (!known || !service || *service > INT64_MAX) {
        return Error{Code::unauthenticated, "the token is none of ours",
                     "UNAUTHORIZED"};
    }
    said.service = static_cast<PrincipalId>(*service);
    LS_TRY(identity, parts_.external.still_good(std::move(said), view.issued));
    return start_external(std::move(identity), CredentialKind::access_token);
}

void Authenticator::describe_external(const ExternalIdentity& identity,
                                      TokenClaims& claims) {
    claims.subject = std::to_string(identity.service);
    std::vector<TokenAccess> all;
    all.push_back({std::string(kWho),
                   std::to_string(identity.issuer_id) + " " +
                       std::to_string(identity.generation) + " " +
                       std::to_string(identity.service_rule) + " " +
                       identity.name,
                   {"is"}});
    for (const auto& given : identity.gives) {
        auto name =
            std::to_string(given.rule) + " " + given.what.pattern.text();
        // Its pattern is nearly as long as a name can be: it is left out, so
        // less is allowed, not more.
        if (name.size() <= kMaxTokenText) {
            all.push_back({std::string(kGives), std::move(name),
                           words(given.what.actions)});
        }
    }
    // What was asked for comes last: if all is too much, it is left out first.
    std::move(claims.access.begin(), claims.access.end(),
              std::back_inserter(all));
    claims.access = std::move(all);
}

}  // namespace longshore
