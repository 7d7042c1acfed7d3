#include "server/identity.hpp"

#include <algorithm>

#include "api/own_account.hpp"
#include "auth/accounts.hpp"
#include "common/clock.hpp"
#include "syntax/base64_stream.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kTokenLifeMs = std::int64_t{90} * 86'400'000;

Error no_accounts() {
    return Error{Code::unauthenticated,
                 "this registry has no accounts (auth = off)"};
}

}  // namespace

std::string_view CallerIdentity::name() const {
    return authorizer_.enabled() && caller_.id != kAnonymous
               ? std::string_view(caller_.name)
               : std::string_view();
}

bool CallerIdentity::may(Action action) const {
    return static_cast<bool>(
        authorizer_.authorize(caller_, RepositoryName(repository_), action));
}

bool CallerIdentity::everybody_may(Action action) const {
    Caller anybody;
    anybody.policy = caller_.policy;
    return static_cast<bool>(
        authorizer_.authorize(anybody, RepositoryName(repository_), action));
}

Result<std::string> CallerIdentity::log_in(std::string_view user,
                                           std::string_view password,
                                           std::string_view description) {
    if (!authorizer_.enabled()) {
        return no_accounts();
    }
    // As if the same had come in the header: the same limits and locks.
    auto header = "Basic " + base64_encode(std::string(user) + ":" +
                                           std::string(password));
    auto question = question_;
    question.client_cert = {};
    std::erase_if(question.headers, [](const HeaderField& field) {
        return field.name == "authorization" ||
               field.name == "x-registry-auth" ||
               field.name == "x-nuget-apikey";
    });
    question.headers.push_back({"authorization", header});
    LS_TRY(caller, authorizer_.authenticate(question));
    LS_TRY(self, authorizer_.as_self(caller));
    Accounts accounts(database_, *caller.actor);
    api::OwnAccount account(self, accounts, authorizer_, caller);
    NewApiToken wanted;
    wanted.name = description;
    for (auto action : {Action::pull, Action::push, Action::remove}) {
        wanted.actions.add(ActionSet(action));
    }
    wanted.patterns.emplace_back(repository_);
    wanted.expires_at_ms = unix_ms() + kTokenLifeMs;
    if (caller.ends_at_ms != 0) {
        wanted.expires_at_ms =
            std::min(wanted.expires_at_ms, caller.ends_at_ms);
    }
    LS_TRY(made, account.create_token(wanted));
    return std::move(made.text);
}

Result<void> CallerIdentity::log_out() {
    if (!authorizer_.enabled()) {
        return no_accounts();
    }
    if (caller_.api_token.empty()) {
        return Error{Code::unauthenticated,
                     "there is no API token in this request to be ended"};
    }
    LS_TRY(self, authorizer_.as_self(caller_));
    Accounts accounts(database_, *caller_.actor);
    api::OwnAccount account(self, accounts, authorizer_, caller_);
    return account.revoke_token(caller_.api_token);
}

}  // namespace longshore
