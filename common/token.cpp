#include "common/token.hpp"

#include <algorithm>
#include <charconv>

#include "common/encoding.hpp"

namespace longshore {
namespace {

constexpr std::string_view kHeaderBegin = R"({"alg":"EdDSA","kid":")";
constexpr std::string_view kHeaderEnd = R"(","typ":"JWT"})";
constexpr std::size_t kMaxHeader =
    kHeaderBegin.size() + kMaxTokenWord + kHeaderEnd.size();
constexpr std::size_t kSignatureLength =
    base64url_length(sizeof(Ed25519Signature));
constexpr std::int64_t kMaxLeeway = 300;

// What a text inside a token may hold: nothing that JSON would escape.
bool is_plain(char c) noexcept {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

bool is_plain(std::string_view text, std::size_t least,
              std::size_t most) noexcept {
    return text.size() >= least && text.size() <= most &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_plain(c); });
}

bool is_time(std::int64_t time) noexcept {
    return time >= 0 && time <= kMaxTokenTime;
}

// Reads the one spelling. After the first mismatch everything fails.
class Reader {
public:
    explicit Reader(std::string_view text) noexcept : rest_(text) {}

    bool literal(std::string_view text) noexcept {
        if (!rest_.starts_with(text)) {
            return false;
        }
        rest_.remove_prefix(text.size());
        return true;
    }

    bool text(std::string_view& out, std::size_t least,
              std::size_t most) noexcept {
        if (!literal("\"")) {
            return false;
        }
        const auto end = std::find_if_not(rest_.begin(), rest_.end(),
                                          [](char c) { return is_plain(c); });
        out = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(out.size());
        return out.size() >= least && out.size() <= most && literal("\"");
    }

    // Digits without leading zeros.
    bool time(std::int64_t& out) noexcept {
        const char* begin = rest_.data();
        const char* end = begin + rest_.size();
        if (begin == end || *begin < '0' || *begin > '9') {
            return false;
        }
        const auto read = std::from_chars(begin, end, out);
        const auto size = static_cast<std::size_t>(read.ptr - begin);
        if (read.ec != std::errc{} || (*begin == '0' && size > 1)) {
            return false;
        }
        rest_.remove_prefix(size);
        return is_time(out);
    }

    std::string_view rest() const noexcept { return rest_; }

private:
    std::string_view rest_;
};

// What lies between two places of the same text.
std::string_view between(std::string_view from, std::string_view to) noexcept {
    return from.substr(0, from.size() - to.size());
}

bool read_actions(Reader& reader, std::string_view& out) noexcept {
    const auto from = reader.rest();
    if (from.starts_with(']')) {
        out = {};
        return true;
    }
    std::string_view action;
    std::size_t count = 0;
    do {
        if (!reader.text(action, 1, kMaxTokenWord) ||
            ++count > kMaxTokenActions) {
            return false;
        }
    } while (reader.literal(","));
    out = between(from, reader.rest());
    return true;
}

bool read_access(Reader& reader, AccessView& out) noexcept {
    return reader.literal(R"({"type":)") &&
           reader.text(out.type, 1, kMaxTokenWord) &&
           reader.literal(R"(,"name":)") &&
           reader.text(out.name, 1, kMaxTokenText) &&
           reader.literal(R"(,"actions":[)") &&
           read_actions(reader, out.actions) && reader.literal("]}");
}

// Up to the closing bracket, which is left.
bool read_access_list(Reader& reader, std::string_view& out) noexcept {
    const auto from = reader.rest();
    if (from.starts_with(']')) {
        out = {};
        return true;
    }
    AccessView access;
    std::size_t count = 0;
    do {
        if (!read_access(reader, access) || ++count > kMaxTokenAccess) {
            return false;
        }
    } while (reader.literal(","));
    out = between(from, reader.rest());
    return true;
}

bool is_in_order(std::int64_t not_before, std::int64_t issued,
                 std::int64_t expires) noexcept {
    return not_before < expires && issued < expires;
}

