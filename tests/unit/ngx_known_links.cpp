// What was seen of one repository says nothing of another.
#include "ngx_module/known_links.hpp"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "common/hash.hpp"

namespace longshore {
namespace {

constexpr time_t kNow = 1000;
constexpr time_t kAge = 60;
constexpr int kRoot = 0;
constexpr int kOther = 0;

using Look = KnownLinks::Look;

class KnownLinksTest : public ::testing::Test {
protected:
    bool has(std::string_view name, const Digest& digest) const {
        return links_.has(&kRoot, name, digest, kNow, kAge, Look::seen);
    }

    void add(std::string_view name, const Digest& digest) {
        links_.add(&kRoot, name, digest, kNow, Look::seen);
    }

    // Another name with the same place in the table as `name`.
    std::optional<std::string> rival(const std::string& name) {
        for (int i = 0; i < 1'000'000; ++i) {
            auto other = std::to_string(1'000'000 + i);
            other.resize(name.size(), 'x');
            add(name, blob_);
            add(other, blob_);
            if (!has(name, blob_)) {
                return other;
            }
        }
        return std::nullopt;
    }

    KnownLinks links_;
    Digest blob_ = digest_of(Algorithm::sha256, "blob");
};

TEST_F(KnownLinksTest, AreOfOneRootNameAndDigest) {
    EXPECT_FALSE(has("team/a", blob_));
    add("team/a", blob_);
    EXPECT_TRUE(has("team/a", blob_));
    EXPECT_FALSE(has("team/b", blob_));
    EXPECT_FALSE(has("team/a", digest_of(Algorithm::sha256, "other")));
    EXPECT_FALSE(has("team/a", digest_of(Algorithm::sha512, "blob")));
    EXPECT_FALSE(links_.has(&kOther, "team/a", blob_, kNow, kAge, Look::seen));
}

TEST_F(KnownLinksTest, OnePlaceIsNotOneName) {
    const std::string name = "team/secret";
    auto other = rival(name);
    ASSERT_TRUE(other);
    add(name, blob_);
    EXPECT_TRUE(has(name, blob_));
    EXPECT_FALSE(has(*other, blob_));
}

TEST_F(KnownLinksTest, AreKnownForSoLong) {
    add("a", blob_);
    EXPECT_TRUE(
        links_.has(&kRoot, "a", blob_, kNow + kAge - 1, kAge, Look::seen));
    EXPECT_FALSE(links_.has(&kRoot, "a", blob_, kNow + kAge, kAge, Look::seen));
    EXPECT_FALSE(links_.has(&kRoot, "a", blob_, kNow, 0, Look::seen));
    // A clock that was set back.
    EXPECT_FALSE(links_.has(&kRoot, "a", blob_, kNow - 1, kAge, Look::seen));
}

TEST_F(KnownLinksTest, OneThatWasOnlySeenIsNotKept) {
    add("a", blob_);
    EXPECT_FALSE(links_.has(&kRoot, "a", blob_, kNow, kAge, Look::kept));
    links_.add(&kRoot, "a", blob_, kNow, Look::kept);
    EXPECT_TRUE(links_.has(&kRoot, "a", blob_, kNow, kAge, Look::kept));
    EXPECT_TRUE(has("a", blob_));
}

TEST_F(KnownLinksTest, ALongNameIsLookedUpEachTime) {
    std::string name(200, 'a');
    add(name, blob_);
    EXPECT_FALSE(has(name, blob_));
}

}  // namespace
}  // namespace longshore
