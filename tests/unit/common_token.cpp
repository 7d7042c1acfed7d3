#include "common/token.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "common/encoding.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::string_view kHeader =
    R"({"alg":"EdDSA","kid":"2026-11","typ":"JWT"})";
constexpr std::string_view kPayload =
    R"({"iss":"registry.example","sub":"alice","aud":"longshore",)"
    R"("exp":1800000300,"nbf":1800000000,"iat":1800000000,"jti":"id-1",)"
    R"("access":[{"type":"repository","name":"library/alpine",)"
    R"("actions":["pull","push"]},{"type":"registry","name":"catalog",)"
    R"("actions":["*"]},{"type":"repository","name":"a/b","actions":[]}]})";

TokenClaims usual_claims() {
    return {"registry.example",
            "alice",
            "longshore",
            kNow + 300,
            kNow,
            kNow,
            "id-1",
            {{"repository", "library/alpine", {"pull", "push"}},
             {"registry", "catalog", {"*"}},
             {"repository", "a/b", {}}}};
}

Ed25519Bytes bytes_of(std::string_view base64url) {
    Ed25519Bytes out = {};
    EXPECT_EQ(base64url_decode(base64url, reinterpret_cast<char*>(out.data())),
              out.size());
    return out;
}

template <std::size_t N>
std::string text_of(const std::array<std::uint8_t, N>& bytes) {
    return {bytes.begin(), bytes.end()};
}

// RFC 8037 appendix A.1.
SigningKey rfc_key() {
    return *SigningKey::from_seed(
        bytes_of("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"));
}

class Token : public testing::Test {
protected:
    Token() { EXPECT_TRUE(keys.add("2026-11", key.public_key())); }

    // A token with a right signature over any two texts.
    std::string forge(std::string_view header, std::string_view payload) {
        return sign_parts(base64url_encode(header), base64url_encode(payload));
    }
    std::string sign_parts(const std::string& header,
                           const std::string& payload) {
        auto text = header + "." + payload;
        auto signature = key.sign(text);
        EXPECT_TRUE(signature);
        return text + "." + base64url_encode(text_of(*signature));
    }
    TokenVerdict verify(std::string_view token) {
        return keys.verify(token, expected, scratch, view);
    }

    SigningKey key = rfc_key();
    TokenKeys keys;
    TokenExpected expected = {"registry.example", "longshore", kNow, 0};
    std::array<char, kMaxTokenPayload> scratch;
    TokenView view;
};

