// Input: claims, a token, or a header and claims with a line's end between
// them, which the target signs.
#include "common/token.hpp"

#include <algorithm>
#include <string>

#include "common/encoding.hpp"
#include "fuzz.hpp"

using namespace longshore;
using fuzz::require;

namespace {

constexpr std::string_view kHeader =
    R"({"alg":"EdDSA","kid":"fuzz","typ":"JWT"})";

const SigningKey& key() {
    static const SigningKey made = *SigningKey::from_seed(Ed25519Bytes{1});
    return made;
}

const TokenKeys& keys() {
    static const TokenKeys made = [] {
        TokenKeys known;
        require(static_cast<bool>(known.add("fuzz", key().public_key())),
                "a key is taken");
        return known;
    }();
    return made;
}

TokenClaims copy_of(TokenView view) {
    TokenClaims out = {std::string(view.issuer),
                       std::string(view.subject),
                       std::string(view.audience),
                       view.expires,
                       view.not_before,
                       view.issued,
                       std::string(view.id),
                       {}};
    while (auto access = view.access.next()) {
        TokenAccess each = {
            std::string(access->type), std::string(access->name), {}};
        // "pull","push"
        auto rest = access->actions;
        while (!rest.empty()) {
            const auto end = rest.find('"', 1);
            require(end != rest.npos, "an action ends");
            each.actions.emplace_back(rest.substr(1, end - 1));
            require(access->has(each.actions.back()), "has its action");
            require(view.access.allows(access->type, access->name,
                                       each.actions.back()),
                    "is found in the list");
            rest.remove_prefix(std::min(end + 2, rest.size()));
        }
        out.access.push_back(std::move(each));
    }
    return out;
}

// True when these are claims; then they have this spelling only.
bool check_claims(const std::string& text) {
    TokenView view;
    if (!read_claims(text, view)) {
        return false;
    }
    for (auto part : {view.issuer, view.subject, view.audience, view.id}) {
        require(fuzz::inside(part, text), "views lie in the payload");
    }
    const auto claims = copy_of(view);
    const auto again = write_claims(claims);
    require(again && *again == text, "one spelling");
    return true;
}

void check_signed(std::string_view header, std::string_view payload) {
    const auto text =
        base64url_encode(header) + "." + base64url_encode(payload);
    const auto signature = key().sign(text);
    require(static_cast<bool>(signature), "signs");
    const auto token =
        text + "." +
        base64url_encode({reinterpret_cast<const char*>(signature->data()),
                          signature->size()});
    TokenView claims;
    const bool good = header == kHeader && token.size() <= kMaxTokenBytes &&
                      read_claims(payload, claims);
    TokenExpected expected;
    if (good) {
        expected = {claims.issuer, claims.audience,
                    std::max(claims.not_before, claims.issued), 0};
    }
    std::array<char, kMaxTokenPayload> scratch;
    TokenView view;
    const auto verdict = keys().verify(token, expected, scratch, view);
    require((verdict == TokenVerdict::good) == good,
            "what we write is good, and nothing else");
    if (good) {
        require(view.id == claims.id && view.subject == claims.subject,
                "says what was signed");
        expected.now = claims.expires;
        require(keys().verify(token, expected, scratch, view) ==
                    TokenVerdict::expired,
                "ends");
    }
}

void check_base64url(const std::string& text) {
    std::string out(text.size() / 4 * 3 + 2, '\0');
    if (auto size = base64url_decode(text, out.data())) {
        require(*size <= out.size(), "stays in its buffer");
        out.resize(*size);
        require(base64url_encode(out) == text, "one spelling of base64url");
    }
    const auto encoded = base64url_encode(text);
    out.assign(encoded.size() / 4 * 3 + 2, '\0');
    const auto size = base64url_decode(encoded, out.data());
    require(size && out.substr(0, *size) == text, "decodes what it encoded");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    const std::string text(fuzz::text(data, size));
    check_base64url(text);
    if (check_claims(text)) {
        check_signed(kHeader, text);
    }
    const auto end = text.find('\n');
    if (end != text.npos) {
        check_signed(std::string_view(text).substr(0, end),
                     std::string_view(text).substr(end + 1));
    }
    std::array<char, kMaxTokenPayload> scratch;
    TokenView view;
    require(keys().verify(text, {}, scratch, view) != TokenVerdict::good,
            "nobody else can sign");
    return 0;
}
