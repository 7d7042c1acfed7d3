#include "common/oci_path.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace longshore {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');
constexpr std::string_view kId = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

// Owns what the views of the result point to.
struct Parsed {
    std::string target;
    std::vector<char> scratch;
    OciPath path;

    explicit Parsed(std::string text)
        : target(std::move(text)), scratch(target.size()) {
        path = parse_oci_path(target, scratch);
    }
};

void expect_path(const std::string& target, OciRoute route,
                 std::string_view name, std::string_view reference) {
    Parsed parsed(target);
    EXPECT_EQ(parsed.path.route, route) << target;
    EXPECT_EQ(parsed.path.problem, OciProblem::none) << target;
    EXPECT_EQ(parsed.path.name, name) << target;
    EXPECT_EQ(parsed.path.reference, reference) << target;
}

TEST(OciPath, Routes) {
    expect_path("/v2/", OciRoute::ping, "", "");
    expect_path("/v2", OciRoute::ping, "", "");
    expect_path("/v2/_catalog", OciRoute::catalog, "", "");
    expect_path("/v2/_oci/ext/discover", OciRoute::extensions, "", "");
    expect_path("/v2/a/_oci/ext/discover", OciRoute::extensions, "a", "");
    expect_path("/v2/a/b/tags/list", OciRoute::tags, "a/b", "");
    expect_path("/v2/a/manifests/v1.0", OciRoute::manifest, "a", "v1.0");
    expect_path("/v2/a/manifests/" + kDigest, OciRoute::manifest, "a", kDigest);
    expect_path("/v2/a/blobs/" + kDigest, OciRoute::blob, "a", kDigest);
    expect_path("/v2/a/blobs/uploads/", OciRoute::uploads, "a", "");
    expect_path("/v2/a/blobs/uploads", OciRoute::uploads, "a", "");
    expect_path("/v2/a/blobs/uploads/" + std::string(kId), OciRoute::upload,
                "a", kId);
    expect_path("/v2/a/referrers/" + kDigest, OciRoute::referrers, "a",
                kDigest);
}

TEST(OciPath, QueryIsRawAndNoPartOfThePath) {
    Parsed parsed("/v2/a/tags/list?n=5&last=%2Fb/../c");
    EXPECT_EQ(parsed.path.route, OciRoute::tags);
    EXPECT_EQ(parsed.path.name, "a");
    EXPECT_EQ(parsed.path.query, "n=5&last=%2Fb/../c");
    EXPECT_EQ(Parsed("/v2/?").path.query, "");
    EXPECT_EQ(Parsed("/v2/?a?b").path.query, "a?b");
    EXPECT_EQ(Parsed("/v2/x%3Fy/tags/list").path.problem, OciProblem::bad_name);
}

TEST(OciPath, ReservedWordsMayBeSegmentsOfAName) {
    const std::array words = {"blobs",     "manifests", "tags", "uploads",
                              "referrers", "list",      "v2",   "catalog"};
    std::vector<std::string> names;
    for (std::string a : words) {
        names.push_back(a);
        for (std::string b : words) {
            names.push_back(a + "/" + b);
            names.push_back("x/" + a + "/" + b);
            names.push_back(a + "/" + b + "/x");
        }
    }
    for (const auto& name : names) {
        auto base = "/v2/" + name;
        expect_path(base + "/tags/list", OciRoute::tags, name, "");
        expect_path(base + "/manifests/latest", OciRoute::manifest, name,
                    "latest");
        expect_path(base + "/manifests/list", OciRoute::manifest, name, "list");
        expect_path(base + "/manifests/uploads", OciRoute::manifest, name,
                    "uploads");
        expect_path(base + "/blobs/" + kDigest, OciRoute::blob, name, kDigest);
        expect_path(base + "/blobs/uploads/", OciRoute::uploads, name, "");
        expect_path(base + "/blobs/uploads/" + std::string(kId),
                    OciRoute::upload, name, kId);
        expect_path(base + "/referrers/" + kDigest, OciRoute::referrers, name,
                    kDigest);
    }
}

