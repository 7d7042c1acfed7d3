#include "auth/jwt.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "auth/strict_json.hpp"
#include "common/encoding.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

constexpr JsonBounds kHeaderBounds = {4096, 100, 4};
constexpr JsonBounds kClaimBounds = {kMaxJwtBytes, 2000, 12};
constexpr std::size_t kMaxSubject = 1024;
// Seconds; the end of the year 9999.
constexpr double kLatest = 253'402'300'799.0;

Error refused(std::string what) {
    return {Code::unauthenticated, "the token " + std::move(what),
            "UNAUTHORIZED"};
}

std::optional<std::string> decode(std::string_view text) {
    std::string bytes(text.size() / 4 * 3 + 2, '\0');
    auto size = base64url_decode(text, bytes.data());
    if (!size) {
        return std::nullopt;
    }
    bytes.resize(*size);
    return bytes;
}

Result<Json> read_part(std::string_view text, const JsonBounds& bounds,
                       const char* which) {
    auto bytes = decode(text);
    if (!bytes) {
        return refused(std::string("has a ") + which +
                       " that is not base64url");
    }
    auto object = parse_object(*bytes, bounds);
    if (!object) {
        return refused(std::string("has a ") + which +
                       " that cannot be: " + object.error().message);
    }
    return std::move(*object);
}

std::optional<JwsAlgorithm> parse_algorithm(std::string_view name) {
    for (auto each :
         {JwsAlgorithm::rs256, JwsAlgorithm::es256, JwsAlgorithm::eddsa}) {
        if (algorithm_name(each) == name) {
            return each;
        }
    }
    return std::nullopt;
}

bool is_jwt_type(const std::string& type) {
    constexpr std::string_view kType = "jwt";
    return std::equal(type.begin(), type.end(), kType.begin(), kType.end(),
                      [](char a, char b) { return (a | 0x20) == b; });
}

Result<void> read_header(std::string_view text, Jwt& jwt) {
    LS_TRY(header, read_part(text, kHeaderBounds, "header"));
    if (header.contains("crit")) {
        return refused("demands an extension (crit) that is not known here");
    }
    if (header.contains("typ")) {
        auto type = text_member(header, "typ");
        if (!type || !is_jwt_type(*type)) {
            return refused("is of another type (typ) than JWT");
        }
    }
    if (header.contains("cty") || header.contains("enc")) {
        return refused("is nested or encrypted");
    }
    auto name = text_member(header, "alg");
    auto algorithm = name ? parse_algorithm(*name) : std::nullopt;
    if (!algorithm) {
        return refused("has an alg that is none of RS256, ES256, EdDSA");
    }
    auto id = text_member(header, "kid");
    if (!id || id->empty() || id->size() > kMaxKeyId) {
        return refused("does not say the key (kid)");
    }
    jwt.algorithm = *algorithm;
    jwt.key_id = std::move(*id);
    return {};
}

// NumericDate: seconds, perhaps with a fraction. RFC 7519 section 2.
std::optional<std::int64_t> time_claim(const Json& claims, const char* name) {
    auto found = claims.find(name);
    if (found == claims.end() || !found->is_number()) {
        return std::nullopt;
    }
    auto seconds = found->get<double>();
    if (!std::isfinite(seconds) || seconds < 0 || seconds > kLatest) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(seconds);
}

bool is_one_of(const Json& text, const std::vector<std::string>& wanted) {
    return std::any_of(wanted.begin(), wanted.end(), [&](const auto& each) {
        return !each.empty() && text == each;
    });
}

bool has_audience(const Json& claims, const std::vector<std::string>& wanted) {
    auto found = claims.find("aud");
    if (found == claims.end()) {
        return false;
    }
    if (found->is_string()) {
        return is_one_of(*found, wanted);
    }
    bool all_texts =
        found->is_array() &&
        std::all_of(found->begin(), found->end(),
                    [](const Json& each) { return each.is_string(); });
    return all_texts &&
           std::any_of(found->begin(), found->end(), [&](const Json& each) {
               return is_one_of(each, wanted);
           });
}

std::string quoted(const std::vector<std::string>& texts) {
    std::string out;
    for (const auto& text : texts) {
        out += out.empty() ? "" : ", ";
        out += '"' + text + '"';
    }
    return out;
}

Result<void> check_times(const Json& claims, const JwtExpected& expected,
                         std::int64_t expires_s) {
    auto now = expected.now_s;
    auto late = now + expected.leeway_s;
    if (expires_s + expected.leeway_s <= now) {
        return refused("has expired");
    }
    auto longest = expected.max_lifetime_s;
    auto not_before = time_claim(claims, "nbf");
    auto issued = time_claim(claims, "iat");
    if ((claims.contains("nbf") && !not_before) ||
        (claims.contains("iat") && !issued)) {
        return refused("has a time (nbf, iat) that cannot be");
    }
    if (not_before && *not_before > late) {
        return refused("is not valid yet (nbf)");
    }
    if (issued && *issued > late) {
        return refused("was issued in the future (iat)");
    }
    if (expires_s - now > longest + expected.leeway_s ||
        (issued && expires_s - *issued > longest)) {
        return refused("is valid for longer than is accepted of its issuer");
    }
    return {};
}

}  // namespace

Result<Jwt> read_jwt(std::string_view token) {
    if (token.size() > kMaxJwtBytes) {
        return refused("is too long");
    }
    auto first = token.find('.');
    auto second =
        first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos ||
        token.find('.', second + 1) != std::string_view::npos) {
        return refused("has not three parts");
    }
    Jwt jwt;
    LS_CHECK(read_header(token.substr(0, first), jwt));
    LS_TRY(claims, read_part(token.substr(first + 1, second - first - 1),
                             kClaimBounds, "payload"));
    jwt.claims = std::move(claims);
    auto issuer = text_member(jwt.claims, "iss");
    if (!issuer) {
        return refused("does not say its issuer (iss)");
    }
    jwt.issuer = std::move(*issuer);
    jwt.signed_part = token.substr(0, second);
    auto signature = decode(token.substr(second + 1));
    if (!signature || signature->empty()) {
        return refused("has a signature that is not base64url");
    }
    jwt.signature = std::move(*signature);
    return jwt;
}

Result<JwtFacts> check_claims(const Json& claims, const JwtExpected& expected) {
    if (text_member(claims, "iss") != expected.issuer) {
        return refused("is of another issuer (iss)");
    }
    if (!has_audience(claims, expected.audiences)) {
        return refused("is for another audience (aud) than " +
                       quoted(expected.audiences));
    }
    auto expires = time_claim(claims, "exp");
    if (!expires) {
        return refused("has no end (exp)");
    }
    LS_CHECK(check_times(claims, expected, *expires));
    auto subject = text_member(claims, "sub");
    if (!subject || subject->empty() || subject->size() > kMaxSubject) {
        return refused("does not say whom it is of (sub)");
    }
    return JwtFacts{std::move(*subject), *expires};
}

}  // namespace longshore
