// Conditions on claims, insertion into patterns, the reader of tokens, of key
// sets and of discovery; addresses that a fetch may go to.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auth/claim_rule.hpp"
#include "auth/external_tokens.hpp"
#include "auth/issuers.hpp"
#include "auth/jwt.hpp"
#include "auth/key_set.hpp"
#include "auth/strict_json.hpp"
#include "common/encoding.hpp"
#include "upstream/fetch.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

// The shapes that the vendors document.
const Json kGitHub = Json::parse(R"({
    "iss": "https://token.actions.githubusercontent.com",
    "sub": "repo:acme/app:ref:refs/heads/main",
    "aud": "registry.test", "ref": "refs/heads/main", "ref_type": "branch",
    "repository": "acme/app", "repository_owner": "acme",
    "repository_id": "74", "run_number": "10",
    "job_workflow_ref": "acme/ci/.github/workflows/b.yml@refs/heads/main"})");
const Json kGitLab = Json::parse(R"({
    "iss": "https://gitlab.example.com",
    "sub": "project_path:acme/tools/app:ref_type:branch:ref:main",
    "namespace_path": "acme/tools", "project_path": "acme/tools/app",
    "ref_protected": "true", "project_id": "22", "ref": "main",
    "user_access_level": "developer", "groups_direct": ["acme", "ops/all"]})");
const Json kKubernetes = Json::parse(R"({
    "iss": "https://kubernetes.default.svc.cluster.local",
    "sub": "system:serviceaccount:ci:builder", "aud": ["registry.test"],
    "kubernetes.io": {"namespace": "ci", "pod": {"name": "b-1", "uid": "5"},
                      "serviceaccount": {"name": "builder", "uid": "6"}}})");

bool holds(std::string_view condition, const Json& claims) {
    auto parsed = Condition::parse(condition);
    EXPECT_TRUE(parsed) << condition;
    return parsed && parsed->holds(claims);
}

TEST(Claims, Conditions) {
    struct Row {
        std::string_view condition;
        const Json& claims;
        bool holds;
    };
    const Json odd = Json::parse(R"({
        "a": {"b.c": {"d": 1}, "b": {"c": {"d": 2}}}, "a.b": "x",
        "yes": true, "minus": -3, "none": null, "list": [1, "two", {"k": 1}],
        "empty": "", "deep": {"list": ["in"]}, "half": 0.5, "e=f": "x"})");
    const std::vector<Row> rows = {
        {"repository=acme/app", kGitHub, true},
        {"repository=acme/*", kGitHub, true},
        {"repository=acme/ap", kGitHub, false},
        {"repository=acme", kGitHub, false},
        {"repository=*", kGitHub, false},
        {"repository=**", kGitHub, true},
        {"repository=Acme/app", kGitHub, false},
        {"repository_owner=acm", kGitHub, false},
        {"ref=refs/heads/*", kGitHub, true},
        {"ref=refs/tags/*", kGitHub, false},
        {"sub=repo:acme/app:ref:**", kGitHub, true},
        {"sub=repo:acme/*:ref:refs/heads/main", kGitHub, true},
        {"run_number=10", kGitHub, true},
        {"job_workflow_ref=acme/ci/**@refs/heads/main", kGitHub, true},
        {"missing=*", kGitHub, false},
        {"missing=**", kGitHub, false},
        {"project_path=acme/*", kGitLab, false},
        {"project_path=acme/**", kGitLab, true},
        {"namespace_path=acme/tools", kGitLab, true},
        {"ref_protected=true", kGitLab, true},
        {"groups_direct=acme", kGitLab, true},
        {"groups_direct=ops/*", kGitLab, true},
        {"groups_direct=ops", kGitLab, false},
        {"sub=system:serviceaccount:ci:builder", kKubernetes, true},
        {"sub=system:serviceaccount:ci:*", kKubernetes, true},
        {"sub=system:serviceaccount:prod:*", kKubernetes, false},
        {"kubernetes.io.namespace=ci", kKubernetes, true},
        {"kubernetes.io.namespace=c", kKubernetes, false},
        {"kubernetes.io.serviceaccount.name=builder", kKubernetes, true},
        {"kubernetes.io=*", kKubernetes, false},  // an object is no text
        {"kubernetes.io.pod.name.x=*", kKubernetes, false},
        {"kubernetes=**", kKubernetes, false},
        {"a.b.c.d=**", odd, false},  // "a.b" is the longest name, and a text
        {"a.b=x", odd, true},
        {"yes=true", odd, true},
        {"yes=1", odd, false},
        {"minus=-3", odd, true},
        {"none=**", odd, false},
        {"list=1", odd, true},
        {"list=two", odd, true},
        {"list=k", odd, false},
        {"empty=*", odd, true},
        {"deep.list=in", odd, true},
        {"half=**", odd, false},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(holds(row.condition, row.claims), row.holds) << row.condition;
    }
    for (std::string_view bad :
         {"", "=", "a", "a=", "=b", "a.=b", "a=***", "{a}=b", "a*=b", ".=b"}) {
        EXPECT_FALSE(Condition::parse(bad)) << bad;
    }
    EXPECT_FALSE(Condition::parse("a=b\nc=d"));
    EXPECT_FALSE(Condition::parse("a=" + std::string(2000, 'b')));
    Json long_value = {{"a", std::string(2000, 'b')}};
    EXPECT_FALSE(holds("a=**", long_value));
}

