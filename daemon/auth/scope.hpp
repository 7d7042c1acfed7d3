// Scopes of the Docker token specification: `type[(class)]:name:actions`, as
// asked for at the token service and named in a challenge. Pure.
// Specification: distribution, "Token Scope Documentation".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "model/access.hpp"

namespace longshore {

struct Scope {
    std::string type;  // "repository", without its class
    std::string name;
    std::vector<std::string> actions;
};

/// Most scopes that one request may ask for.
inline constexpr std::size_t kMaxScopes = 64;

/// Adds the scopes of one text, with spaces between, to `out`; what breaks
/// the grammar is left out, since a token service grants what it can.
/// @errors too_large (more than kMaxScopes)
Result<void> parse_scopes(std::string_view text, std::vector<Scope>& out);

/// Actions that a client needs to do one: who pushes looks first at what is
/// there, so it is `pull,push`.
std::string_view scope_actions(Action action) noexcept;

/// What a request needs, for a challenge: `repository:NAME:pull,push`.
std::string scope_text(std::string_view name, Action action);

/// `registry:catalog:*`
inline constexpr std::string_view kCatalogScope = "registry:catalog:*";

struct Challenge {
    std::string_view realm;  // URL of the token service
    std::string_view service;
    std::string_view scope;  // or ""
    std::string_view error;  // "invalid_token" "insufficient_scope" or ""
};

/// Value of WWW-Authenticate. RFC 6750 section 3; the texts have no quotes.
std::string bearer_challenge(const Challenge& challenge);
std::string basic_challenge(std::string_view service);

/// scheme://host/prefix as a client wrote it, or nothing if the host has
/// characters that no host has.
std::optional<std::string> base_url(std::string_view scheme,
                                    std::string_view host,
                                    std::string_view prefix);

}  // namespace longshore
