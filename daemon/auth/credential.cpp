#include "auth/credential.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "auth/secret.hpp"

namespace longshore {
namespace {

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

int base64_value(char c) noexcept {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// RFC 4648 section 4, padding as it should be or left out.
std::optional<std::string> base64_decode(std::string_view text) {
    auto padding =
        text.size() - std::min(text.size(), text.find_last_not_of('=') + 1);
    if (padding > 2 || (padding > 0 && text.size() % 4 != 0)) {
        return std::nullopt;
    }
    text.remove_suffix(padding);
    std::string out;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (char c : text) {
        int value = base64_value(c);
        if (value < 0) {
            return std::nullopt;
        }
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count);
        }
    }
    if (count == 6 || (bits & ((1U << count) - 1)) != 0) {
        return std::nullopt;
    }
    return out;
}

bool is_clean(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
}

Credential malformed(bool bearer) {
    Credential credential;
    credential.kind = CredentialKind::malformed;
    credential.bearer = bearer;
    return credential;
}

Credential token(std::string_view text, bool bearer) {
    auto credential = malformed(bearer);
    credential.kind = token_kind(text);
    if (credential.kind != CredentialKind::malformed) {
        credential.secret = text;
    }
    return credential;
}

Credential basic(std::string_view encoded) {
    auto decoded = base64_decode(encoded);
    auto colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) {
        return malformed(false);
    }
    return user_credential(std::string_view(*decoded).substr(0, colon),
                           std::string_view(*decoded).substr(colon + 1));
}

Credential read_header(std::string_view value) {
    value = trimmed(value);
    if (value.empty() || value.size() > kMaxAuthorization || !is_clean(value)) {
        return malformed(false);
    }
    auto space = value.find_first_of(" \t");
    if (space == std::string_view::npos) {
        return token(value, false);
    }
    auto scheme = value.substr(0, space);
    auto rest = trimmed(value.substr(space));
    if (same_word(scheme, "basic")) {
        return basic(rest);
    }
    if (same_word(scheme, "bearer")) {
        return token(rest, true);
    }
    if (same_word(scheme, "token")) {
        return token(rest, false);
    }
    return malformed(false);
}

}  // namespace

Credential user_credential(std::string_view user, std::string_view secret) {
    if (!is_clean(user) || !is_clean(secret)) {
        return malformed(false);
    }
    // By its form alone: a password cannot look so (check_password_rules).
    if (token_kind(secret) != CredentialKind::malformed) {
        return token(secret, false);
    }
    if (secret.empty()) {
        return token(user, false);
    }
    if (user.empty()) {
        return malformed(false);
    }
    Credential credential;
    credential.kind = CredentialKind::password;
    credential.user = user;
    credential.secret = secret;
    return credential;
}

CredentialKind token_kind(std::string_view token) noexcept {
    if (secret_id(SecretKind::api_token, token)) {
        return CredentialKind::api_token;
    }
    // The header of a JWS is JSON, so its base64url begins with that of `{"`.
    auto jws = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    if (token.starts_with("eyJ") &&
        std::count(token.begin(), token.end(), '.') == 2 &&
        std::all_of(token.begin(), token.end(), jws)) {
        return CredentialKind::access_token;
    }
    return CredentialKind::malformed;
}

Credential read_credential(std::span<const HeaderField> headers,
                           std::string_view client_cert) {
    std::optional<std::string_view> value;
    for (const auto& field : headers) {
        if (!same_word(field.name, "authorization")) {
            continue;
        }
        if (value) {
            // Which one another reader would take cannot be known.
            return malformed(false);
        }
        value = field.value;
    }
    if (value) {
        return read_header(*value);
    }
    Credential credential;
    if (!client_cert.empty()) {
        credential.kind = CredentialKind::certificate;
        credential.secret = client_cert;
    }
    return credential;
}

}  // namespace longshore
