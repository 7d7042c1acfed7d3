// A token, its claims, a key set, a discovery document, a condition and a
// pattern from anybody: what is taken is what was asked for, whatever is read.
// The first byte says which reader.
#include <algorithm>
#include <string>

#include "auth/claim_rule.hpp"
#include "auth/external_tokens.hpp"
#include "auth/issuers.hpp"
#include "auth/jwt.hpp"
#include "auth/key_set.hpp"
#include "auth/strict_json.hpp"
#include "common/encoding.hpp"
#include "fuzz.hpp"

namespace longshore {
namespace {

using fuzz::require;

void check_facts(const nlohmann::json& claims) {
    const JwtExpected expected = {"https://i", {"me"}, 30, 3600, 10'000};
    const auto facts = check_claims(claims, expected);
    if (!facts) {
        require(facts.error().code == Code::unauthenticated, "refused");
        return;
    }
    require(claims.at("iss") == "https://i" && !facts->subject.empty(),
            "of the issuer and of somebody");
    require(facts->expires_s > 9970 && facts->expires_s <= 13'630,
            "not over, and not for too long");
}

void check_token(std::string_view text) {
    const auto jwt = read_jwt(text);
    if (!jwt) {
        require(jwt.error().code == Code::unauthenticated, "refused");
        return;
    }
    require(fuzz::inside(jwt->signed_part, text), "a view into the token");
    require(!jwt->key_id.empty() && jwt->claims.is_object() &&
                !jwt->signature.empty(),
            "complete");
    const auto again =
        std::string(jwt->signed_part) + "." + base64url_encode(jwt->signature);
    require(again == text, "a token has one spelling");
    check_facts(jwt->claims);
}

// The parts in the clear, so that they are reached at all.
void check_parts(std::string_view text) {
    const auto dot = std::min(text.find('.'), text.size());
    const auto end = std::min(dot + 1, text.size());
    check_token(base64url_encode(text.substr(0, dot)) + "." +
                base64url_encode(text.substr(end)) + ".AAAA");
}

void check_keys(std::string_view text) {
    const auto set = KeySet::parse(text);
    if (!set) {
        return;
    }
    require(!set->keys().empty() && set->keys().size() <= kMaxKeys, "bounded");
    for (const auto& key : set->keys()) {
        require(!key.id.empty(), "every key has a name");
        require(set->verify(key.id, key.algorithm, "message",
                            std::string(64, '\1')) != KeyAnswer::good,
                "nobody signed it");
    }
}

void check_rule(std::string_view text) {
    const auto line = std::min(text.find('\n'), text.size());
    const auto claims =
        parse_object(text.substr(std::min(line + 1, text.size())), {});
    const auto rule = text.substr(0, line);
    if (const auto condition = Condition::parse(rule)) {
        require(condition->text() == rule, "read as it was written");
        require(!claims || !condition->holds(*claims) ||
                    find_claim(*claims, condition->path()) != nullptr,
                "nothing holds of a claim that is not there");
    }
    const auto pattern = ClaimPattern::parse(rule);
    if (!pattern || !claims) {
        return;
    }
    if (const auto made = pattern->insert(*claims)) {
        const auto stars = [](const std::string& of) {
            return std::count(of.begin(), of.end(), '*');
        };
        require(stars(made->text()) <= stars(pattern->text()),
                "a claim brings no wildcard");
        require(made->text().find_first_of("{}") == std::string::npos,
                "nothing is inserted twice");
    }
}

}  // namespace
}  // namespace longshore

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    const std::string input(fuzz::text(data, size));
    const auto rest = std::string_view(input).substr(input.empty() ? 0 : 1);
    switch (input.empty() ? 0 : input[0]) {
        case 'k':
            check_keys(rest);
            break;
        case 'c':
            if (const auto claims = parse_object(rest, {})) {
                check_facts(*claims);
            }
            break;
        case 'd':
            if (const auto url = read_discovery(rest, "https://i")) {
                fuzz::require(static_cast<bool>(check_issuer_url(*url, true)),
                              "an address that may be fetched");
            }
            break;
        case 'r':
            check_rule(rest);
            break;
        default:
            check_token(input);
            check_parts(rest);
            break;
    }
    return 0;
}
