// PEP 440: every spelling, its normal form, the order.
#include "syntax/pep440.hpp"
#include "version_tables.hpp"

namespace longshore {
namespace {

using tables::text_of;
using tables::version_of;
constexpr auto kScheme = VersionScheme::pep440;

// PEP 440, "Normalization".
TEST(Pep440, NormalForm) {
    const std::pair<std::string_view, std::string_view> table[] = {
        {"1.0", "1.0"},
        {"1.1RC1", "1.1rc1"},
        {"00", "0"},
        {"09000", "9000"},
        {"1.0+foo0100", "1.0+foo0100"},
        {"1.0+007", "1.0+7"},
        {"1.1.a1", "1.1a1"},
        {"1.1-a1", "1.1a1"},
        {"1.1a.1", "1.1a1"},
        {"1.1_ALPHA_1", "1.1a1"},
        {"1.1beta2", "1.1b2"},
        {"1.1c3", "1.1rc3"},
        {"1.1pre3", "1.1rc3"},
        {"1.1preview3", "1.1rc3"},
        {"1.2a", "1.2a0"},
        {"1.2a-", "1.2a0"},
        {"1.2-post2", "1.2.post2"},
        {"1.2post2", "1.2.post2"},
        {"1.2.post-2", "1.2.post2"},
        {"1.0-r4", "1.0.post4"},
        {"1.0rev4", "1.0.post4"},
        {"1.2.post", "1.2.post0"},
        {"1.0-1", "1.0.post1"},
        {"1.2-dev2", "1.2.dev2"},
        {"1.2dev", "1.2.dev0"},
        {"1.0+ubuntu-1_A", "1.0+ubuntu.1.a"},
        {"v1.0", "1.0"},
        {" V1.0\n", "1.0"},
        {"0!1.0", "1.0"},
        {"01!1.0.00", "1!1.0.0"},
        {"1a1-1.dev3+x", "1a1.post1.dev3+x"},
    };
    for (auto [read, written] : table) {
        EXPECT_EQ(text_of(kScheme, read), written) << read;
        EXPECT_EQ(text_of(kScheme, written), written);
        EXPECT_EQ(version_of(kScheme, read).key,
                  version_of(kScheme, written).key);
    }
}

TEST(Pep440, Refused) {
    tables::expect_refused(kScheme, {"",       " ",          "v",
                                     "a1",     "1!",         "!1",
                                     "1!2!3",  "1.",         "1..2",
                                     "1.0x",   "1.0+",       "1.0+a+b",
                                     "1.0+_a", "1.0+a_",     "1.0+a..b",
                                     "1.0--1", "1.0a1a2",    "1.0.dev1.post1",
                                     "1.0 1",  "1.0-",       "1.0-1-1",
                                     "french", "1.0\xc2\xa0"});
}

// PEP 440, "Summary of permitted suffixes and relative ordering".
TEST(Pep440, Order) {
    tables::expect_ascending(kScheme, {"1.0.dev1",
                                       "1.0.dev456",
                                       "1.0a1.dev1",
                                       "1.0a1",
                                       "1.0a1.post0.dev1",
                                       "1.0a1.post0",
                                       "1.0a2.dev456",
                                       "1.0a12.dev456",
                                       "1.0a12",
                                       "1.0b1.dev456",
                                       "1.0b2",
                                       "1.0b2.post345.dev456",
                                       "1.0b2.post345",
                                       "1.0rc1.dev456",
                                       "1.0rc1",
                                       "1.0",
                                       "1.0+abc.5",
                                       "1.0+abc.7",
                                       "1.0+abcd",
                                       "1.0+5",
                                       "1.0+5.a",
                                       "1.0+5.0",
                                       "1.0+10",
                                       "1.0.post456.dev34",
                                       "1.0.post456",
                                       "1.0.1.dev1",
                                       "1.0.15",
                                       "1.1.dev1",
                                       "1.10",
                                       "2013.10",
                                       "1!0.1"});
    tables::expect_equal(kScheme, {"1", "1.0", "1.0.0", "v1.00"});
    tables::expect_equal(kScheme, {"0", "0.0"});
}

TEST(Pep440, Prereleases) {
    for (auto text : {"1.0a1", "1.0.dev1", "1.0.post1.dev1", "1rc1.post1"}) {
        EXPECT_TRUE(version_of(kScheme, text).prerelease) << text;
    }
    for (auto text : {"1.0", "1.0.post1", "1.0+dev", "1!1"}) {
        EXPECT_FALSE(version_of(kScheme, text).prerelease) << text;
    }
}

}  // namespace
}  // namespace longshore
