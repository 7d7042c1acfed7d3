// Versions of Debian, RPM and pacman packages.
#include "syntax/debian_version.hpp"
#include "syntax/pacman_version.hpp"
#include "syntax/rpm_version.hpp"
#include "version_tables.hpp"

namespace longshore {
namespace {

using tables::expect_ascending;
using tables::expect_equal;
using tables::expect_refused;
using tables::text_of;
constexpr auto kDebian = VersionScheme::debian;
constexpr auto kRpm = VersionScheme::rpm;
constexpr auto kPacman = VersionScheme::pacman;

// Policy 5.6.12, and dpkg's t-version.
TEST(DebianVersion, Order) {
    expect_ascending(kDebian,
                     {"1~~", "1~~a", "1~", "1", "1a", "1+", "1.", "1.1"});
    expect_ascending(kDebian, {"0.9",       "1.0~beta1~svn1245",
                               "1.0~beta1", "1.0",
                               "1.0-0.1",   "1.0-1~bpo12+1",
                               "1.0-1",     "1.0-1+deb12u1",
                               "1.0-1.1",   "1.0-2",
                               "1.0-10",    "1.0a",
                               "1.0a-1",    "1.0+dfsg",
                               "1.0-1-1",   "1.0.1",
                               "1.9",       "1.10",
                               "1:0",       "2:0"});
    expect_equal(kDebian, {"1", "0:1", "1-0", "00:01-00", "1-00"});
    expect_equal(kDebian, {"1.a", "1.a0"});
    expect_equal(kDebian, {"1.", "1.0"});
}

TEST(DebianVersion, Texts) {
    EXPECT_EQ(text_of(kDebian, "0:1.0-1"), "1.0-1");
    EXPECT_EQ(text_of(kDebian, "01:1.0-1"), "1:1.0-1");
    EXPECT_EQ(text_of(kDebian, "1:2:3"), "1:2:3");
    EXPECT_EQ(text_of(kDebian, "0:2:3"), "0:2:3");
    EXPECT_EQ(text_of(kDebian, "2147483647:1"), "2147483647:1");
    expect_refused(kDebian, {"", "a1", "1-", "1:", ":1", "-1", "1:-1", "a:1",
                             "-1:1", "2147483648:1", "1_0", "1 0", "1.0-a_b",
                             "1.0-a:b", "1/0", "1\xc3\xa9", "1:a"});
}

// rpm-version(7), and the tests of rpmvercmp().
TEST(RpmVersion, Order) {
    expect_ascending(kRpm, {"1.0~rc1~git1", "1.0~rc1", "1.0~rc2", "1.0", "1.0^",
                            "1.0^20160101", "1.0^20160102", "1.0a", "1.0aa",
                            "1.0.1", "1.0.010", "2.0"});
    expect_ascending(kRpm, {"1.0~rc1^git1~pre", "1.0~rc1^git1", "1.0"});
    expect_ascending(
        kRpm, {"a", "b", "xyz10", "10xyz", "10.1xyz", "10.10001", "10.10039"});
    expect_ascending(kRpm, {"1", "1-~", "1-1", "1-1.el9", "1-2", "1-10", "2-1",
                            "1:1-1", "2:0-0"});
    expect_equal(kRpm, {"1.0", "1_0", "1..0", "1.0.", "1.00", "0:1.0", "+1+0"});
    expect_equal(kRpm, {"2a", "2.a", "2_a"});
}

TEST(RpmVersion, Texts) {
    EXPECT_EQ(text_of(kRpm, "0:1.0-1.el9"), "1.0-1.el9");
    EXPECT_EQ(text_of(kRpm, "4294967295:1"), "4294967295:1");
    expect_refused(kRpm, {"", "1-", "-1", ":1", "1:", "a:1", "4294967296:1",
                          "1-1-1", "1 0", "1/0", "1-1:2", "1\xc3\xa9"});
}

// pacman's vercmptest.
TEST(PacmanVersion, Order) {
    expect_ascending(kPacman,
                     {"1.0a", "1.0alpha", "1.0b", "1.0beta", "1.0p", "1.0pre1",
                      "1.0rc", "1.0", "1.0.a", "1.0.1", "1.1"});
    expect_ascending(kPacman, {"1.5-1", "1.5-1.1", "1.5-2", "1.5.b-1",
                               "1.5.1-1", "1.10-1", "1:1.0-1", "2:0.1-1"});
    expect_ascending(kPacman, {"1", "1.a", "1.", "1.1", "1..a", "1..1"});
    expect_equal(kPacman, {"1.5", "1_5", "0:1.5", "1.05"});
    expect_equal(kPacman, {"1.", "1..", "1__"});
    expect_ascending(kPacman, {"1.0", "1.0-1"});
}

TEST(PacmanVersion, Texts) {
    EXPECT_EQ(text_of(kPacman, "0:1.0-1"), "1.0-1");
    EXPECT_EQ(text_of(kPacman, "01:1.0-1.2"), "1:1.0-1.2");
    expect_refused(kPacman,
                   {"", "1-", "-1", ":1", "1:", "a:1", "1-a", "1-1.", "1-.1",
                    "1-1.1.1", "1-1-1", "1:2:3", "1/2", "1 2", "1\xc3\xa9"});
}

}  // namespace
}  // namespace longshore