TEST(Claims, AHardPatternDoesNotTakeLong) {
    std::string pattern;
    for (int i = 0; i < 250; ++i) {
        pattern += "*a";
    }
    EXPECT_FALSE(text_matches(pattern + "b", std::string(1000, 'a')));
    EXPECT_TRUE(text_matches(pattern, std::string(1000, 'a')));
}

TEST(Claims, Insertion) {
    struct Row {
        std::string_view pattern;
        const Json& claims;
        std::string_view made;  // "" for nothing
    };
    const Json odd = Json::parse(R"({
        "star": "*", "stars": "a/**", "dots": "..", "up": "../x", "caps": "A",
        "slash": "a/b", "edge": "/a", "end": "a/", "empty": "", "list": ["a"],
        "n": 7, "brace": "{n}", "space": "a b", "name": "ok-1.x_y",
        "long": ")" + std::string(300, 'a') +
                                 R"("})");
    const std::vector<Row> rows = {
        {"ci/{namespace_path}/**", kGitLab, ""},
        {"ci/{**namespace_path}/**", kGitLab, "ci/acme/tools/**"},
        {"{**project_path}", kGitLab, "acme/tools/app"},
        {"ci/{project_id}/x", kGitLab, "ci/22/x"},
        {"{repository_owner}/**", kGitHub, "acme/**"},
        {"{repository}", kGitHub, ""},
        {"{**repository}", kGitHub, "acme/app"},
        {"k8s/{kubernetes.io.namespace}/*", kKubernetes, "k8s/ci/*"},
        {"x/{star}", odd, ""},
        {"x/{stars}", odd, ""},
        {"x/{**stars}", odd, ""},
        {"x/{dots}", odd, ""},
        {"x/{**up}", odd, ""},
        {"x/{caps}", odd, ""},
        {"x/{slash}/y", odd, ""},
        {"x/{**slash}/y", odd, "x/a/b/y"},
        {"x/{**edge}", odd, ""},
        {"x/{**end}", odd, ""},
        {"x/{empty}", odd, ""},
        {"x/{list}", odd, ""},
        {"x/{brace}", odd, ""},
        {"x/{space}", odd, ""},
        {"x/{long}", odd, ""},
        {"x/{missing}", odd, ""},
        {"x/{n}", odd, "x/7"},
        {"x/{name}/{n}", odd, "x/ok-1.x_y/7"},
        {"plain/**", odd, "plain/**"},
    };
    for (const auto& row : rows) {
        auto parsed = ClaimPattern::parse(row.pattern);
        ASSERT_TRUE(parsed) << row.pattern;
        auto made = parsed->insert(row.claims);
        EXPECT_EQ(made ? made->text() : "", row.made) << row.pattern;
    }
    // Two claims side by side, or two of any length, could be cut in two
    // ways; nobody would know whose name it is.
    for (std::string_view bad :
         {"", "{", "}", "{}", "{**}", "a{n}", "{n}a", "{n}{n}", "{**a}/{**b}",
          "a/{n", "{a*}", "/{n}", "{n}/", "a//{n}", "{{n}}", "A/{n}", "{n}/***",
          "{a b}"}) {
        EXPECT_FALSE(ClaimPattern::parse(bad)) << bad;
    }
}