// Writing

void put(std::string& out, std::string_view name, std::string_view value) {
    out += '"';
    out += name;
    out += "\":\"";
    out += value;
    out += "\",";
}

void put(std::string& out, std::string_view name, std::int64_t value) {
    out += '"';
    out += name;
    out += "\":";
    out += std::to_string(value);
    out += ',';
}

Error refused(std::string_view what) {
    return {Code::invalid_argument,
            "a token cannot have this " + std::string(what)};
}

Error too_many(std::string_view what, std::size_t most) {
    return {Code::too_large, "a token has at most " + std::to_string(most) +
                                 " " + std::string(what)};
}

Result<void> check(const TokenAccess& access) {
    if (!is_plain(access.type, 1, kMaxTokenWord)) {
        return refused("type of access");
    }
    if (!is_plain(access.name, 1, kMaxTokenText)) {
        return refused("name of access");
    }
    if (access.actions.size() > kMaxTokenActions) {
        return too_many("actions in an access", kMaxTokenActions);
    }
    for (const auto& action : access.actions) {
        if (!is_plain(action, 1, kMaxTokenWord)) {
            return refused("action");
        }
    }
    return {};
}

Result<void> check(const TokenClaims& claims) {
    if (!is_plain(claims.issuer, 1, kMaxTokenText)) {
        return refused("issuer");
    }
    if (!is_plain(claims.subject, 0, kMaxTokenText)) {
        return refused("subject");
    }
    if (!is_plain(claims.audience, 1, kMaxTokenText)) {
        return refused("audience");
    }
    if (!is_plain(claims.id, 1, kMaxTokenWord)) {
        return refused("id");
    }
    for (auto time : {claims.expires, claims.not_before, claims.issued}) {
        if (!is_time(time)) {
            return refused("time");
        }
    }
    if (!is_in_order(claims.not_before, claims.issued, claims.expires)) {
        return refused("end before its beginning");
    }
    if (claims.access.size() > kMaxTokenAccess) {
        return too_many("accesses", kMaxTokenAccess);
    }
    for (const auto& access : claims.access) {
        LS_CHECK(check(access));
    }
    return {};
}

void put(std::string& out, const TokenAccess& access) {
    out += '{';
    put(out, "type", access.type);
    put(out, "name", access.name);
    out += "\"actions\":[";
    for (const auto& action : access.actions) {
        out += &action == &access.actions.front() ? "\"" : ",\"";
        out += action;
        out += '"';
    }
    out += "]}";
}

// Reading the three parts of a token

struct Parts {
    std::string_view header;
    std::string_view payload;
    std::string_view signature;
    std::string_view signed_text;  // header.payload
};

// RFC 7515 section 7.1: two dots, no more. The last one is at a known place,
// so that no token makes this look for long.
bool split(std::string_view token, Parts& out) noexcept {
    if (token.size() > kMaxTokenBytes || token.size() <= kSignatureLength) {
        return false;
    }
    const auto last = token.size() - kSignatureLength - 1;
    const auto first = token.find('.');
    if (first >= last || token[last] != '.') {
        return false;
    }
    out.header = token.substr(0, first);
    out.payload = token.substr(first + 1, last - first - 1);
    out.signature = token.substr(last + 1);
    out.signed_text = token.substr(0, last);
    return out.payload.find('.') == std::string_view::npos;
}

// The key's id in a header; empty when it is not our header.
std::string_view read_header(
    std::string_view text,
    std::array<char, base64url_length(kMaxHeader)>& scratch) noexcept {
    if (text.size() > base64url_length(kMaxHeader)) {
        return {};
    }
    const auto size = base64url_decode(text, scratch.data());
    if (!size) {
        return {};
    }
    std::string_view header(scratch.data(), *size);
    if (!header.starts_with(kHeaderBegin) || !header.ends_with(kHeaderEnd) ||
        header.size() <= kHeaderBegin.size() + kHeaderEnd.size()) {
        return {};
    }
    header.remove_prefix(kHeaderBegin.size());
    header.remove_suffix(kHeaderEnd.size());
    return is_key_id(header) ? header : std::string_view{};
}