TEST(OciPath, WhatIsNoPathOfTheProtocol) {
    for (std::string target : {"",
                               "/",
                               "v2",
                               "v2/",
                               "/v1/",
                               "/V2/",
                               "/v2x",
                               "/v2//",
                               "/v2/a",
                               "/v2/a/",
                               "/v2/a/b/c",
                               "/v2/_catalog/",
                               "/v2/a/_catalog",
                               "/v2/tags/list",
                               "/v2//tags/list",
                               "/v2/manifests/latest",
                               "/v2//manifests/latest",
                               "/v2/blobs/uploads/",
                               "/v2//blobs/uploads/",
                               "/v2/blobs/x",
                               "/v2/referrers/x",
                               "/v2/a/tags",
                               "/v2/a/tags/list/",
                               "/v2/a/tags/lists",
                               "/v2/a/TAGS/list",
                               "/x/v2/a/tags/list",
                               "//v2/a/tags/list",
                               "/v2;/a/tags/list",
                               "/v2/_oci/ext/discover/",
                               "/v2/a/tags/list;x",
                               "/v2/a/manifests;x/latest",
                               "/v2/a/manifests/latest/"}) {
        Parsed parsed(target);
        EXPECT_EQ(parsed.path.route, OciRoute::unknown) << target;
        EXPECT_EQ(parsed.path.name, "") << target;
        EXPECT_EQ(parsed.path.reference, "") << target;
    }
}

// --- one name, many spellings ---------------------------------------------

constexpr std::string_view kName = "team/my_app-1.x";

std::string escape(char c, bool upper) {
    static constexpr std::string_view kLower = "0123456789abcdef";
    static constexpr std::string_view kUpper = "0123456789ABCDEF";
    auto byte = static_cast<unsigned char>(c);
    auto digits = upper ? kUpper : kLower;
    return {'%', digits[byte >> 4], digits[byte & 15]};
}

std::string with(std::size_t place, std::string_view text,
                 std::size_t instead_of = 0) {
    std::string name(kName);
    return name.replace(place, instead_of, text);
}

std::vector<std::string> good_spellings() {
    std::vector<std::string> list = {std::string(kName)};
    std::string all;
    for (std::size_t i = 0; i < kName.size(); ++i) {
        if (kName[i] == '/') {
            all += '/';
            continue;
        }
        list.push_back(with(i, escape(kName[i], true), 1));
        list.push_back(with(i, escape(kName[i], false), 1));
        for (std::size_t j = i + 1; j < kName.size(); ++j) {
            if (kName[j] != '/') {
                auto two = with(j, escape(kName[j], false), 1);
                list.push_back(two.replace(i, 1, escape(kName[i], true)));
            }
        }
        all += escape(kName[i], i % 2 == 0);
    }
    list.push_back(all);
    return list;
}

std::vector<std::string> bad_spellings() {
    std::vector<std::string> list;
    // What may not be put in anywhere. Two of "." or one beside "." breaks
    // the grammar too; a lone "-" or "_" makes another good name.
    const std::array inserted = {
        "%2f",       "%2F",
        "%2e%2e",    "%00",
        "%0a",       "%0d%0a",
        "%20",       "%09",
        "%5c",       "%7f",
        "%",         "%2",
        "%zz",       "%252f",
        "%25",       "%c3%a9",
        "%c0%af",    "%e2%80%8b",
        "%ef%bc%8f", "\xc3\xa9",
        "\xc0\xaf",  "\xe2\x80\x8b",
        "\xcc\x81",  "\xe2\x84\xaa",
        "\xff",      ";",
        ";x=1",      "\\",
        "//",        "/./",
        "/../",      "/%2e/",
        "/%2e%2e/",  "+",
        "*",         ":",
        "@",         "~",
        "!",         "$",
        "&",         "'",
        "(",         ",",
        "=",         "|",
        "<",         ">",
        "\"",        "`",
        "{",         "^",
        "[",         " ",
        "\t",        "\r",
        "\n",        "\x7f",
        "A",         "%41",
        "Z",         "..",
        "._",        "_.",
        ".-",        "-.",
        "___",       "-_",
    };
    for (std::string_view text : inserted) {
        for (std::size_t place :
             {std::size_t{0}, std::size_t{2}, std::size_t{4}, std::size_t{5},
              std::size_t{7}, kName.size()}) {
            list.push_back(with(place, text));
        }
    }
    for (std::size_t i = 0; i < kName.size(); ++i) {
        char c = kName[i];
        if (c >= 'a' && c <= 'z') {
            auto upper = static_cast<char>(c - 'a' + 'A');
            list.push_back(with(i, {&upper, 1}, 1));
            list.push_back(with(i, escape(upper, false), 1));
            auto twice = "%25" + escape(c, false).substr(1);
            list.push_back(with(i, twice, 1));
        }
    }
    list.insert(list.end(),
                {"team/../team/my_app-1.x", "./team/my_app-1.x",
                 "team/./my_app-1.x",       "team//my_app-1.x",
                 "/team/my_app-1.x",        "team/my_app-1.x/",
                 "team/my_app-1.x/.",       "team/my_app-1.x/..",
                 "team%2fmy_app-1.x",       "team%2Fmy_app-1.x",
                 "team\\my_app-1.x",        "team%5cmy_app-1.x",
                 "team;a=b/my_app-1.x",     "team/my_app-1.x.",
                 "team/my_app-1.x%20",      "team/my_app-1.x%00",
                 "..%2fteam/my_app-1.x",    "%2e%2e/team/my_app-1.x",
                 ".%2e/team/my_app-1.x",    "_team/my_app-1.x",
                 "-team/my_app-1.x",        "team/_my_app-1.x",
                 "team/my_app-1.x_",        "team-/my_app-1.x"});
    std::string nul(kName);
    nul[2] = '\0';
    list.push_back(nul);
    return list;
}