TEST(Claims, OpenIssuersNeedAnOwner) {
    auto check = [](std::string_view url,
                    const std::vector<std::string_view>& texts) {
        std::vector<Condition> conditions;
        for (auto text : texts) {
            conditions.push_back(*Condition::parse(text));
        }
        return static_cast<bool>(check_conditions(url, conditions));
    };
    constexpr std::string_view kHub =
        "https://token.actions.githubusercontent.com";
    EXPECT_FALSE(check(kHub, {}));
    EXPECT_FALSE(check(kHub, {"ref=refs/heads/main"}));
    EXPECT_FALSE(check(kHub, {"repository=**"}));
    EXPECT_FALSE(check(kHub, {"repository=acme*/app"}));
    EXPECT_FALSE(check(kHub, {"sub=repo:*/app:**"}));
    EXPECT_FALSE(check(kHub, {"sub=**"}));
    EXPECT_TRUE(check(kHub, {"repository=acme/*"}));
    EXPECT_TRUE(check(kHub, {"ref=x", "repository_owner=acme"}));
    EXPECT_TRUE(check(kHub, {"sub=repo:acme/**"}));
    EXPECT_FALSE(check(std::string(kHub) + "/acme", {"ref=x"}));
    EXPECT_FALSE(check("https://gitlab.com", {"ref_protected=true"}));
    EXPECT_TRUE(check("https://gitlab.com", {"namespace_path=acme"}));
    EXPECT_TRUE(check("https://gitlab.example.com", {"ref=main"}));
    EXPECT_FALSE(check("https://gitlab.example.com", {}));
}

std::string make_jwt(std::string_view header, std::string_view payload) {
    return base64url_encode(header) + "." + base64url_encode(payload) + ".AAAA";
}