// RFC 8037 appendix A.4 and A.5.
TEST(Ed25519, IsThatOfRfc8037) {
    const SigningKey key = rfc_key();
    EXPECT_EQ(base64url_encode(text_of(key.public_key())),
              "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    const std::string text =
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    EXPECT_EQ(base64url_encode(R"({"alg":"EdDSA"})") + "." +
                  base64url_encode("Example of Ed25519 signing"),
              text);
    auto signature = key.sign(text);
    ASSERT_TRUE(signature);
    EXPECT_EQ(base64url_encode(text_of(*signature)),
              "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5"
              "BhVsPt9g7sVvpAr_MuM0KAg");
    auto reader = VerifyingKey::from_bytes(key.public_key());
    ASSERT_TRUE(reader);
    EXPECT_TRUE(reader->verify(text, *signature));
    EXPECT_FALSE(reader->verify(text + "x", *signature));
}

TEST(Ed25519, EveryBitOfASignatureCounts) {
    const SigningKey key = rfc_key();
    auto reader = VerifyingKey::from_bytes(key.public_key());
    ASSERT_TRUE(reader);
    auto signature = key.sign("text");
    ASSERT_TRUE(signature);
    for (std::size_t bit = 0; bit < 512; ++bit) {
        auto other = *signature;
        other[bit / 8] =
            static_cast<std::uint8_t>(other[bit / 8] ^ (1U << bit % 8));
        EXPECT_FALSE(reader->verify("text", other)) << bit;
    }
}

// S and S + L are the same number to a verifier that does not look (RFC 8032
// section 5.1.7: S must be below L).
TEST(Ed25519, HasOneSignatureOnly) {
    constexpr Ed25519Bytes kOrder = {
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
        0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
        0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
    const SigningKey key = rfc_key();
    auto signature = key.sign("text");
    ASSERT_TRUE(signature);
    unsigned carry = 0;
    for (std::size_t i = 0; i < 32; ++i) {
        carry += (*signature)[32 + i] + kOrder[i];
        (*signature)[32 + i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
    ASSERT_EQ(carry, 0u);
    EXPECT_FALSE(
        VerifyingKey::from_bytes(key.public_key())->verify("text", *signature));
}

TEST(Ed25519, KeysAreMadeStoredAndTakenUpAgain) {
    auto made = SigningKey::generate();
    auto other = SigningKey::generate();
    ASSERT_TRUE(made && other);
    EXPECT_NE(made->public_key(), other->public_key());
    auto seed = made->seed();
    ASSERT_TRUE(seed);
    auto again = SigningKey::from_seed(*seed);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->public_key(), made->public_key());
    EXPECT_EQ(*again->sign("a"), *made->sign("a"));
}

TEST_F(Token, HasOneSpelling) {
    auto payload = write_claims(usual_claims());
    ASSERT_TRUE(payload);
    EXPECT_EQ(*payload, kPayload);
    auto token = sign_token(key, "2026-11", usual_claims());
    ASSERT_TRUE(token);
    EXPECT_EQ(*token, forge(kHeader, kPayload));
}

TEST_F(Token, SaysWhatWasSigned) {
    auto token = sign_token(key, "2026-11", usual_claims());
    ASSERT_TRUE(token);
    ASSERT_EQ(verify(*token), TokenVerdict::good);
    EXPECT_EQ(view.issuer, "registry.example");
    EXPECT_EQ(view.subject, "alice");
    EXPECT_EQ(view.audience, "longshore");
    EXPECT_EQ(view.expires, kNow + 300);
    EXPECT_EQ(view.not_before, kNow);
    EXPECT_EQ(view.issued, kNow);
    EXPECT_EQ(view.id, "id-1");
    auto first = view.access.next();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->type, "repository");
    EXPECT_EQ(first->name, "library/alpine");
    EXPECT_TRUE(first->has("pull"));
    EXPECT_TRUE(first->has("push"));
    EXPECT_FALSE(first->has("pus"));
    EXPECT_FALSE(first->has(""));
    EXPECT_FALSE(first->has(R"(pull","push)"));
    ASSERT_TRUE(view.access.next());
    auto last = view.access.next();
    ASSERT_TRUE(last);
    EXPECT_EQ(last->name, "a/b");
    EXPECT_FALSE(last->has("pull"));
    EXPECT_FALSE(view.access.next());
    EXPECT_FALSE(view.access.next());
}

TEST_F(Token, AllowsWhatItNames) {
    ASSERT_EQ(verify(forge(kHeader, kPayload)), TokenVerdict::good);
    const AccessList& access = view.access;
    EXPECT_TRUE(access.allows("repository", "library/alpine", "pull"));
    EXPECT_TRUE(access.allows("registry", "catalog", "*"));
    EXPECT_FALSE(access.allows("repository", "library/alpine", "delete"));
    EXPECT_FALSE(access.allows("repository", "library/alpin", "pull"));
    EXPECT_FALSE(access.allows("repository", "library/alpine/x", "pull"));
    EXPECT_FALSE(access.allows("registry", "library/alpine", "pull"));
    EXPECT_FALSE(access.allows("repository", "a/b", "pull"));
    EXPECT_FALSE(access.allows("registry", "catalog", "pull"));
    // Also after the list has been walked.
    while (view.access.next()) {
    }
    EXPECT_TRUE(access.allows("registry", "catalog", "*"));
    EXPECT_FALSE(AccessList().allows("repository", "a/b", "pull"));
}

TEST_F(Token, MayAllowNothing) {
    auto claims = usual_claims();
    claims.access.clear();
    claims.subject.clear();
    ASSERT_EQ(verify(*sign_token(key, "2026-11", claims)), TokenVerdict::good);
    EXPECT_EQ(view.subject, "");
    EXPECT_FALSE(view.access.next());
}

TEST_F(Token, HasABeginningAndAnEnd) {
    auto claims = usual_claims();
    claims.not_before = kNow - 10;
    claims.issued = kNow - 20;
    const auto token = *sign_token(key, "2026-11", claims);
    auto at = [&](std::int64_t now, std::int64_t leeway = 0) {
        expected.now = now;
        expected.leeway = leeway;
        return verify(token);
    };
    EXPECT_EQ(at(kNow - 11), TokenVerdict::not_yet_valid);
    EXPECT_EQ(at(kNow - 10), TokenVerdict::good);
    EXPECT_EQ(at(kNow + 299), TokenVerdict::good);
    EXPECT_EQ(at(kNow + 300), TokenVerdict::expired);
    EXPECT_EQ(at(kNow - 15, 5), TokenVerdict::good);
    EXPECT_EQ(at(kNow - 16, 5), TokenVerdict::not_yet_valid);
    EXPECT_EQ(at(kNow + 304, 5), TokenVerdict::good);
    EXPECT_EQ(at(kNow + 305, 5), TokenVerdict::expired);
    // A leeway is not a way around, and a clock may be anywhere.
    EXPECT_EQ(at(kNow + 3600, 1'000'000), TokenVerdict::expired);
    EXPECT_EQ(at(kNow + 301, -1'000'000), TokenVerdict::expired);
    EXPECT_EQ(at(std::numeric_limits<std::int64_t>::min()),
              TokenVerdict::not_yet_valid);
    EXPECT_EQ(at(std::numeric_limits<std::int64_t>::max()),
              TokenVerdict::expired);
}

TEST_F(Token, SaysNothingWhenRefused) {
    const auto token = forge(kHeader, kPayload);
    ASSERT_EQ(verify(token), TokenVerdict::good);
    expected.now = kNow + 300;
    ASSERT_EQ(verify(token), TokenVerdict::expired);
    EXPECT_EQ(view.subject, "");
    EXPECT_EQ(view.expires, 0);
    EXPECT_FALSE(view.access.next());
    EXPECT_FALSE(view.access.allows("repository", "library/alpine", "pull"));
}

TEST_F(Token, IsNotIssuedInTheFuture) {
    auto claims = usual_claims();
    claims.issued = kNow + 5;
    EXPECT_EQ(verify(*sign_token(key, "2026-11", claims)),
              TokenVerdict::not_yet_valid);
}

TEST_F(Token, IsForOneAudienceOfOneIssuer) {
    const auto token = forge(kHeader, kPayload);
    expected.audience = "longshor";
    EXPECT_EQ(verify(token), TokenVerdict::wrong_audience);
    expected.audience = "";
    EXPECT_EQ(verify(token), TokenVerdict::wrong_audience);
    expected = {"registry.example.org", "longshore", kNow, 0};
    EXPECT_EQ(verify(token), TokenVerdict::wrong_issuer);
}

TEST_F(Token, KeysRotate) {
    auto next = SigningKey::generate();
    ASSERT_TRUE(next);
    const auto old = *sign_token(key, "2026-11", usual_claims());
    const auto fresh = *sign_token(*next, "2026-12", usual_claims());
    EXPECT_EQ(verify(fresh), TokenVerdict::unknown_key);
    ASSERT_TRUE(keys.add("2026-12", next->public_key()));
    EXPECT_EQ(verify(fresh), TokenVerdict::good);
    EXPECT_EQ(verify(old), TokenVerdict::good);
    // An id belongs to its key.
    EXPECT_EQ(verify(*sign_token(*next, "2026-11", usual_claims())),
              TokenVerdict::bad_signature);
    EXPECT_TRUE(keys.remove("2026-11"));
    EXPECT_FALSE(keys.remove("2026-11"));
    EXPECT_EQ(verify(old), TokenVerdict::unknown_key);
    EXPECT_EQ(verify(fresh), TokenVerdict::good);
    // The same id again is another key.
    ASSERT_TRUE(keys.add("2026-12", key.public_key()));
    EXPECT_EQ(keys.size(), 1u);
    EXPECT_EQ(verify(fresh), TokenVerdict::bad_signature);
}

TEST_F(Token, KeysAreFew) {
    for (std::size_t i = keys.size(); i < kMaxTokenKeys; ++i) {
        EXPECT_TRUE(keys.add("k" + std::to_string(i), key.public_key()));
    }
    EXPECT_EQ(keys.add("more", key.public_key()).error().code, Code::too_large);
    EXPECT_TRUE(keys.add("2026-11", key.public_key()));
    for (const char* id : {"", "a b", "a\"b", "a.b", "\xc3\xa4"}) {
        EXPECT_EQ(keys.add(id, key.public_key()).error().code,
                  Code::invalid_argument);
        EXPECT_FALSE(sign_token(key, id, usual_claims()));
    }
    EXPECT_TRUE(is_key_id(std::string(kMaxTokenWord, 'k')));
    EXPECT_FALSE(is_key_id(std::string(kMaxTokenWord + 1, 'k')));
}

// The algorithm is said by our key; a header that says any other is none.
TEST_F(Token, AlgorithmIsNotForTheTokenToChoose) {
    for (const char* header :
         {R"({"alg":"none"})",
          R"({"alg":"none","kid":"2026-11","typ":"JWT"})",
          R"({"alg":"HS256","kid":"2026-11","typ":"JWT"})",
          R"({"alg":"RS256","kid":"2026-11","typ":"JWT"})",
          R"({"alg":"eddsa","kid":"2026-11","typ":"JWT"})",
          R"({"alg":"Ed25519","kid":"2026-11","typ":"JWT"})",
          R"({"alg":"EdDSA"})",
          R"({"alg":"EdDSA","typ":"JWT"})",
          R"({"alg":"EdDSA","kid":"","typ":"JWT"})",
          R"({"alg":"EdDSA","kid":"2026-11","typ":"JWT","crit":["exp"]})",
          R"({"alg":"EdDSA","kid":"2026-11","jwk":{},"typ":"JWT"})",
          R"({"alg":"EdDSA","kid":"2026-11","alg":"none","typ":"JWT"})",
          R"({"alg":"EdDSA","kid":"2026-11","typ":"jwt"})",
          R"({"alg":"EdDSA","kid":"2026-11","typ":"JWT"} )",
          R"({ "alg":"EdDSA","kid":"2026-11","typ":"JWT"})",
          R"({"kid":"2026-11","alg":"EdDSA","typ":"JWT"})",
          R"({"alg":"EdDSA","kid":"..\/2026-11","typ":"JWT"})",
          R"({"alg":"EdDSA","kid":"2026-1\u0031","typ":"JWT"})",
          "{}",
          ""}) {
        EXPECT_EQ(verify(forge(header, kPayload)), TokenVerdict::malformed)
            << header;
    }
    const auto unsigned_one = base64url_encode(R"({"alg":"none"})") + "." +
                              base64url_encode(kPayload) + ".";
    EXPECT_EQ(verify(unsigned_one), TokenVerdict::malformed);
    EXPECT_EQ(verify(base64url_encode(kHeader) + "." +
                     base64url_encode(kPayload) + "."),
              TokenVerdict::malformed);
}

TEST_F(Token, KeyIdIsBoundedAndKnown) {
    auto with = [&](const std::string& id) {
        return forge(R"({"alg":"EdDSA","kid":")" + id + R"(","typ":"JWT"})",
                     kPayload);
    };
    EXPECT_EQ(verify(with("2026-11")), TokenVerdict::good);
    EXPECT_EQ(verify(with("2026-1")), TokenVerdict::unknown_key);
    EXPECT_EQ(verify(with(std::string(kMaxTokenWord, 'k'))),
              TokenVerdict::unknown_key);
    EXPECT_EQ(verify(with(std::string(kMaxTokenWord + 1, 'k'))),
              TokenVerdict::malformed);
    EXPECT_EQ(verify(with(std::string(4000, 'k'))), TokenVerdict::malformed);
}

TEST_F(Token, OfAnotherKeyOrTextIsNotSigned) {
    auto token = forge(kHeader, kPayload);
    auto other = *SigningKey::generate();
    EXPECT_EQ(verify(*sign_token(other, "2026-11", usual_claims())),
              TokenVerdict::bad_signature);
    // The signature of one token under another's claims.
    auto claims = usual_claims();
    claims.access[0].actions.push_back("delete");
    auto wider = *sign_token(other, "2026-11", claims);
    wider.replace(wider.rfind('.'), std::string::npos,
                  token.substr(token.rfind('.')));
    EXPECT_EQ(verify(wider), TokenVerdict::bad_signature);
}

TEST_F(Token, EveryCharacterCounts) {
    const auto token = forge(kHeader, kPayload);
    ASSERT_EQ(verify(token), TokenVerdict::good);
    for (std::size_t i = 0; i < token.size(); ++i) {
        auto other = token;
        other[i] = other[i] == 'A' ? 'B' : 'A';
        EXPECT_NE(verify(other), TokenVerdict::good) << "changed at " << i;
        EXPECT_NE(verify(token.substr(0, i)), TokenVerdict::good)
            << "cut at " << i;
        EXPECT_NE(verify(std::string(token).insert(i, 1, 'A')),
                  TokenVerdict::good)
            << "longer at " << i;
        EXPECT_NE(verify(std::string(token).erase(i, 1)), TokenVerdict::good)
            << "shorter at " << i;
    }
    for (const char* more : {"A", "=", "==", ".", ".AA", " ", "\n"}) {
        EXPECT_EQ(verify(token + more), TokenVerdict::malformed) << more;
    }
    EXPECT_EQ(verify(token + std::string(1, '\0')), TokenVerdict::malformed);
    EXPECT_EQ(verify(" " + token), TokenVerdict::malformed);
    EXPECT_EQ(verify(std::string(token).insert(token.rfind('.'), ".AAAA")),
              TokenVerdict::malformed);
}

TEST_F(Token, Base64UrlHasOneSpelling) {
    const auto token = forge(kHeader, kPayload);
    // The last character of a signature has four bits to spare: of sixteen
    // spellings one is right.
    const std::string alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const auto place = alphabet.find(token.back());
    ASSERT_EQ(place % 16, 0u);
    for (std::size_t spare = 1; spare < 16; ++spare) {
        auto other = token;
        other.back() = alphabet[place + spare];
        EXPECT_EQ(verify(other), TokenVerdict::malformed) << spare;
    }
    // Padding, and bits to spare in the other parts, signed as they are.
    const auto header = base64url_encode(kHeader);
    const auto payload = base64url_encode(kPayload);
    EXPECT_EQ(verify(sign_parts(header + "=", payload)),
              TokenVerdict::malformed);
    EXPECT_EQ(verify(sign_parts(header, payload + "=")),
              TokenVerdict::malformed);
    EXPECT_EQ(verify(sign_parts(header, payload + "\n")),
              TokenVerdict::malformed);
    EXPECT_EQ(verify(sign_parts(header, "")), TokenVerdict::malformed);
    EXPECT_EQ(verify(sign_parts("", payload)), TokenVerdict::malformed);
    EXPECT_EQ(verify(sign_parts(header, payload + "A")),
              TokenVerdict::malformed);
    EXPECT_EQ(verify(sign_parts(header + "." + header, payload)),
              TokenVerdict::malformed);
}

// Signed by us, but not as we write.
TEST_F(Token, PayloadOfAnotherFormIsRefused) {
    const std::string good(kPayload);
    auto swapped = [&](std::string_view from, std::string_view to) {
        auto other = good;
        other.replace(other.find(from), from.size(), to);
        EXPECT_NE(other, good);
        return other;
    };
    const std::string wrong[] = {
        "",
        "{}",
        "[]",
        "null",
        good + " ",
        " " + good,
        good + good,
        good.substr(0, good.size() - 1),
        good + "}",
        swapped(R"("sub":"alice",)", ""),
        swapped(R"("sub":"alice",)", R"("sub":"alice","sub":"root",)"),
        swapped(R"("sub":"alice",)", R"("sub":"alice","admin":true,)"),
        swapped(R"("sub":"alice")", R"("sub": "alice")"),
        swapped(R"("sub":"alice")", R"("sub":null)"),
        swapped(R"("sub":"alice")", R"("sub":["alice"])"),
        swapped(R"("sub":"alice")", R"("sub":"al\u0069ce")"),
        swapped(R"("sub":"alice")", "\"sub\":\"al\nice\""),
        swapped(R"("sub":"alice")", "\"sub\":\"\xc3\xa4\""),
        swapped(R"("sub":"alice")", std::string("\"sub\":\"a\0b\"", 11)),
        swapped(R"("sub")", R"("Sub")"),
        swapped(R"("iss":"registry.example")", R"("iss":"")"),
        swapped(R"("aud":"longshore")", R"("aud":["longshore"])"),
        swapped(R"("jti":"id-1")", R"("jti":"")"),
        swapped("1800000300", "1800000300.0"),
        swapped("1800000300", "18000003e2"),
        swapped("1800000300", "01800000300"),
        swapped("1800000300", "+1800000300"),
        swapped("1800000300", "-1"),
        swapped("1800000300", R"("1800000300")"),
        swapped("1800000300", ""),
        swapped("1800000300", "253402300800"),
        swapped("1800000300", "9223372036854775808"),
        swapped("1800000300", std::string(200, '9')),
        swapped("1800000300", "1800000000"),
        swapped(R"("iat":1800000000)", R"("iat":1800000300)"),
        swapped(R"("nbf":1800000000)", R"("nbf":1800000300)"),
        swapped(R"("actions":["pull","push"])", R"("actions":["pull",])"),
        swapped(R"("actions":["pull","push"])", R"("actions":[,"pull"])"),
        swapped(R"("actions":["pull","push"])", R"("actions":["pull"],)"),
        swapped(R"("actions":["pull","push"])", R"("actions":"pull")"),
        swapped(R"("actions":["pull","push"])", R"("actions":[""])"),
        swapped(R"("type":"repository")", R"("type":"")"),
        swapped(R"("type":"repository")", R"("type":"repository","type":"x")"),
        swapped(R"("name":"library/alpine")", R"("name":"")"),
        swapped("]},{", "]}{"),
        swapped(R"("actions":[]})", R"("actions":[]},)"),
    };
    for (const auto& payload : wrong) {
        EXPECT_EQ(verify(forge(kHeader, payload)), TokenVerdict::malformed)
            << payload;
        EXPECT_FALSE(read_claims(payload, view)) << payload;
    }
    EXPECT_EQ(verify(forge(kHeader, good)), TokenVerdict::good);
}

// What write_claims() refuses to write is refused when it comes.
TEST_F(Token, ReaderKnowsTheLimitsToo) {
    const auto repeated = [](std::string_view text, std::size_t count) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i) {
            out += (i == 0 ? "" : ",") + std::string(text);
        }
        return out;
    };
    const auto payload = [](std::size_t text, std::size_t word,
                            const std::string& access) {
        return R"({"iss":"i","sub":")" + std::string(text, 's') +
               R"(","aud":"a","exp":2,"nbf":1,"iat":1,"jti":")" +
               std::string(word, 'j') + R"(","access":[)" + access + "]}";
    };
    const auto access = [&](std::size_t actions) {
        return R"({"type":"t","name":"n","actions":[)" +
               repeated(R"("a")", actions) + "]}";
    };
    EXPECT_TRUE(read_claims(
        payload(kMaxTokenText, kMaxTokenWord,
                repeated(access(kMaxTokenActions), kMaxTokenAccess)),
        view));
    EXPECT_FALSE(read_claims(payload(kMaxTokenText + 1, 1, ""), view));
    EXPECT_FALSE(read_claims(payload(1, kMaxTokenWord + 1, ""), view));
    EXPECT_FALSE(
        read_claims(payload(1, 1, access(kMaxTokenActions + 1)), view));
    EXPECT_FALSE(read_claims(
        payload(1, 1, repeated(access(1), kMaxTokenAccess + 1)), view));
}

