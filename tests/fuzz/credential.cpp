// An Authorization header, a form and a list of scopes from anybody: what is
// read of them has the form that it claims, in every way of sending it.
#include <string>
#include <vector>

#include "auth/credential.hpp"
#include "auth/policy.hpp"
#include "auth/scope.hpp"
#include "auth/secret.hpp"
#include "auth/token_service.hpp"
#include "fuzz.hpp"

namespace longshore {
namespace {

using fuzz::require;

bool is_clean(std::string_view text) {
    for (char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

Credential read(std::string_view value) {
    const HeaderField field{"authorization", value};
    return read_credential({&field, 1}, "");
}

void check_credential(std::string_view value) {
    const auto credential = read(value);
    require(is_clean(credential.user) && is_clean(credential.secret),
            "no control characters");
    switch (credential.kind) {
        case CredentialKind::none:
        case CredentialKind::certificate:
        case CredentialKind::external_token:
            require(false, "a header is never taken for none");
            break;
        case CredentialKind::malformed:
            require(credential.secret.empty() && credential.user.empty(),
                    "nothing of a malformed one is used");
            break;
        case CredentialKind::password:
            require(!credential.user.empty() && !credential.secret.empty() &&
                        credential.user.find(':') == std::string::npos,
                    "user and password");
            require(token_kind(credential.secret) == CredentialKind::malformed,
                    "a password is no token");
            break;
        case CredentialKind::api_token:
        case CredentialKind::access_token:
            require(credential.user.empty(), "a token has no user");
            for (std::string before : {"", "Bearer ", "Token "}) {
                const auto again = read(before + credential.secret);
                require(again.kind == credential.kind &&
                            again.secret == credential.secret,
                        "the same in every form");
            }
            break;
    }
    const HeaderField twice[] = {{"Authorization", value},
                                 {"AUTHORIZATION", value}};
    require(read_credential(twice, "ab").kind == CredentialKind::malformed,
            "two headers are none");
}

void check_scopes(std::string_view text) {
    std::vector<Scope> scopes;
    if (!parse_scopes(text, scopes)) {
        require(scopes.size() == kMaxScopes, "refused for their number");
    }
    require(scopes.size() <= kMaxScopes, "bounded");
    for (const auto& scope : scopes) {
        std::string again = scope.type + ":" + scope.name + ":";
        for (const auto& action : scope.actions) {
            again += action + ",";
            require(action.find_first_of(":, \"\\") == std::string::npos,
                    "an action is a word");
        }
        require(again.find_first_of(" \"\\\n\r") == std::string::npos,
                "fits into a challenge");
        std::vector<Scope> reread;
        require(static_cast<bool>(parse_scopes(again, reread)) &&
                    reread.size() == 1 && reread[0].name == scope.name &&
                    reread[0].actions == scope.actions,
                "is read as it was written");
    }
}

void check_pattern(std::string_view text) {
    const auto split = std::min(text.find('\n'), text.size());
    const auto pattern = Pattern::parse(text.substr(0, split));
    if (!pattern) {
        return;
    }
    const auto name = text.substr(std::min(split + 1, text.size()));
    const bool matches = pattern->matches(name);
    require(!pattern->exact() || matches == (pattern->text() == name),
            "without * only itself");
    require(pattern->text() != "**" || name.size() > 255 || matches,
            "** is everything");
}

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    const std::string input(fuzz::text(data, size));
    check_credential(input);
    check_scopes(input);
    check_pattern(input);
    if (const auto pairs = parse_form(input)) {
        fuzz::require(pairs->size() <= 256, "bounded");
    }
    const auto user =
        user_credential(std::string_view(input).substr(0, input.size() / 2),
                        std::string_view(input).substr(input.size() / 2));
    fuzz::require(user.kind != CredentialKind::none, "never anonymous");
    if (const auto url = base_url("https", input, "")) {
        fuzz::require(url->find_first_of("\" \\\r\n,") == std::string::npos,
                      "fits into a challenge");
    }
    return 0;
}