TEST(Jwt, ReadsTheForm) {
    constexpr std::string_view kHeader = R"({"alg":"RS256","kid":"k"})";
    constexpr std::string_view kClaims = R"({"iss":"https://i"})";
    auto good = read_jwt(make_jwt(kHeader, kClaims));
    ASSERT_TRUE(good);
    EXPECT_EQ(good->key_id, "k");
    EXPECT_EQ(good->issuer, "https://i");
    EXPECT_EQ(good->signature, std::string(3, '\0'));
    for (std::string_view header :
         {R"({"alg":"none","kid":"k"})", R"({"alg":"HS256","kid":"k"})",
          R"({"alg":"rs256","kid":"k"})", R"({"alg":"PS256","kid":"k"})",
          R"({"alg":["RS256"],"kid":"k"})", R"({"kid":"k"})",
          R"({"alg":"RS256"})", R"({"alg":"RS256","kid":""})",
          R"({"alg":"RS256","kid":1})",
          R"({"alg":"RS256","kid":"k","crit":["b64"]})",
          R"({"alg":"RS256","kid":"k","typ":"at+jwt"})",
          R"({"alg":"RS256","kid":"k","typ":1})",
          R"({"alg":"RS256","kid":"k","cty":"JWT"})",
          R"({"alg":"RS256","kid":"k","enc":"A128GCM"})",
          R"({"alg":"none","alg":"RS256","kid":"k"})", R"(["RS256"])", "",
          R"({"alg":"RS256","kid":"k"}x)"}) {
        EXPECT_FALSE(read_jwt(make_jwt(header, kClaims))) << header;
    }
    for (std::string_view claims :
         {R"({})", R"({"iss":1})", R"({"iss":"a","iss":"https://i"})",
          R"({"iss":"https://i","x":[[[[[[[[[[[[[]]]]]]]]]]]]]})", "null"}) {
        EXPECT_FALSE(read_jwt(make_jwt(kHeader, claims))) << claims;
    }
    for (std::string_view text : {"", ".", "..", "...", "a.b.c", "eyJ.eyJ.a"}) {
        EXPECT_FALSE(read_jwt(text)) << text;
    }
    auto token = make_jwt(kHeader, kClaims);
    EXPECT_FALSE(read_jwt(token + "="));
    EXPECT_FALSE(read_jwt(token + ".AAAA"));
    EXPECT_FALSE(read_jwt(token.substr(0, token.size() - 4)));
    EXPECT_FALSE(read_jwt(make_jwt(
        kHeader, R"({"iss":"i","x":")" + std::string(20'000, 'a') + R"("})")));
}

TEST(Jwt, ChecksClaims) {
    const JwtExpected expected = {"https://i", {"me", "us"}, 30, 3600, 10'000};
    const Json good = {{"iss", "https://i"}, {"aud", "me"},   {"sub", "s"},
                       {"exp", 10'100},      {"nbf", 10'000}, {"iat", 10'000}};
    auto taken = [&](const char* name, const Json& value) {
        auto claims = good;
        value.is_null() ? static_cast<void>(claims.erase(name))
                        : static_cast<void>(claims[name] = value);
        return static_cast<bool>(check_claims(claims, expected));
    };
    EXPECT_TRUE(check_claims(good, expected));
    EXPECT_TRUE(taken("nbf", nullptr));
    EXPECT_TRUE(taken("iat", nullptr));
    EXPECT_TRUE(taken("aud", {"you", "me"}));
    EXPECT_TRUE(taken("aud", "us"));
    EXPECT_TRUE(taken("aud", {"you", "us"}));
    EXPECT_TRUE(taken("aud", {"me", "us"}));
    EXPECT_TRUE(taken("exp", 9971));
    EXPECT_TRUE(taken("exp", 10'100.5));
    EXPECT_TRUE(taken("nbf", 10'030));
    EXPECT_TRUE(taken("exp", 13'600));
    for (const auto& [name, value] :
         std::vector<std::pair<const char*, Json>>{{"iss", "https://i/"},
                                                   {"iss", nullptr},
                                                   {"iss", {"https://i"}},
                                                   {"aud", "you"},
                                                   {"aud", nullptr},
                                                   {"aud", ""},
                                                   {"aud", "me me"},
                                                   {"aud", "me us"},
                                                   {"aud", "m"},
                                                   {"aud", {"you"}},
                                                   {"aud", {"me", 1}},
                                                   {"aud", Json::array()},
                                                   {"aud", {{"me", "me"}}},
                                                   {"sub", nullptr},
                                                   {"sub", ""},
                                                   {"sub", 7},
                                                   {"exp", nullptr},
                                                   {"exp", "10100"},
                                                   {"exp", 9970},
                                                   {"exp", 0},
                                                   {"exp", -1},
                                                   {"exp", 1e300},
                                                   {"exp", 13'601},
                                                   {"exp", UINT64_MAX},
                                                   {"nbf", 10'031},
                                                   {"nbf", "x"},
                                                   {"iat", 10'031},
                                                   {"iat", true}}) {
        EXPECT_FALSE(taken(name, value)) << name << " " << value;
    }
    // Not young any more, and made for longer than is accepted.
    auto old = good;
    old["iat"] = 5000;
    EXPECT_FALSE(check_claims(old, expected));
}

// Of RFC 8037 appendix A.2, RFC 7517 appendix A.1.
constexpr std::string_view kEd25519 =
    R"({"kty":"OKP","crv":"Ed25519","kid":"e",)"
    R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr std::string_view kP256 =
    R"({"kty":"EC","crv":"P-256","kid":"p",)"
    R"("x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
    R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})";

std::string changed(std::string_view key, std::string_view member,
                    const Json& value) {
    auto jwk = Json::parse(key);
    jwk[std::string(member)] = value;
    return jwk.dump();
}

bool usable(const std::string& keys) {
    return static_cast<bool>(KeySet::parse(R"({"keys":[)" + keys + "]}"));
}

TEST(KeySets, WhatIsTaken) {
    auto set =
        KeySet::parse(R"({"keys":[)" + std::string(kEd25519) + "," +
                      std::string(kP256) + R"(,{"kty":"new","kid":"n"}]})");
    ASSERT_TRUE(set);
    EXPECT_EQ(set->keys().size(), 2U);
    EXPECT_EQ(set->verify("n", JwsAlgorithm::eddsa, "m", "s"),
              KeyAnswer::no_such_key);
    EXPECT_EQ(set->verify("e", JwsAlgorithm::rs256, "m", "s"),
              KeyAnswer::wrong_key);
    EXPECT_EQ(set->verify("e", JwsAlgorithm::eddsa, "m", "s"),
              KeyAnswer::bad_signature);
    EXPECT_EQ(set->verify("p", JwsAlgorithm::es256, "m", std::string(64, 0)),
              KeyAnswer::bad_signature);
    // RFC 8037 appendix A.4.
    std::string signature(66, '\0');
    auto size = base64url_decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt"
        "9g7sVvpAr_MuM0KAg",
        signature.data());
    ASSERT_EQ(size, 64U);
    signature.resize(64);
    EXPECT_EQ(
        set->verify("e", JwsAlgorithm::eddsa,
                    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
                    signature),
        KeyAnswer::good);
}

TEST(KeySets, WhatIsNot) {
    EXPECT_TRUE(usable(std::string(kEd25519)));
    EXPECT_TRUE(usable(std::string(kP256)));
    for (const auto& [member, value] :
         std::vector<std::pair<std::string_view, Json>>{
             {"kid", ""},
             {"kid", 1},
             {"kid", std::string(300, 'k')},
             {"use", "enc"},
             {"alg", "HS256"},
             {"alg", "RS256"},
             {"key_ops", {"sign"}},
             {"key_ops", "verify"},
             {"kty", "oct"},
             {"kty", "RSA"},
             {"crv", "P-384"},
             {"d", "AA"},
             {"x", "AA"},
             {"x", nullptr},
             {"x", "=="}}) {
        EXPECT_FALSE(usable(changed(kEd25519, member, value))) << member;
        EXPECT_FALSE(usable(changed(kP256, member, value))) << member;
    }
    // No point of the curve.
    EXPECT_FALSE(usable(
        changed(kP256, "y", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyA")));
    // RSA that is short, even, or has a bad exponent.
    auto rsa = [](std::size_t bytes, char last, std::string_view e) {
        std::string n(bytes, '\xff');
        n.back() = last;
        return Json({{"kty", "RSA"},
                     {"kid", "r"},
                     {"n", base64url_encode(n)},
                     {"e", base64url_encode(e)}})
            .dump();
    };
    EXPECT_FALSE(usable(rsa(128, '\x0d', "\x01\x00\x01")));
    EXPECT_FALSE(usable(rsa(255, '\x0d', "\x03")));
    EXPECT_FALSE(usable(rsa(256, '\x0c', "\x03")));
    EXPECT_FALSE(usable(rsa(2049, '\x0d', "\x03")));
    EXPECT_FALSE(usable(rsa(256, '\x0d', "\x01")));
    EXPECT_FALSE(usable(rsa(256, '\x0d', "\x02")));
    EXPECT_FALSE(usable(rsa(256, '\x0d', std::string(5, '\x03'))));
    for (std::string_view text :
         {"", "{}", "[]", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[1]})",
          R"({"keys":[],"keys":[]})"}) {
        EXPECT_FALSE(KeySet::parse(text)) << text;
    }
    std::string many;
    for (int i = 0; i < 257; ++i) {
        many += (many.empty() ? "" : ",") + std::string(kEd25519);
    }
    EXPECT_FALSE(usable(many));
    EXPECT_FALSE(KeySet::parse(std::string(600'000, ' ') + "{}"));
}

TEST(Discovery, SaysWhereKeysAre) {
    EXPECT_EQ(discovery_url("https://i/a/"),
              "https://i/a/.well-known/openid-configuration");
    auto read = [](const char* text) {
        return read_discovery(text, "https://i");
    };
    EXPECT_EQ(*read(R"({"issuer":"https://i","jwks_uri":"https://k/x?y=1"})"),
              "https://k/x?y=1");
    EXPECT_FALSE(read(R"({"issuer":"https://j","jwks_uri":"https://k"})"));
    EXPECT_FALSE(read(R"({"issuer":"https://i"})"));
    EXPECT_FALSE(read(R"({"issuer":"https://i","jwks_uri":"http://k"})"));
    EXPECT_FALSE(read(R"({"issuer":"https://i","jwks_uri":"file:///x"})"));
    EXPECT_FALSE(read(R"({"issuer":"https://i","jwks_uri":["https://k"]})"));
    EXPECT_FALSE(read("<html>"));
}

TEST(IssuerUrls, WhatMayBe) {
    for (std::string_view good :
         {"https://a", "https://a.b/c/d", "https://a:8443/x",
          "http://127.0.0.1:80/x", "http://localhost", "http://[::1]:1/"}) {
        EXPECT_TRUE(check_issuer_url(good, false)) << good;
    }
    for (std::string_view bad :
         {"", "https://", "a", "http://a", "http://127.0.0.1.evil/",
          "http://localhost.evil", "https://u@a", "https://a?x", "https://a#x",
          "https://a b", "ftp://a", "HTTPS://a", "https:///x",
          "http://[::2]/"}) {
        EXPECT_FALSE(check_issuer_url(bad, false)) << bad;
    }
    EXPECT_TRUE(check_issuer_url("https://a?x", true));
}

bool reaches(const char* text, Reach reach) {
    sockaddr_storage storage{};
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    if (::inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        storage.ss_family = AF_INET;
    } else if (::inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        storage.ss_family = AF_INET6;
    }
    return may_reach(*reinterpret_cast<sockaddr*>(&storage), reach);
}

TEST(Addresses, Reach) {
    for (const char* world :
         {"1.1.1.1", "140.82.112.3", "172.15.0.1", "172.32.0.1", "192.169.0.1",
          "100.128.0.1", "223.255.255.255", "2606:4700::1111", "2a00::1",
          "64:ff9b::101:101", "::ffff:1.1.1.1"}) {
        EXPECT_TRUE(reaches(world, Reach::world)) << world;
        EXPECT_FALSE(reaches(world, Reach::loopback)) << world;
        EXPECT_TRUE(reaches(world, Reach::any)) << world;
    }
    for (const char* inside : {"0.0.0.0",         "10.1.2.3",
                               "100.64.0.1",      "169.254.169.254",
                               "172.16.0.1",      "172.31.255.255",
                               "192.168.1.1",     "192.0.0.1",
                               "198.18.0.1",      "224.0.0.1",
                               "255.255.255.255", "fe80::1",
                               "fd00::1",         "::",
                               "::ffff:10.0.0.1", "64:ff9b::a00:1",
                               "2002:a00:1::",    "2001::1",
                               "ff02::1",         "::10.0.0.1"}) {
        EXPECT_FALSE(reaches(inside, Reach::world)) << inside;
        EXPECT_FALSE(reaches(inside, Reach::loopback)) << inside;
        EXPECT_TRUE(reaches(inside, Reach::any)) << inside;
    }
    for (const char* here :
         {"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"}) {
        EXPECT_FALSE(reaches(here, Reach::world)) << here;
        EXPECT_TRUE(reaches(here, Reach::loopback)) << here;
    }
    EXPECT_FALSE(may_reach(sockaddr{}, Reach::any));
    EXPECT_EQ(reach_of("https://127.0.0.1:1/x", false), Reach::loopback);
    EXPECT_EQ(reach_of("https://localhost", false), Reach::loopback);
    EXPECT_EQ(reach_of("https://localhost.evil", false), Reach::world);
    EXPECT_EQ(reach_of("https://a", false), Reach::world);
    EXPECT_EQ(reach_of("https://a", true), Reach::any);
}

// Refused before a packet is sent.
TEST(Fetch, StaysOutOfPrivateNetworks) {
    for (const char* url : {"https://10.255.255.1/", "https://127.0.0.1:9/",
                            "https://[fd00::1]/", "https://2130706433/"}) {
        auto fetched = fetch({url, "", Reach::world});
        ASSERT_FALSE(fetched);
        EXPECT_EQ(fetched.error().code, Code::denied)
            << url << fetched.error().message;
    }
    auto plain = fetch({"http://10.255.255.1/", "", Reach::any});
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().code, Code::unavailable);
}

}  // namespace
}  // namespace longshore
