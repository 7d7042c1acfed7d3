// Auth: all of this folder put together as the settings say, and what has to
// be done now and then. With `auth = off` there is only an Authorizer that
// allows everything.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "auth/authorizer.hpp"
#include "auth/external_tokens.hpp"
#include "auth/htpasswd.hpp"
#include "auth/setup_page.hpp"
#include "auth/token_service.hpp"
#include "common/result.hpp"

namespace longshore {

class Database;

struct AuthSettings {
    bool enabled = false;
    std::string root;                  // of all data
    std::string service = "registry";  // issuer, audience, `service`
    std::string public_url;
    std::string htpasswd;  // path, or ""
    std::int64_t key_age_s = std::int64_t{30} * 86'400;
    std::size_t threads = 8;  // that answer questions
};

class Auth {
public:
    /// @errors unavailable, internal, corrupt, not_found (the htpasswd file)
    static Result<std::unique_ptr<Auth>> open(Database& database,
                                              const AuthSettings& settings,
                                              PolicyWatch::OnChange on_change,
                                              Guards* guards = nullptr);

    const Authorizer& authorizer() const noexcept { return authorizer_; }
    /// Null when off.
    TokenService* tokens() noexcept { return tokens_.get(); }
    /// Null when off.
    SetupPage* setup() noexcept { return setup_.get(); }
    /// Null when off.
    ExternalTokens* external() noexcept { return external_.get(); }
    bool enabled() const noexcept { return authorizer_.enabled(); }

    /// What an operator is to be told at each start, or "".
    /// @errors unavailable, internal, corrupt
    Result<std::string> warning() const;

    /// Looks at the policy's version, at the htpasswd file, at the age of
    /// keys: each as often as it has to be. To be called every kPolicyLookMs
    /// by one thread. What is to be logged is added to `notes`.
    /// @errors unavailable, internal, corrupt
    Result<void> step(std::int64_t now_ms, std::vector<std::string>& notes);

private:
    explicit Auth(Database& database) : database_(database) {}
    Result<void> start(const AuthSettings& settings,
                       PolicyWatch::OnChange on_change);
    Result<void> look_at_htpasswd(std::vector<std::string>& notes);

    Database& database_;
    Guards* guards_ = nullptr;
    std::unique_ptr<KeyRing> keys_;
    std::unique_ptr<PasswordGate> gate_;
    std::unique_ptr<PolicyWatch> policy_;
    std::unique_ptr<ExternalTokens> external_;
    std::unique_ptr<Authenticator> authenticator_;
    std::unique_ptr<TokenService> tokens_;
    std::unique_ptr<HtpasswdWatch> htpasswd_;
    std::unique_ptr<FirstRun> first_run_;
    std::unique_ptr<SetupPage> setup_;
    Authorizer authorizer_;
    std::int64_t htpasswd_at_ms_ = 0;
    std::int64_t tidy_at_ms_ = 0;
    std::int64_t rotate_at_ms_ = 0;
};

}  // namespace longshore
