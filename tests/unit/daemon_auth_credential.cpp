// The reader of credentials, scopes and forms, on good and hostile input.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "auth/credential.hpp"
#include "auth/scope.hpp"
#include "auth/secret.hpp"
#include "auth/token_service.hpp"

namespace longshore {
namespace {

std::string base64(std::string_view text) {
    static constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            auto c = i + j < text.size() ? text[i + j] : '\0';
            bits = bits << 8 | static_cast<unsigned char>(c);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            out += i + j > text.size() ? '='
                                       : kAlphabet[bits >> (18 - 6 * j) & 63];
        }
    }
    return out;
}

Credential read(std::string_view value) {
    std::vector<HeaderField> headers = {{"Accept", "*/*"},
                                        {"aUTHORIZATION", value}};
    return read_credential(headers, "");
}

CredentialKind kind(std::string_view value) {
    return read(value).kind;
}

const std::string& our_token() {
    static const std::string kText = make_secret(SecretKind::api_token)->text;
    return kText;
}

constexpr std::string_view kJws = "eyJhbGciOiJ9.eyJpc3MiOiJ9.c2ln";

TEST(Credentials, SameSecretSameCredential) {
    using enum CredentialKind;
    for (const auto& [token, wanted] :
         {std::pair(our_token(), api_token),
          std::pair(std::string(kJws), access_token)}) {
        for (const auto& value :
             {token, "Bearer " + token, "bearer  " + token + " ",
              "BEARER " + token, "Token " + token, "tOKEN " + token,
              "Basic " + base64("any:" + token),
              "basic " + base64("__token__:" + token),
              "Basic " + base64(":" + token), "Basic " + base64(token + ":"),
              " " + token + "\t"}) {
            auto credential = read(value);
            EXPECT_EQ(credential.kind, wanted) << value;
            EXPECT_EQ(credential.secret, token) << value;
            EXPECT_EQ(credential.user, "") << value;
            auto bearer = value.find("earer") == 1 || value.find("EARER") == 1;
            EXPECT_EQ(credential.bearer, bearer) << value;
        }
    }
}

TEST(Credentials, Passwords) {
    auto credential = read("Basic " + base64("alice:pa:ss wörd"));
    EXPECT_EQ(credential.kind, CredentialKind::password);
    EXPECT_EQ(credential.user, "alice");
    EXPECT_EQ(credential.secret, "pa:ss wörd");
    for (std::string_view user : {"a", "ab", "abc", "abcd"}) {
        auto encoded = base64(std::string(user) + ":secret");
        EXPECT_EQ(read("Basic " + encoded).user, user);
        auto bare = encoded.substr(0, encoded.find('='));
        EXPECT_EQ(read("Basic " + bare).user, user) << "without padding";
    }
}

TEST(Credentials, HeaderBeforeCertificate) {
    std::vector<HeaderField> none = {{"Accept", "*/*"}};
    EXPECT_EQ(read_credential(none, "").kind, CredentialKind::none);
    EXPECT_EQ(read_credential({}, "").kind, CredentialKind::none);
    auto by_certificate = read_credential(none, "ab12");
    EXPECT_EQ(by_certificate.kind, CredentialKind::certificate);
    EXPECT_EQ(by_certificate.secret, "ab12");
    std::vector<HeaderField> both = {{"Authorization", our_token()}};
    EXPECT_EQ(read_credential(both, "ab12").kind, CredentialKind::api_token);
    // A bad header is not made good by a certificate.
    std::vector<HeaderField> bad = {{"Authorization", "Basic !"}};
    EXPECT_EQ(read_credential(bad, "ab12").kind, CredentialKind::malformed);
    std::vector<HeaderField> twice = {{"Authorization", our_token()},
                                      {"authorization", our_token()}};
    EXPECT_EQ(read_credential(twice, "").kind, CredentialKind::malformed);
}

