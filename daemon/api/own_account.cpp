#include "api/own_account.hpp"

#include <algorithm>
#include <utility>

#include "common/oci_path.hpp"

namespace longshore::api {

Result<std::vector<ApiTokenInfo>> OwnAccount::tokens() {
    LS_TRY(found, accounts_.list_tokens(caller_.name));
    if (is_narrow()) {
        std::erase_if(found, [&](const ApiTokenInfo& token) {
            return token.id != caller_.api_token;
        });
    }
    return found;
}

Result<MadeApiToken> OwnAccount::create_token(NewApiToken wanted) {
    wanted.principal = caller_.name;
    wanted.within = caller_.limits;
    wanted.within_until_ms = caller_.ends_at_ms;
    return accounts_.create_token(wanted);
}

Result<void> OwnAccount::revoke_token(const std::string& id) {
    LS_TRY(mine, tokens());
    bool known =
        std::any_of(mine.begin(), mine.end(),
                    [&](const ApiTokenInfo& token) { return token.id == id; });
    if (!known) {
        return Error{Code::not_found, "there is no such token to be revoked"};
    }
    return accounts_.revoke_token(id);
}

Result<void> OwnAccount::set_password(std::string_view old_password,
                                      std::string_view new_password) {
    if (is_narrow()) {
        return Error{Code::denied, "a limited token changes no password"};
    }
    LS_CHECK(authorizer_.prove_password(caller_, old_password));
    return accounts_.set_password(caller_.name, new_password);
}

Result<CanAnswer> OwnAccount::can(Action action,
                                  const std::string& repository) {
    if (!is_repository_name(repository)) {
        return Error{Code::invalid_argument, "that is no name of a repository"};
    }
    const auto* limits = caller_.limits ? &*caller_.limits : nullptr;
    auto verdict =
        caller_.policy->decide(caller_.id, limits, repository, action);
    return CanAnswer{
        verdict.allowed(),
        caller_.policy->explain(verdict, caller_.id, repository, action)};
}

}  // namespace longshore::api