// A text of kSignatureLength characters, which are that many bytes.
bool read_signature(std::string_view text, Ed25519Signature& out) noexcept {
    return base64url_decode(text, reinterpret_cast<char*>(out.data())) ==
           out.size();
}

// RFC 7519 section 4.1.4: on or after exp it is over.
TokenVerdict judge(const TokenView& token,
                   const TokenExpected& expected) noexcept {
    if (token.issuer != expected.issuer) {
        return TokenVerdict::wrong_issuer;
    }
    if (token.audience != expected.audience) {
        return TokenVerdict::wrong_audience;
    }
    const auto leeway =
        std::clamp(expected.leeway, std::int64_t{0}, kMaxLeeway);
    // Far from the ends of the type, whatever clock the caller has.
    const auto now =
        std::clamp(expected.now, std::int64_t{0}, kMaxTokenTime + 1);
    if (now - leeway >= token.expires) {
        return TokenVerdict::expired;
    }
    if (now + leeway < std::max(token.not_before, token.issued)) {
        return TokenVerdict::not_yet_valid;
    }
    return TokenVerdict::good;
}

}  // namespace

bool is_key_id(std::string_view id) noexcept {
    return !id.empty() && id.size() <= kMaxTokenWord &&
           std::all_of(id.begin(), id.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9') || c == '-' || c == '_';
           });
}

Result<std::string> write_claims(const TokenClaims& claims) {
    LS_CHECK(check(claims));
    std::string out = "{";
    put(out, "iss", claims.issuer);
    put(out, "sub", claims.subject);
    put(out, "aud", claims.audience);
    put(out, "exp", claims.expires);
    put(out, "nbf", claims.not_before);
    put(out, "iat", claims.issued);
    put(out, "jti", claims.id);
    out += "\"access\":[";
    for (const auto& access : claims.access) {
        out += &access == &claims.access.front() ? "" : ",";
        put(out, access);
    }
    out += "]}";
    return out;
}

bool read_claims(std::string_view payload, TokenView& out) noexcept {
    Reader reader(payload);
    std::string_view access;
    const bool good =
        reader.literal(R"({"iss":)") &&
        reader.text(out.issuer, 1, kMaxTokenText) &&
        reader.literal(R"(,"sub":)") &&
        reader.text(out.subject, 0, kMaxTokenText) &&
        reader.literal(R"(,"aud":)") &&
        reader.text(out.audience, 1, kMaxTokenText) &&
        reader.literal(R"(,"exp":)") && reader.time(out.expires) &&
        reader.literal(R"(,"nbf":)") && reader.time(out.not_before) &&
        reader.literal(R"(,"iat":)") && reader.time(out.issued) &&
        reader.literal(R"(,"jti":)") && reader.text(out.id, 1, kMaxTokenWord) &&
        reader.literal(R"(,"access":[)") && read_access_list(reader, access) &&
        reader.literal("]}") && reader.rest().empty() &&
        is_in_order(out.not_before, out.issued, out.expires);
    out.access = AccessList(access);
    return good;
}

Result<std::string> sign_token(const SigningKey& key, std::string_view key_id,
                               const TokenClaims& claims) {
    if (!is_key_id(key_id)) {
        return refused("id of a key");
    }
    LS_TRY(payload, write_claims(claims));
    std::string header(kHeaderBegin);
    header += key_id;
    header += kHeaderEnd;
    std::string token = base64url_encode(header);
    token += '.';
    token += base64url_encode(payload);
    if (token.size() + 1 + kSignatureLength > kMaxTokenBytes) {
        return too_many("bytes", kMaxTokenBytes);
    }
    LS_TRY(signature, key.sign(token));
    token += '.';
    token += base64url_encode(
        {reinterpret_cast<const char*>(signature.data()), signature.size()});
    return token;
}

