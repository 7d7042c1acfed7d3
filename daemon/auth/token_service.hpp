// The token service, `/-/token`: access tokens for what is asked and allowed.
// GET as in the Docker token specification ("Token Authentication
// Specification"), POST as in its OAuth 2 form ("OAuth2 Token
// Authentication"). Too much asked is no error, it is just not granted; only
// wrong credentials are. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/authenticator.hpp"
#include "auth/credential.hpp"
#include "auth/scope.hpp"
#include "common/protocol.hpp"
#include "common/result.hpp"
#include "http/reply.hpp"

namespace longshore {

inline constexpr std::string_view kTokenTarget = "/-/token";
/// Bytes of a form.
inline constexpr std::uint64_t kMaxTokenForm = 16 * 1024;

/// name=value pairs of a query or form, decoded; '+' is a space. Pairs with a
/// broken escape are left out.
/// @errors too_large (more than 256 pairs)
Result<std::vector<std::pair<std::string, std::string>>> parse_form(
    std::string_view text);

class TokenService {
public:
    TokenService(Authenticator& authenticator, KeyRing& keys,
                 Guards* guards = nullptr)
        : authenticator_(authenticator), keys_(keys), guards_(guards) {}

    /// Every question gets a reply; an error is in it.
    Reply answer(const Question& question);

private:
    struct Wish;
    Result<Wish> read(std::string_view text) const;
    Result<Reply> get(const Question& question, std::string_view query,
                      Credential& shown);
    Result<Reply> post(const Question& question, Credential& shown);
    Result<Reply> issue(const Question& question, const Caller& caller,
                        const Wish& wish, std::string refresh_token);
    void tell(const Question& question, const Caller& caller,
              std::string scope) const;
    void tell_refusal(const Question& question, const Credential& shown,
                      const Error& error) const;
    std::vector<TokenAccess> allowed(const Caller& caller,
                                     const std::vector<Scope>& scopes) const;
    Reply refuse(const Error& error) const;

    Authenticator& authenticator_;
    KeyRing& keys_;
    Guards* guards_;
};

}  // namespace longshore
