// Maven's order of versions.
#include "syntax/maven_version.hpp"
#include "version_tables.hpp"

namespace longshore {
namespace {

using tables::expect_ascending;
using tables::expect_equal;
constexpr auto kScheme = VersionScheme::maven;

// POM Reference, "Version Order Specification".
TEST(MavenVersion, Qualifiers) {
    expect_ascending(kScheme, {"1-alpha2snapshot",
                               "1-alpha2",
                               "1-alpha-123",
                               "1-beta-2",
                               "1-beta123",
                               "1-m2",
                               "1-m11",
                               "1-rc",
                               "1-cr2",
                               "1-rc123",
                               "1-SNAPSHOT",
                               "1",
                               "1-sp",
                               "1-sp2",
                               "1-sp123",
                               "1-abc",
                               "1-def",
                               "1-pom-1",
                               "1-1-snapshot",
                               "1-1",
                               "1-2",
                               "1-123"});
}

TEST(MavenVersion, Numbers) {
    expect_ascending(kScheme,
                     {"2.0",    "2.0.a", "2-1",    "2.0.2", "2.0.123", "2.1.0",
                      "2.1-a",  "2.1b",  "2.1-c",  "2.1-1", "2.1.0.1", "2.2",
                      "2.123",  "11.a2", "11.a11", "11.b2", "11.b11",  "11.m2",
                      "11.m11", "11",    "11.a",   "11b",   "11c",     "11m"});
    expect_ascending(
        kScheme, {"1.99999999999999999999", "1.100000000000000000000", "2"});
}

TEST(MavenVersion, TheSame) {
    expect_equal(kScheme, {"1", "1.0", "1.0.0", "1-0", "1.0-0", "1.00", "1.",
                           "1-ga", "1.final", "1-RELEASE", "1.0.0-Final"});
    expect_equal(kScheme,
                 {"1-a1", "1a1", "1-alpha-1", "1.0-ALPHA1", "1alpha1", "1.a1"});
    expect_equal(kScheme, {"1x", "1.0.0x", "1.0.0-x", "1.x", "1X"});
    expect_equal(kScheme, {"1-m3", "1-milestone-3", "1-Milestone3"});
    expect_equal(kScheme, {"1-rc", "1-cr", "1.0-RC"});
    expect_equal(kScheme, {"0", "0.0", "-", ".", "final"});
}

// Where ComparableVersion goes in circles the older sorts below the end.
TEST(MavenVersion, CirclesAreCut) {
    expect_ascending(kScheme, {"1-rc", "1.0.rc.1", "1", "1-x", "1.0.1"});
    expect_ascending(kScheme, {"1-rc", "1", "1.sp.1", "1-x", "1.1"});
}

TEST(MavenVersion, Texts) {
    EXPECT_EQ(tables::text_of(kScheme, "1.0.0-Final"), "1.0.0-Final");
    EXPECT_FALSE(tables::version_of(kScheme, "1-SNAPSHOT").prerelease);
    tables::expect_refused(kScheme, {"", "1 0", "../1", "1/2", "1\\2", "${v}",
                                     "[1,2)", "1:2", "a\"b", "<1>", "1|2", "1?",
                                     "1*", "1\n", "1\x7f", "1\xc3\xa9"});
}

}  // namespace
}  // namespace longshore