bool AccessView::has(std::string_view action) const noexcept {
    Reader reader(actions);
    std::string_view each;
    do {
        if (reader.text(each, 1, kMaxTokenWord) && each == action) {
            return true;
        }
    } while (reader.literal(","));
    return false;
}

std::optional<AccessView> AccessList::next() noexcept {
    Reader reader(rest_);
    AccessView access;
    if (!read_access(reader, access)) {
        return std::nullopt;
    }
    reader.literal(",");
    rest_ = reader.rest();
    return access;
}

bool AccessList::allows(std::string_view type, std::string_view name,
                        std::string_view action) const noexcept {
    AccessList all(text_);
    while (auto access = all.next()) {
        if (access->type == type && access->name == name &&
            access->has(action)) {
            return true;
        }
    }
    return false;
}

std::string_view verdict_name(TokenVerdict verdict) noexcept {
    switch (verdict) {
        case TokenVerdict::good:
            return "good";
        case TokenVerdict::malformed:
            return "malformed";
        case TokenVerdict::unknown_key:
            return "unknown_key";
        case TokenVerdict::bad_signature:
            return "bad_signature";
        case TokenVerdict::wrong_issuer:
            return "wrong_issuer";
        case TokenVerdict::wrong_audience:
            return "wrong_audience";
        case TokenVerdict::expired:
            return "expired";
        case TokenVerdict::not_yet_valid:
            return "not_yet_valid";
    }
    return "malformed";
}

const TokenKeys::Key* TokenKeys::find(std::string_view id) const noexcept {
    const auto found =
        std::find_if(keys_.begin(), keys_.end(),
                     [&](const Key& key) { return key.id == id; });
    return found == keys_.end() ? nullptr : &*found;
}

Result<void> TokenKeys::add(std::string_view id,
                            const Ed25519Bytes& public_key) {
    if (!is_key_id(id)) {
        return refused("id of a key");
    }
    if (find(id) == nullptr && keys_.size() >= kMaxTokenKeys) {
        return too_many("keys to choose from", kMaxTokenKeys);
    }
    LS_TRY(key, VerifyingKey::from_bytes(public_key));
    remove(id);
    keys_.push_back({std::string(id), std::move(key)});
    return {};
}

bool TokenKeys::remove(std::string_view id) noexcept {
    return std::erase_if(keys_, [&](const Key& key) { return key.id == id; }) >
           0;
}

TokenVerdict TokenKeys::verify(std::string_view token,
                               const TokenExpected& expected,
                               std::span<char, kMaxTokenPayload> scratch,
                               TokenView& out) const noexcept {
    const TokenVerdict verdict = examine(token, expected, scratch, out);
    if (verdict != TokenVerdict::good) {
        out = {};  // nobody acts on what was refused
    }
    return verdict;
}

TokenVerdict TokenKeys::examine(std::string_view token,
                                const TokenExpected& expected,
                                std::span<char, kMaxTokenPayload> scratch,
                                TokenView& out) const noexcept {
    Parts parts;
    Ed25519Signature signature;
    std::array<char, base64url_length(kMaxHeader)> header;
    if (!split(token, parts) || !read_signature(parts.signature, signature)) {
        return TokenVerdict::malformed;
    }
    const auto id = read_header(parts.header, header);
    if (id.empty()) {
        return TokenVerdict::malformed;
    }
    const Key* key = find(id);
    if (key == nullptr) {
        return TokenVerdict::unknown_key;
    }
    if (!key->key.verify(parts.signed_text, signature)) {
        return TokenVerdict::bad_signature;
    }
    const auto size = base64url_decode(parts.payload, scratch.data());
    if (!size || !read_claims({scratch.data(), *size}, out)) {
        return TokenVerdict::malformed;
    }
    return judge(out, expected);
}

}  // namespace longshore
