// Names, tags and manifests of npm, apart from any server.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/npm/body.hpp"
#include "formats/npm/manifest.hpp"
#include "formats/npm/name.hpp"

namespace longshore::npm {
namespace {

using nlohmann::json;

TEST(NpmName, Names) {
    for (const auto* good : {"a", "a.b-c_d", "@s/n", "@a-b/c.d", "JSONStream",
                             "1", "-x", "packages"}) {
        EXPECT_TRUE(check_name(good)) << good;
    }
    for (const auto* bad : {"",
                            "-",
                            ".a",
                            "_a",
                            "a b",
                            "@",
                            "@s",
                            "@/n",
                            "@s/",
                            "@s/.n",
                            "a/b",
                            "@s/n/x",
                            "node_modules",
                            "favicon.ico",
                            "a%2fb",
                            "\xc3\xa4",
                            "@s//n",
                            "a@b",
                            "~a",
                            "@s/node_modules"}) {
        EXPECT_FALSE(check_name(bad)) << bad;
    }
    EXPECT_TRUE(check_name(std::string(214, 'a')));
    EXPECT_FALSE(check_name(std::string(215, 'a')));
}

TEST(NpmName, Places) {
    auto place = [](std::string_view path) {
        auto read = read_place(path);
        return read ? read->name + " " + read->version : std::string();
    };
    EXPECT_EQ(place("a"), "a ");
    EXPECT_EQ(place("a/1.0.0"), "a 1.0.0");
    EXPECT_EQ(place("@s/n"), "@s/n ");
    EXPECT_EQ(place("@s/n/latest"), "@s/n latest");
    EXPECT_EQ(place("@s"), "");
    EXPECT_EQ(place("a/b/c"), "");
    EXPECT_EQ(place("-/x"), "");
    EXPECT_EQ(tarball_path("@s/n", "1.0.0"), "@s/n/-/n-1.0.0.tgz");
    EXPECT_EQ(tarball_path("n", "1.0.0"), "n/-/n-1.0.0.tgz");
}

TEST(NpmName, Tags) {
    for (const auto* good : {"latest", "next-11", "v1-lts", "rc.1", "1.2.lts",
                             "version", "xyz", "2-stable"}) {
        EXPECT_TRUE(check_tag(good)) << good;
    }
    for (const auto* bad :
         {"", "1", "1.2", "v1", "1.2.3", "1.2.3-rc.1", "v1.x", "x", "X", "v",
          "*", ">1", "a b", "a/b", "1.2.3beta"}) {
        EXPECT_FALSE(check_tag(bad)) << bad;
    }
}

TEST(NpmName, VersionsAndRevisions) {
    EXPECT_TRUE(version_order("1.0.0-rc.1"));
    EXPECT_LT(*version_order("1.0.9"), *version_order("1.0.10"));
    for (const auto* bad : {"v1.0.0", "1.0", "1.0.0+build", "01.0.0", ""}) {
        EXPECT_FALSE(version_order(bad)) << bad;
    }
    EXPECT_TRUE(check_revision(revision_text(12), 12));
    EXPECT_EQ(check_revision("11-npm", 12).error().code, Code::conflict);
    EXPECT_EQ(check_revision("12", 12).error().code, Code::conflict);
}

TEST(NpmManifest, DataIsSplitWithoutReadingIt) {
    json manifest = {{"name", "a"},
                     {"version", "1.0.0"},
                     {"dependencies", {{"],[", "},{"}}},
                     {"description", "}]\",["}};
    auto data = version_data(manifest);
    EXPECT_EQ(json::parse(manifest_text(data)), manifest);
    manifest.erase("description");
    EXPECT_EQ(json::parse(abbreviated_text(data)), manifest);
    for (const auto* other : {"", "{}", "[]", "[9,{},{}]", "[2,{}]", "[x,{}]",
                              "[2,{}{}]", "[99999999999999999999,{},{}]"}) {
        EXPECT_EQ(manifest_text(other), "{}") << other;
        EXPECT_EQ(abbreviated_text(other), "{}") << other;
    }
}

TEST(NpmManifest, WhatClientsRead) {
    StoredVersion version;
    version.version = "1.0.0";
    version.state = VersionState::deprecated;
    version.reason = "say \"no\"";
    StoredFile file;
    file.role = kTarballRole;
    file.path = tarball_path("@s/n", "1.0.0");
    file.data = R"({"shasum":"ff"})";
    version.files.push_back(file);
    file.role = kAttestationsRole;
    file.data = R"({"predicateType":"p"})";
    version.files.push_back(file);
    std::string out;
    append_manifest(out, "{}", "@s/n", version, "https://h/npm/r");
    EXPECT_EQ(json::parse(out),
              json::parse(R"({"deprecated":"say \"no\"","dist":{"shasum":"ff",
            "tarball":"https://h/npm/r/@s/n/-/n-1.0.0.tgz",
            "attestations":{"url":
            "https://h/npm/r/-/npm/v1/attestations/@s/n@1.0.0",
            "provenance":{"predicateType":"p"}}}})"));
}

TEST(NpmManifest, AnotherPackageIsRefused) {
    TarballFacts facts;
    facts.manifest = {{"name", "a"}, {"version", " v1.0.0"}};
    json manifest = {{"name", "a"}, {"version", "1.0.0"}};
    EXPECT_TRUE(settle_manifest(manifest, facts, "a", "1.0.0", ""));
    EXPECT_FALSE(settle_manifest(manifest, facts, "b", "1.0.0", ""));
    EXPECT_FALSE(settle_manifest(manifest, facts, "a", "1.0.1", ""));
    facts.manifest["name"] = 7;
    EXPECT_FALSE(settle_manifest(manifest, facts, "a", "1.0.0", ""));
}

TEST(NpmManifest, LatestIsAlwaysThere) {
    StoredPackage package;
    for (const auto* text : {"1.0.0", "1.1.0", "2.0.0-rc.1"}) {
        StoredVersion version;
        version.version = version.key = text;
        version.data = version_data({{"version", text}, {"description", text}});
        package.versions.push_back(version);
    }
    package.tags = {{"latest", "1.0.0"}};
    settle_latest(package);
    EXPECT_EQ(package.summary, "1.0.0");
    package.tags = {{"next", "2.0.0-rc.1"}};
    settle_latest(package);
    EXPECT_EQ(*package.tag("latest"), "1.1.0");
    EXPECT_EQ(package.summary, "1.1.0");
    package.versions.erase(package.versions.begin(),
                           package.versions.begin() + 2);
    package.tags = {{"latest", "1.1.0"}};
    settle_latest(package);
    EXPECT_EQ(*package.tag("latest"), "2.0.0-rc.1");
}

TEST(NpmBody, ChangesOfADocument) {
    auto changes = read_changes(
        R"({"_rev":"3-npm","versions":{"1.0.0":{"deprecated":"old",
            "x":{"deprecated":"deeper"}},"1.1.0":{"deprecated":false},
            "1.2.0":{}},"deprecated":"outside"})");
    ASSERT_TRUE(changes);
    EXPECT_EQ(changes->revision, "3-npm");
    ASSERT_EQ(changes->versions.size(), 3U);
    EXPECT_EQ(changes->versions[0].deprecated, "old");
    EXPECT_FALSE(changes->versions[1].deprecated);
    EXPECT_FALSE(changes->versions[2].deprecated);
    EXPECT_FALSE(read_changes("{"));
}

}  // namespace
}  // namespace longshore::npm