TEST(OciName, EveryGoodSpellingIsTheSameName) {
    auto list = good_spellings();
    EXPECT_GE(list.size(), 100u);
    for (const auto& spelling : list) {
        auto base = "/v2/" + spelling;
        expect_path(base + "/tags/list", OciRoute::tags, kName, "");
        expect_path(base + "/manifests/v1", OciRoute::manifest, kName, "v1");
        expect_path(base + "/blobs/" + kDigest, OciRoute::blob, kName, kDigest);
        expect_path(base + "/blobs/uploads/", OciRoute::uploads, kName, "");
    }
}

TEST(OciName, EveryBadSpellingIsAProblem) {
    auto list = bad_spellings();
    EXPECT_GE(list.size(), 200u);
    for (const auto& spelling : list) {
        for (const auto& rest :
             {std::string("/tags/list"), std::string("/manifests/v1"),
              "/blobs/" + kDigest, std::string("/blobs/uploads/"),
              "/referrers/" + kDigest}) {
            Parsed parsed("/v2/" + spelling + rest);
            EXPECT_NE(parsed.path.problem, OciProblem::none)
                << testing::PrintToString(spelling) << rest;
        }
    }
}

TEST(OciName, EscapedRouteWordsAreTheRoute) {
    expect_path("/%76%32/a/tags/list", OciRoute::tags, "a", "");
    expect_path("/v2/a/%74ags/lis%74", OciRoute::tags, "a", "");
    expect_path("/v2/a/manifests/%6catest", OciRoute::manifest, "a", "latest");
    expect_path("/v2/a/blobs/sha256%3A" + kDigest.substr(7), OciRoute::blob,
                "a", kDigest);
    EXPECT_EQ(Parsed("/v2/a%2Ftags%2Flist").path.problem,
              OciProblem::bad_escape);
}

TEST(OciName, Grammar) {
    for (std::string name :
         {"a", "0", "a/b/c/d/e/f", "a.b", "a_b", "a__b", "a-b", "a--b",
          "a-----b", "john/busybox", "1.2.3", "a.b_c-d__e--f"}) {
        EXPECT_TRUE(is_repository_name(name)) << name;
    }
    for (std::string name :
         {"",     "/",    "a/",       "/a",  "a//b", ".a",    "a.",
          "_a",   "a_",   "-a",       "a-",  "a..b", "a___b", "a._b",
          "a-_b", "a.-b", "A",        "a/B", "a b",  "a:b",   "a@b",
          "a/-b", "a/b-", "\xc3\xa9", "a\n"}) {
        EXPECT_FALSE(is_repository_name(name)) << name;
    }
    EXPECT_TRUE(is_repository_name(std::string(255, 'a')));
    EXPECT_FALSE(is_repository_name(std::string(256, 'a')));
}

