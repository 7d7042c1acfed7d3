// OwnAccount: what anybody who has logged in may do about itself, and nothing
// about anybody else. A credential that is limited cannot use it to have more,
// nor to end or see what is wider than itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/accounts.hpp"
#include "auth/authorizer.hpp"
#include "common/result.hpp"

namespace longshore::api {

class OwnAccount {
public:
    OwnAccount(const Self&, Accounts& accounts, const Authorizer& authorizer,
               const Caller& caller)
        : accounts_(accounts), authorizer_(authorizer), caller_(caller) {}

    const Caller& caller() const noexcept { return caller_; }
    bool administers() const noexcept {
        return static_cast<bool>(authorizer_.administer(caller_));
    }
    /// @errors those of Accounts
    Result<PrincipalInfo> info() { return accounts_.find(caller_.name); }

    /// With a limited token only that one.
    /// @errors those of Accounts
    Result<std::vector<ApiTokenInfo>> tokens();
    /// `wanted.principal` is set here. @errors as Accounts::create_token()
    Result<MadeApiToken> create_token(NewApiToken wanted);
    /// By its public part. @errors not_found, also for somebody else's
    Result<void> revoke_token(const std::string& id);

    /// @errors denied (the old one), rate_limited, as
    ///         Accounts::set_password()
    Result<void> set_password(std::string_view old_password,
                              std::string_view new_password);

    /// With the credential at hand. @errors invalid_argument (the name)
    Result<CanAnswer> can(Action action, const std::string& repository);

private:
    bool is_narrow() const noexcept {
        return caller_.limits && !caller_.limits->unlimited();
    }

    Accounts& accounts_;
    const Authorizer& authorizer_;
    const Caller& caller_;
};

}  // namespace longshore::api
