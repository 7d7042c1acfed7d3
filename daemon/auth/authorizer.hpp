// Authorizer: the one place where an Access is made. Everything that reads or
// writes metadata demands an Access, so this is the choke point of all
// permissions. Thread-safe. Without an Authenticator (`auth = off`) everybody
// may do everything.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/authenticator.hpp"
#include "common/protocol.hpp"
#include "common/result.hpp"
#include "model/access.hpp"

namespace longshore {

struct AuthorizerSettings {
    std::string service = "registry";
    std::string public_url;  // "https://host/prefix", or as the client wrote
    std::uint32_t grant_ms = 60'000;
};

/// For how long nginx may take a decision for granted, and what ends that.
struct Grant {
    std::uint32_t ms = 0;
    std::vector<std::string> keys;
};

/// The proof that a caller administers the registry as a whole. Only
/// Authorizer makes them.
class Administration {
    friend class Authorizer;
    Administration() = default;
};

/// The proof that a caller is somebody who has logged in and acts as itself,
/// with its password, an API token or a certificate. Only Authorizer makes
/// them.
class Self {
    friend class Authorizer;
    Self() = default;
};

/// "password" "api_token" "access_token" "certificate" "none" "malformed"
std::string_view credential_name(CredentialKind kind) noexcept;

/// The caller as the audit log has it; `known`: it was authenticated at all.
Actor actor_of(const Caller& caller, bool known, const Question& question);

class Authorizer {
public:
    Authorizer() = default;
    /// With `auth = off`. @param guards  may be null
    explicit Authorizer(Guards* guards) : guards_(guards) {}
    Authorizer(Authenticator& authenticator, AuthorizerSettings settings,
               Guards* guards = nullptr)
        : authenticator_(&authenticator),
          settings_(std::move(settings)),
          guards_(guards) {}

    bool enabled() const noexcept { return authenticator_ != nullptr; }

    /// From the credentials of a question to who asks.
    /// @errors as Authenticator::authenticate(); rate_limited by address or
    ///         principal
    Result<Caller> authenticate(const Question& question) const;

    /// The message says what is missing and how it is given, nothing of what
    /// exists.
    /// @errors unauthenticated (UNAUTHORIZED: another credential may do),
    ///         denied (DENIED: final)
    Result<Access> authorize(const Caller& caller, const RepositoryName& name,
                             Action action) const;

    /// For what belongs to no repository. `scope` is what a token must be for
    /// (Route::scope).
    /// @errors unauthenticated (UNAUTHORIZED), denied (DENIED)
    Result<void> authorize_registry(const Caller& caller, Action action,
                                    std::string_view scope) const;

    /// For accounts, rights and everything else that belongs to no repository:
    /// see Policy::administers(). No access token is good for it, and no API
    /// token that is limited to less.
    /// @errors unauthenticated (no credential), denied
    Result<Administration> administer(const Caller& caller) const;

    /// For what anybody may do about itself.
    /// @errors unauthenticated (no credential), denied (an access token, a
    ///         token of an issuer)
    Result<Self> as_self(const Caller& caller) const;

    /// Whether the caller knows its own password; counts among the wrong ones
    /// of its name if not.
    /// @errors denied (wrong, or there is none), rate_limited, unavailable
    Result<void> prove_password(const Caller& caller,
                                std::string_view password) const;

    /// What links in answers begin with: the setting, or the scheme and host
    /// as the client wrote them, and the mount; "" for a host that is none.
    std::string base(const Question& question) const;

    /// Value of WWW-Authenticate where names and passwords are asked for.
    std::string login_challenge() const;

    /// Whether a list may show the name.
    bool may_list(const Caller& caller, std::string_view name) const;

    /// Where a list goes on after `last`; see Policy::list_from().
    std::optional<std::string> list_from(const Caller& caller,
                                         std::string_view last) const;

    Grant grant(const Caller& caller) const;

    /// Value of WWW-Authenticate for a refused question. `scope` may be empty.
    std::string challenge(const Question& question, std::string_view scope,
                          std::string_view error) const;
    /// "invalid_token" or "": what the credential of a refused question was.
    static std::string_view credential_error(const Question& question);

private:
    Authenticator* authenticator_ = nullptr;
    AuthorizerSettings settings_;
    Guards* guards_ = nullptr;
};

}  // namespace longshore