TEST_F(Token, EveryCutPayloadIsRefused) {
    for (std::size_t size = 0; size < kPayload.size(); ++size) {
        EXPECT_FALSE(read_claims(kPayload.substr(0, size), view)) << size;
    }
    EXPECT_TRUE(read_claims(kPayload, view));
}

TEST_F(Token, HugeOnesAreRefusedAtOnce) {
    EXPECT_EQ(verify(std::string(kMaxTokenBytes + 1, 'A')),
              TokenVerdict::malformed);
    EXPECT_EQ(verify(std::string(1 << 20, '.')), TokenVerdict::malformed);
    EXPECT_EQ(verify(forge(kHeader, kPayload) + std::string(1 << 20, 'A')),
              TokenVerdict::malformed);
    // A right signature does not help.
    EXPECT_EQ(verify(forge(kHeader, std::string(1 << 20, ' '))),
              TokenVerdict::malformed);
}

TEST_F(Token, LimitsAreTheSameOnBothSides) {
    auto claims = usual_claims();
    claims.issuer = claims.subject = claims.audience =
        std::string(kMaxTokenText, 'x');
    claims.id = std::string(kMaxTokenWord, 'x');
    claims.expires = kMaxTokenTime;
    claims.not_before = claims.issued = 0;
    claims.access.assign(
        kMaxTokenAccess,
        {"repository", "a", std::vector<std::string>(1, "pull")});
    claims.access[0] = {std::string(kMaxTokenWord, 't'),
                        std::string(kMaxTokenText, 'n'),
                        std::vector<std::string>(kMaxTokenActions, "pull")};
    expected.issuer = expected.audience = claims.issuer;
    auto token = sign_token(key, "2026-11", claims);
    ASSERT_TRUE(token);
    EXPECT_EQ(verify(*token), TokenVerdict::good);

    const auto longer = [&](auto change) {
        auto other = claims;
        change(other);
        auto signed_one = sign_token(key, "2026-11", other);
        EXPECT_FALSE(signed_one);
        return signed_one ? Code::internal : signed_one.error().code;
    };
    using Claims = TokenClaims;
    EXPECT_EQ(longer([](Claims& c) { c.issuer += 'x'; }),
              Code::invalid_argument);
    EXPECT_EQ(longer([](Claims& c) { c.subject += 'x'; }),
              Code::invalid_argument);
    EXPECT_EQ(longer([](Claims& c) { c.audience += 'x'; }),
              Code::invalid_argument);
    EXPECT_EQ(longer([](Claims& c) { c.id += 'x'; }), Code::invalid_argument);
    EXPECT_EQ(longer([](Claims& c) { c.expires += 1; }),
              Code::invalid_argument);
    EXPECT_EQ(longer([](Claims& c) { c.access[0].name += 'x'; }),
              Code::invalid_argument);
    EXPECT_EQ(longer([](Claims& c) { c.access[0].type += 'x'; }),
              Code::invalid_argument);
    EXPECT_EQ(longer([](Claims& c) { c.access[0].actions[0] = ""; }),
              Code::invalid_argument);
    EXPECT_EQ(longer([](Claims& c) { c.access[0].actions.push_back("x"); }),
              Code::too_large);
    EXPECT_EQ(longer([](Claims& c) { c.access.push_back(c.access[0]); }),
              Code::too_large);
    EXPECT_EQ(
        longer([](Claims& c) {
            c.access.assign(
                kMaxTokenAccess,
                {"repository", std::string(kMaxTokenText, 'n'), {"pull"}});
        }),
        Code::too_large);
}

TEST_F(Token, NothingIsSignedThatWouldHaveToBeEscaped) {
    for (const char* text : {"a\"b", "a\\b", "a\nb", "\x7f", "\xc3\xa4"}) {
        auto claims = usual_claims();
        claims.subject = text;
        EXPECT_EQ(write_claims(claims).error().code, Code::invalid_argument);
        claims = usual_claims();
        claims.access[0].name = text;
        EXPECT_EQ(write_claims(claims).error().code, Code::invalid_argument);
    }
    auto claims = usual_claims();
    claims.expires = claims.not_before;
    EXPECT_FALSE(write_claims(claims));
    claims = usual_claims();
    claims.issued = -1;
    EXPECT_FALSE(write_claims(claims));
}

TEST(TokenVerdicts, HaveNames) {
    EXPECT_EQ(verdict_name(TokenVerdict::good), "good");
    EXPECT_EQ(verdict_name(TokenVerdict::not_yet_valid), "not_yet_valid");
    EXPECT_EQ(verdict_name(TokenVerdict::bad_signature), "bad_signature");
}

}  // namespace
}  // namespace longshore
