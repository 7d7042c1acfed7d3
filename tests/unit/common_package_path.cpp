#include "common/package_path.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace longshore {
namespace {

using Texts = std::vector<std::string>;

TEST(PackagePath, MountRepositoryRestAndQuery) {
    struct Case {
        std::string_view target, mount, repository, rest, query;
    };
    for (const auto& c : {
             Case{"/npm/team", "npm", "team", "", ""},
             Case{"/npm/team/", "npm", "team", "/", ""},
             Case{"/npm/team?", "npm", "team", "", ""},
             Case{"/npm/team?a=b/c", "npm", "team", "", "a=b/c"},
             Case{"/p2/a-b__c.d/x%2fy/z?q?r", "p2", "a-b__c.d", "/x%2fy/z",
                  "q?r"},
             Case{"/v3/r//", "v3", "r", "//", ""},
             Case{"/apis/r/..", "apis", "r", "/..", ""},
         }) {
        auto path = parse_package_path(c.target);
        ASSERT_TRUE(path) << c.target;
        EXPECT_EQ(path->mount, c.mount);
        EXPECT_EQ(path->repository, c.repository);
        EXPECT_EQ(path->rest, c.rest);
        EXPECT_EQ(path->query, c.query);
    }
}

TEST(PackagePath, WhatIsNone) {
    for (std::string_view target : {"",
                                    "/",
                                    "//",
                                    "npm/team",
                                    "/npm",
                                    "/npm/",
                                    "/npm?x/y",
                                    "/npm//x",
                                    "/v2/a/b",
                                    "/api/v1",
                                    "/ui/x",
                                    "/token/x",
                                    "/Npm/team",
                                    "/2npm/team",
                                    "/n-pm/team",
                                    "/%6epm/team",
                                    "/npm/%74eam",
                                    "/npm/Team",
                                    "/npm/-a",
                                    "/npm/a.",
                                    "/npm/a..b",
                                    "/npm/.",
                                    "/npm/..",
                                    "/npm/a%2fb/c",
                                    "/npm/a_-b",
                                    "/npm/a b",
                                    "*"}) {
        EXPECT_FALSE(parse_package_path(target)) << target;
    }
}

TEST(PackagePath, NamesEndSomewhere) {
    auto target = [](std::size_t mount, std::size_t repository) {
        return "/" + std::string(mount, 'm') + "/" +
               std::string(repository, 'r') + "/x";
    };
    EXPECT_TRUE(parse_package_path(target(32, 128)));
    EXPECT_FALSE(parse_package_path(target(33, 128)));
    EXPECT_FALSE(parse_package_path(target(32, 129)));
}

TEST(PackageSegments, AreDecodedOnce) {
    struct Case {
        std::string_view rest;
        Texts segments;
        bool ends_in_slash;
    };
    for (const auto& c : {
             Case{"", {}, false},
             Case{"/", {}, true},
             Case{"/a", {"a"}, false},
             Case{"/a/b/", {"a", "b"}, true},
             Case{"/@s%2fn/-/n.tgz", {"@s/n", "-", "n.tgz"}, false},
             Case{"/a+b/%2b/%252f", {"a+b", "+", "%2f"}, false},
             Case{"/.a/..b/...", {".a", "..b", "..."}, false},
             Case{"/%c3%a9", {"\xc3\xa9"}, false},
         }) {
        auto got = decode_segments(c.rest);
        ASSERT_TRUE(got) << c.rest;
        EXPECT_EQ(got->segments, c.segments) << c.rest;
        EXPECT_EQ(got->ends_in_slash, c.ends_in_slash) << c.rest;
    }
}

TEST(PackageSegments, WhatIsRefused) {
    using namespace std::string_view_literals;
    for (auto rest :
         {"a"sv,           "//"sv,      "/a//b"sv, "/a//"sv,      "/."sv,
          "/.."sv,         "/a/../b"sv, "/%2e"sv,  "/%2E%2e/x"sv, "/.%2e"sv,
          "/a%2f..%2fb"sv, "/%2fa"sv,   "/a%2f"sv, "/a%2f%2fb"sv, "/%2f"sv,
          "/a%2f."sv,      "/%"sv,      "/%4"sv,   "/%zz"sv,      "/%00"sv,
          "/a\0b"sv,       "/a%0ab"sv,  "/%7f"sv,  "/a\\b"sv,     "/%5c"sv,
          "/a\tb"sv}) {
        EXPECT_FALSE(decode_segments(rest)) << rest;
    }
}

}  // namespace
}  // namespace longshore