TEST(Credentials, Malformed) {
    auto upper = our_token();
    upper[0] = 'L';
    std::vector<std::string> bad = {
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic =",
        "Basic ====",
        "Basic Zg",
        "Basic " + base64("nocolon"),
        "Basic " + base64(":"),
        "Basic " + base64(":secret"),
        "Basic " + base64("user:"),
        "Basic " + base64("a:b") + "!",
        "Basic " + base64("a:b") + "=",
        "Basic " + base64("us\ner:pass"),
        "Basic " + base64("user:pa\rss"),
        "Basic " + base64(std::string("user:pa\0ss", 10)),
        "Basic a b c",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a b",
        "Bearer " + our_token() + "x",
        "Bearer " + upper,
        "Bearer eyJ.",
        "Bearer eyJ..x.y",
        "Bearer eyJa.b",
        "Bearer eyJ.b.c!",
        "Bearer " + std::string(kJws) + "\x01",
        "Digest username=\"a\"",
        "Negotiate abc",
        "Bearer\n" + our_token(),
        our_token() + ",",
        "Basic " + base64("a:b") + ", Bearer " + our_token(),
        std::string(20'000, 'a'),
        "Bearer " + std::string(20'000, '.'),
        "Bearer \xff\xfe",
        "undefined",
        "null",
        "Basic dW5kZWZpbmVk",
        make_secret(SecretKind::refresh_token)->text};
    for (const auto& value : bad) {
        EXPECT_EQ(kind(value), CredentialKind::malformed) << value;
        EXPECT_EQ(read(value).secret, "") << value;
    }
    EXPECT_TRUE(read("Bearer x").bearer);
}

TEST(Scopes, Parse) {
    std::vector<Scope> scopes;
    ASSERT_TRUE(
        parse_scopes("repository:library/a:pull,push "
                     "registry:catalog:* "
                     "repository(plugin):host:5000/x:pull  "
                     "repository:x: repository:y:pull,pull",
                     scopes));
    ASSERT_EQ(scopes.size(), 5U);
    EXPECT_EQ(scopes[0].name, "library/a");
    EXPECT_EQ(scopes[0].actions, (std::vector<std::string>{"pull", "push"}));
    EXPECT_EQ(scopes[1].type, "registry");
    EXPECT_EQ(scopes[2].type, "repository");
    EXPECT_EQ(scopes[2].name, "host:5000/x");
    EXPECT_TRUE(scopes[3].actions.empty());
    EXPECT_EQ(scopes[4].actions.size(), 1U);
}

TEST(Scopes, HostileOnesAreLeftOut) {
    for (std::string_view bad :
         {"", ":", "::", "repository", "repository:", "repository:a", ":a:pull",
          "repository::pull", "REPOSITORY:a:pull", "repository:a\"b:pull",
          "repository:a\\b:pull", "a b", "repository:\xc3\xa4:pull",
          "repository:a\x01:pull"}) {
        std::vector<Scope> scopes;
        EXPECT_TRUE(parse_scopes(bad, scopes));
        EXPECT_TRUE(scopes.empty()) << bad;
    }
    std::vector<Scope> scopes;
    EXPECT_TRUE(
        parse_scopes("repository:" + std::string(256, 'a') + ":pull", scopes));
    EXPECT_TRUE(scopes.empty());
    std::string many;
    for (int i = 0; i < 64; ++i) {
        many += "repository:a:pull ";
    }
    EXPECT_TRUE(parse_scopes(many, scopes));
    EXPECT_FALSE(parse_scopes("repository:a:pull", scopes));
}

TEST(Scopes, Challenges) {
    EXPECT_EQ(scope_text("a/b", Action::push), "repository:a/b:pull,push");
    EXPECT_EQ(scope_text("a/b", Action::remove), "repository:a/b:delete");
    EXPECT_EQ(bearer_challenge({"https://h/-/token", "registry", "s", "e"}),
              "Bearer realm=\"https://h/-/token\",service=\"registry\","
              "scope=\"s\",error=\"e\"");
    EXPECT_EQ(bearer_challenge({"r", "s", "", ""}),
              "Bearer realm=\"r\",service=\"s\"");
    EXPECT_EQ(*base_url("https", "[::1]:5000", "/a"), "https://[::1]:5000/a");
    for (std::string_view bad :
         {"", "h\"", "h h", "h/x", "h@x", "h\r\n", "h\\", "h,x", "h;x"}) {
        EXPECT_FALSE(base_url("http", bad, "")) << bad;
    }
    EXPECT_FALSE(base_url("javascript", "h", ""));
    EXPECT_FALSE(base_url("http", std::string(301, 'h'), ""));
}

TEST(Forms, Parse) {
    auto pairs = parse_form("a=1&b=x+y%2Bz&&c&d=%zz&=e&a=2");
    ASSERT_TRUE(pairs);
    std::vector<std::pair<std::string, std::string>> wanted = {
        {"a", "1"}, {"b", "x y+z"}, {"c", ""}, {"", "e"}, {"a", "2"}};
    EXPECT_EQ(*pairs, wanted);
    std::string many;
    for (int i = 0; i < 257; ++i) {
        many += "a&";
    }
    EXPECT_FALSE(parse_form(many));
}

}  // namespace
}  // namespace longshore