// Against the grammar taken literally: all texts up to six characters of an
// alphabet that has one of each class.
TEST(OciName, AgreesWithAReadingLetterByLetter) {
    constexpr std::string_view kAlphabet = "a0._-/A";
    auto slow = [](std::string_view text) {
        std::string classes;  // runs of separators between alphanumerics
        bool ok = !text.empty() && text.back() != '/';
        std::size_t i = 0;
        while (ok && i < text.size()) {
            std::string run;
            while (i < text.size() && (text[i] == '.' || text[i] == '_' ||
                                       text[i] == '-' || text[i] == '/')) {
                run += text[i++];
            }
            std::size_t word = i;
            while (i < text.size() && (text[i] == 'a' || text[i] == '0')) {
                ++i;
            }
            bool first = word == run.size();
            bool separator =
                run == "." || run == "_" || run == "__" || run == "/" ||
                (!run.empty() && std::all_of(run.begin(), run.end(),
                                             [](char c) { return c == '-'; }));
            ok = i > word && (first ? run.empty() : separator);
        }
        return ok;
    };
    std::size_t good = 0;
    for (std::size_t size = 0; size <= 6; ++size) {
        std::string text(size, kAlphabet[0]);
        std::vector<std::size_t> digits(size);
        bool more = true;
        while (more) {
            for (std::size_t i = 0; i < size; ++i) {
                text[i] = kAlphabet[digits[i]];
            }
            bool expected = slow(text);
            good += expected ? 1 : 0;
            ASSERT_EQ(is_repository_name(text), expected) << text;
            more = false;
            for (auto& digit : digits) {
                if (++digit < kAlphabet.size()) {
                    more = true;
                    break;
                }
                digit = 0;
            }
        }
    }
    EXPECT_GT(good, 1000u);
}

TEST(OciReference, Tags) {
    for (std::string tag : {"latest", "v1.0", "_x", "A", "a.b-c_d", "1",
                            "sha256-abc", "a..b", "a--"}) {
        EXPECT_TRUE(is_tag(tag)) << tag;
    }
    for (std::string tag : {"", ".a", "-a", "a/b", "a:b", "a b", "a@b", "a+b",
                            "\xc3\xa9", "a\n", ".", ".."}) {
        EXPECT_FALSE(is_tag(tag)) << tag;
    }
    EXPECT_TRUE(is_tag(std::string(128, 'a')));
    EXPECT_FALSE(is_tag(std::string(129, 'a')));
}

TEST(OciReference, BadOnes) {
    auto problem = [](const std::string& target) {
        return Parsed(target).path.problem;
    };
    for (std::string text : {"sha256:abc", "a:b", "-a", ".a", "", "a@b",
                             "md5:d41d8cd98f00b204e9800998ecf8427e"}) {
        EXPECT_EQ(problem("/v2/a/manifests/" + text), OciProblem::bad_reference)
            << text;
    }
    for (std::string text : {"latest", "sha256:abc", "uploadsx", "sha256"}) {
        EXPECT_EQ(problem("/v2/a/blobs/" + text), OciProblem::bad_reference);
        EXPECT_EQ(problem("/v2/a/referrers/" + text),
                  OciProblem::bad_reference);
    }
    for (std::string text : {"x", "6BA7B810-9dad-11d1-80b4-00c04fd430c8",
                             "6ba7b810-9dad-11d1-80b4-00c04fd430c", "%2e%2e%2e",
                             "6ba7b8109dad-11d1-80b4-00c04fd430c8-"}) {
        EXPECT_EQ(problem("/v2/a/blobs/uploads/" + text),
                  OciProblem::bad_upload)
            << text;
    }
    // The name is what is told when both are wrong.
    EXPECT_EQ(problem("/v2/A/blobs/latest"), OciProblem::bad_name);
}

TEST(OciPath, NeedsRoomOnlyForEscapes) {
    EXPECT_EQ(parse_oci_path("/v2/a/tags/list", {}).name, "a");
    EXPECT_EQ(parse_oci_path("/v2/%61/tags/list", {}).problem,
              OciProblem::bad_escape);
}

}  // namespace
}  // namespace longshore
