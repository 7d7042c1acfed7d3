// Semantic versions as SemVer, npm, Cargo, Helm and Go have them.
#include "syntax/go_version.hpp"
#include "syntax/semver.hpp"
#include "version_tables.hpp"

namespace longshore {
namespace {

using tables::expect_ascending;
using tables::expect_equal;
using tables::expect_refused;
using tables::text_of;
using tables::version_of;
constexpr auto kSemver = VersionScheme::semver;
constexpr auto kNpm = VersionScheme::npm;
constexpr auto kCargo = VersionScheme::cargo;
constexpr auto kHelm = VersionScheme::helm;
constexpr auto kGo = VersionScheme::go;

// semver.org 2.0.0, section 11, and numbers of unlike lengths.
TEST(Semver, Precedence) {
    for (auto scheme : {kSemver, kNpm, kCargo, kHelm}) {
        expect_ascending(scheme, {"0.9.9",           "1.0.0-0",
                                  "1.0.0-2",         "1.0.0-11",
                                  "1.0.0--1",        "1.0.0-alpha",
                                  "1.0.0-alpha.1",   "1.0.0-alpha.beta",
                                  "1.0.0-alpha-1",   "1.0.0-beta",
                                  "1.0.0-beta.2",    "1.0.0-beta.11",
                                  "1.0.0-rc.1",      "1.0.0",
                                  "1.9.0",           "1.10.0",
                                  "1.11.0",          "2.0.0",
                                  "2.1.0",           "2.1.1",
                                  "100000000000.0.0"});
        expect_equal(scheme, {"1.0.0+a", "1.0.0", "1.0.0+b.001"});
    }
}

TEST(Semver, StrictTexts) {
    for (auto scheme : {kSemver, kCargo}) {
        EXPECT_EQ(text_of(scheme, "1.2.3-a.0.b-c+d.01"), "1.2.3-a.0.b-c+d.01");
        expect_refused(
            scheme,
            {"",           "1",       "1.2",       "v1.2.3",    "=1.2.3",
             "01.2.3",     "1.02.3",  "1.2.03",    "1.2.3-",    "1.2.3-01",
             "1.2.3-a..b", "1.2.3+",  "1.2.3+a+b", "1.2.3-a_b", "1.2.3 ",
             " 1.2.3",     "1.2.3.4", "1.2.3beta", "-1.2.3",    "1.2.3-a.",
             "1..3",       "a.b.c"});
    }
}

TEST(Semver, LargestNumbers) {
    constexpr std::string_view kTwo64 = "18446744073709551616.0.0";
    EXPECT_EQ(text_of(kSemver, kTwo64), kTwo64);
    EXPECT_EQ(text_of(kCargo, "18446744073709551615.0.0"),
              "18446744073709551615.0.0");
    expect_refused(kCargo, {kTwo64, "0.0.18446744073709551616"});
    expect_refused(kHelm, {kTwo64});
    EXPECT_EQ(text_of(kNpm, "1.2.9007199254740991"), "1.2.9007199254740991");
    expect_refused(kNpm, {"1.2.9007199254740992"});
}

TEST(Semver, Prereleases) {
    EXPECT_TRUE(version_of(kSemver, "1.0.0-0").prerelease);
    EXPECT_TRUE(version_of(kNpm, "1.0.0b").prerelease);
    EXPECT_FALSE(version_of(kSemver, "1.0.0+a-b").prerelease);
}

TEST(Semver, NpmIsLoose) {
    const std::pair<std::string_view, std::string_view> table[] = {
        {"v1.2.3", "1.2.3"},
        {" =v 1.2.3 ", "1.2.3"},
        {"1.2.3+build", "1.2.3"},
        {"01.002.3", "1.2.3"},
        {"1.2.3beta", "1.2.3-beta"},
        {"1.2.3beta.01", "1.2.3-beta.1"},
        {"1.2.3-", "1.2.3--"},
        {"1.2.3-.x", "1.2.3--.x"},
        {"1.2.3--x", "1.2.3--x"},
        {"1.2.34.5", "1.2.3-4.5"},
        {"1.2.3-09007199254740991", "1.2.3-09007199254740991"},
    };
    for (auto [read, written] : table) {
        EXPECT_EQ(text_of(kNpm, read), written) << read;
    }
    expect_refused(kNpm, {"1", "1.2", "x1.2.3", "1.2.3.4", "1.2.3-a..b",
                          "1.2.3+", "1.2.3_a", "latest", "v", "="});
}

TEST(Semver, HelmIsNot) {
    EXPECT_EQ(text_of(kHelm, "v1"), "1.0.0");
    EXPECT_EQ(text_of(kHelm, "1.2"), "1.2.0");
    EXPECT_EQ(text_of(kHelm, "1.2-rc.1+b"), "1.2.0-rc.1+b");
    EXPECT_EQ(text_of(kHelm, "01.2.3"), "1.2.3");
    expect_refused(kHelm, {"vv1", "V1", "1.2.3-01", "1.", "1.2.3.4", " 1",
                           "1.2.3beta", "1-", "v"});
}

TEST(GoVersion, Canonical) {
    EXPECT_EQ(text_of(kGo, "v1"), "v1.0.0");
    EXPECT_EQ(text_of(kGo, "v1.2"), "v1.2.0");
    EXPECT_EQ(text_of(kGo, "v1.2.3-pre+meta"), "v1.2.3-pre");
    EXPECT_EQ(text_of(kGo, "v2.0.0+incompatible"), "v2.0.0+incompatible");
    EXPECT_TRUE(version_of(kGo, "v1.2.3-pre").prerelease);
    expect_refused(
        kGo, {"1.2.3", "v", "vv1", "v1-pre", "v1.2+incompatible", "v1.2.3-",
              "v01", "v1.02", "v1.2.3-01", "v1.2.3.4", "V1.2.3"});
}

TEST(GoVersion, Order) {
    expect_ascending(kGo, {"v0.0.0-20191109021931-daa7c04131f5", "v0.0.1",
                           "v1.0.0-pre", "v1.0.1-0.20191109021931-daa7c04131f5",
                           "v1.0.1", "v1.9", "v1.10.0", "v2.0.0+incompatible"});
    expect_equal(kGo, {"v1", "v1.0", "v1.0.0", "v1.0.0+incompatible"});
}

TEST(GoVersion, PseudoVersions) {
    for (auto text : {"v0.0.0-20191109021931-daa7c04131f5",
                      "v3.0.0-20191109021931-daa7c04131f5",
                      "v1.2.4-0.20191109021931-daa7c04131f5",
                      "v1.2.3-pre.0.20191109021931-daa7c04131f5",
                      "v2.0.1-0.20191109021931-daa7c04131f5+incompatible"}) {
        EXPECT_TRUE(is_pseudo_version(text)) << text;
    }
    for (auto text :
         {"v0.0.0", "v0.0.0-pre", "0.0.0-20191109021931-da",
          "v0.0.0-2019110902193-daa7c04131f5",
          "v0.0.0-201911090219310-daa7c04131f5", "v0.0.0-20191109021931-",
          "v0.0.0-20191109021931-a-b", "v0.1.0-20191109021931-daa7c04131f5",
          "v1.2.3-pre.20191109021931-daa7c04131f5",
          "v1.2.3-x0.20191109021931-daa7c04131f5"}) {
        EXPECT_FALSE(is_pseudo_version(text)) << text;
    }
}

}  // namespace
}  // namespace longshore
