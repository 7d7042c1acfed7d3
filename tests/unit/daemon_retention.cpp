// Retention: what goes of a repository, as a function of what it holds.
#include <algorithm>

#include <gtest/gtest.h>

#include "model/retention.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kDay = kRetentionDayMs;
constexpr std::int64_t kNow = 1000 * kDay;

std::string digest_text(int number) {
    auto digits = std::to_string(number);
    return "sha256:" + std::string(64 - digits.size(), 'a') + digits;
}

std::string companion_tag(int number, std::string_view end) {
    return "sha256-" + digest_text(number).substr(7) + std::string(end);
}

Pattern pattern(std::string_view text) {
    return *Pattern::parse(text);
}

// A repository in which everything is `days` old.
class RetentionTest : public ::testing::Test {
protected:
    RetentionTest() { facts_.name = "team/app"; }

    RepositoryFacts::Manifest& manifest(int id, std::int64_t days) {
        facts_.manifests.push_back(
            {id, digest_text(id), {}, kNow - days * kDay, 0, 0});
        return facts_.manifests.back();
    }
    void tag(std::string_view text, int id, std::int64_t days) {
        facts_.tags.push_back({std::string(text), id, kNow - days * kDay});
    }
    // A manifest with a tag.
    void image(std::string_view text, int id, std::int64_t days) {
        manifest(id, days);
        tag(text, id, days);
    }

    // "tag v1", "manifest 3", in the order of their removal.
    std::vector<std::string> plan() {
        std::vector<std::string> out;
        for (const auto& one :
             plan_retention(facts_, policy_, immutable_, kNow)) {
            EXPECT_EQ(one.digest, digest_text(static_cast<int>(one.manifest)));
            out.push_back(one.kind == Removal::Kind::tag
                              ? "tag " + one.tag
                              : "manifest " + std::to_string(one.manifest));
        }
        return out;
    }
    using Words = std::vector<std::string>;

    RepositoryFacts facts_;
    RetentionPolicy policy_{pattern("**")};
    std::vector<ImmutableTags> immutable_;
};

TEST_F(RetentionTest, WithoutARuleForTagsAllOfThemStay) {
    image("old", 1, 900);
    manifest(2, 900);
    EXPECT_EQ(plan(), Words());
    policy_.delete_untagged_days = 1;
    EXPECT_EQ(plan(), Words({"manifest 2"}));
}

TEST_F(RetentionTest, TheNewestByTheirLastPushStay) {
    image("c", 1, 30);
    image("a", 2, 10);
    image("b", 3, 10);  // as new as "a": the greater name is the newer
    image("d", 4, 20);
    policy_.keep_last = 2;
    EXPECT_EQ(plan(), Words({"tag d", "tag c"}));
    policy_.keep_last = 1;
    EXPECT_EQ(plan(), Words({"tag a", "tag d", "tag c"}));
    policy_.keep_last = 4;
    EXPECT_EQ(plan(), Words());
}

TEST_F(RetentionTest, AnyRuleKeeps) {
    image("v1", 1, 40);
    image("nightly", 2, 5);
    image("pulled", 3, 40);
    facts_.manifests[2].pulled_at_ms = kNow - 3 * kDay;
    image("gone", 4, 41);
    image("newest", 5, 4);
    policy_.keep_tags = {*TagPattern::parse("v*")};
    EXPECT_EQ(plan(),
              Words({"tag newest", "tag nightly", "tag pulled", "tag gone"}));
    policy_.keep_younger_days = 6;
    EXPECT_EQ(plan(), Words({"tag pulled", "tag gone"}));
    policy_.keep_pulled_days = 4;
    EXPECT_EQ(plan(), Words({"tag gone"}));
    policy_.keep_tags.clear();
    policy_.keep_younger_days = 0;
    policy_.keep_pulled_days = 0;
    policy_.keep_last = 1;
    EXPECT_EQ(plan().size(), 4U);
}

TEST_F(RetentionTest, AtItsLimitATagGoes) {
    image("a", 1, 7);
    policy_.keep_younger_days = 7;
    EXPECT_EQ(plan(), Words({"tag a"}));
    facts_.tags[0].pushed_at_ms += 1;
    EXPECT_EQ(plan(), Words());
    facts_.tags[0].pushed_at_ms = kNow + kDay;  // another clock's
    EXPECT_EQ(plan(), Words());
}

TEST_F(RetentionTest, WhatIsNotKnownToBeUnusedStays) {
    image("a", 1, 100);
    manifest(2, 100);
    policy_.keep_pulled_days = 30;
    policy_.delete_untagged_days = 30;
    facts_.uses_since_ms = kNow - 29 * kDay;
    EXPECT_EQ(plan(), Words());
    facts_.uses_since_ms = kNow - 30 * kDay;
    EXPECT_EQ(plan(), Words({"tag a", "manifest 2"}));
}

TEST_F(RetentionTest, APushCountsAsAPull) {
    image("a", 1, 100);
    tag("b", 1, 2);
    policy_.keep_pulled_days = 30;
    EXPECT_EQ(plan(), Words({"tag a"}));
}

TEST_F(RetentionTest, ImmutableTagsStay) {
    image("v1", 1, 100);
    image("w1", 2, 100);
    policy_.keep_younger_days = 1;
    immutable_.push_back({pattern("other/*"), *TagPattern::parse("*")});
    immutable_.push_back({pattern("team/*"), *TagPattern::parse("v*")});
    EXPECT_EQ(plan(), Words({"tag w1"}));
}

TEST_F(RetentionTest, AManifestGoesOnlyWithoutATagForSoLong) {
    manifest(1, 100).held_at_ms = kNow - 6 * kDay;    // lost its tag
    manifest(2, 100).pulled_at_ms = kNow - 6 * kDay;  // by digest
    manifest(3, 6);
    manifest(4, 7);
    image("old", 5, 100);
    policy_.delete_untagged_days = 7;
    EXPECT_EQ(plan(), Words({"manifest 4"}));
    // A tag that goes now leaves its manifest for later.
    policy_.keep_younger_days = 1;
    EXPECT_EQ(plan(), Words({"tag old", "manifest 4"}));
}

TEST_F(RetentionTest, ChildrenStayWithTheirIndexAndGoAfterIt) {
    image("v1", 9, 100);  // an index of 1 and 2
    manifest(1, 100);
    manifest(2, 100);
    manifest(3, 100);
    manifest(8, 100);  // an index of 2 and 3, without a tag
    facts_.children = {{9, 1}, {9, 2}, {8, 2}, {8, 3}, {8, 77}};
    policy_.delete_untagged_days = 7;
    EXPECT_EQ(plan(), Words({"manifest 8", "manifest 3"}));
    // An index of indexes.
    manifest(10, 100);
    facts_.children.push_back({10, 8});
    EXPECT_EQ(plan(), Words({"manifest 10", "manifest 8", "manifest 3"}));
    facts_.manifests.back().pulled_at_ms = kNow;
    EXPECT_EQ(plan(), Words());
}

TEST_F(RetentionTest, AChildThatWasPushedForAnIndexStaysByItsAge) {
    manifest(1, 0);
    manifest(8, 100);
    facts_.children = {{8, 1}};
    policy_.delete_untagged_days = 1;
    EXPECT_EQ(plan(), Words({"manifest 8"}));
}

TEST_F(RetentionTest, ReferrersStayWithTheirSubjectAndGoAfterIt) {
    image("v1", 1, 100);
    manifest(2, 100).subject = 1;
    manifest(3, 100).subject = 2;  // of a signature its own
    policy_.delete_untagged_days = 7;
    EXPECT_EQ(plan(), Words());
    facts_.tags.clear();
    EXPECT_EQ(plan(), Words({"manifest 1", "manifest 2", "manifest 3"}));
    // With a tag it stays; its subject does not for that.
    tag("sbom", 2, 100);
    EXPECT_EQ(plan(), Words({"manifest 1"}));
    // Of a subject that is not here.
    facts_.tags.clear();
    facts_.manifests.erase(facts_.manifests.begin());
    EXPECT_EQ(plan(), Words({"manifest 2", "manifest 3"}));
}

TEST_F(RetentionTest, ReferrersOfAChildStayWithTheIndex) {
    image("v1", 9, 100);
    manifest(1, 100);
    manifest(2, 100).subject = 1;
    facts_.children = {{9, 1}};
    policy_.delete_untagged_days = 7;
    EXPECT_EQ(plan(), Words());
}

TEST_F(RetentionTest, TagsOfCosignStayWithTheirImageAndGoWithIt) {
    image("v1", 1, 100);
    image("v2", 2, 99);
    image(companion_tag(1, ".sig"), 11, 100);
    image(companion_tag(1, ".att"), 12, 100);
    image(companion_tag(1, ""), 13, 100);
    image(companion_tag(2, ".sbom"), 14, 100);
    policy_.keep_last = 1;
    policy_.delete_untagged_days = 7;
    EXPECT_EQ(plan(), Words({"tag v1"}));  // they neither count nor go
    std::erase_if(facts_.tags, [](const auto& one) { return one.tag == "v1"; });
    auto first = companion_tag(1, ".sig");
    auto second = companion_tag(1, ".att");
    auto third = companion_tag(1, "");
    auto gone = plan();
    ASSERT_EQ(gone.size(), 7U);
    EXPECT_EQ(gone[0], "manifest 1");
    auto at = [&](const std::string& word) {
        return std::find(gone.begin(), gone.end(), word) - gone.begin();
    };
    EXPECT_LT(at("tag " + first), at("manifest 11"));
    EXPECT_LT(at("tag " + second), at("manifest 12"));
    EXPECT_LT(at("tag " + third), at("manifest 13"));
    // Immutable ones stay though their image does not.
    immutable_.push_back({pattern("**"), *TagPattern::parse("sha256-*.sig")});
    gone = plan();
    EXPECT_EQ(gone.size(), 5U);
    EXPECT_EQ(std::count(gone.begin(), gone.end(), "tag " + first), 0);
}

TEST_F(RetentionTest, TagsOfCosignForImagesElsewhere) {
    image(companion_tag(1, ".sig"), 11, 100);
    image(companion_tag(2, ".sig"), 12, 99);
    image("v1", 3, 98);
    facts_.elsewhere = {companion_key(digest_text(1))};
    policy_.keep_last = 1;
    policy_.delete_untagged_days = 7;
    // Of an image that nobody has it is a tag like any other.
    EXPECT_EQ(plan(), Words({"tag " + companion_tag(2, ".sig")}));
}

TEST_F(RetentionTest, WhatLeadsToItselfStays) {
    manifest(1, 100);
    image(companion_tag(1, ".sig"), 2, 100);
    facts_.children = {{2, 1}};
    policy_.delete_untagged_days = 7;
    EXPECT_EQ(plan(), Words());
}

TEST_F(RetentionTest, TheMostSpecificPolicyCountsAlone) {
    std::vector<RetentionPolicy> policies;
    for (const auto* text : {"**", "team/**", "team/*", "team/app", "*/app"}) {
        policies.push_back({pattern(text)});
    }
    auto found = [&](std::string_view name) {
        const auto* one = policy_of(policies, name);
        return one == nullptr ? std::string() : one->pattern.text();
    };
    EXPECT_EQ(found("team/app"), "team/app");
    EXPECT_EQ(found("team/web"), "team/**");  // as near, and longer
    EXPECT_EQ(found("team/web/x"), "team/**");
    EXPECT_EQ(found("other/app"), "*/app");
    EXPECT_EQ(found("other/web"), "**");
    policies.erase(policies.begin());
    EXPECT_EQ(found("other/web"), "");
}

TEST(TagPatternTest, Matches) {
    struct Case {
        const char* pattern;
        const char* tag;
        bool matches;
    };
    for (const auto& one : {
             Case{"v*", "v1.2", true},
             Case{"v*", "V1", false},
             Case{"*", "anything", true},
             Case{"v1", "v1", true},
             Case{"v1", "v11", false},
             Case{"*-rc*", "1.0-rc2", true},
             Case{"*-rc*", "1.0-r-c", false},
             Case{"a*b*c", "a_b_b_c", true},
             Case{"a*b*c", "a_b_b_c_", false},
             Case{"**", "x", true},
             Case{"*.*.*", "1.2.3", true},
             Case{"*.*.*", "1.2", false},
         }) {
        EXPECT_EQ(TagPattern::parse(one.pattern)->matches(one.tag), one.matches)
            << one.pattern << " " << one.tag;
    }
    for (const auto* bad : {"", "-a", ".a", "a b", "a/b", "a:b", "(a|b)"}) {
        EXPECT_FALSE(TagPattern::parse(bad)) << bad;
    }
    EXPECT_FALSE(TagPattern::parse(std::string(129, 'a')));
}

TEST(CompanionTest, Names) {
    std::string hex(64, '0');
    EXPECT_EQ(companion_of("sha256-" + hex), "sha256:" + hex);
    EXPECT_EQ(companion_of("sha256-" + hex + ".sig"), "sha256:" + hex);
    EXPECT_EQ(companion_of("sha512-" + hex), "sha512:" + hex);
    EXPECT_EQ(companion_key("sha512:" + hex + hex), "sha512:" + hex);
    for (const auto& other :
         {"sha256-" + hex + ".txt", "sha256-" + hex + "0", "sha256:" + hex,
          "sha256-" + hex.substr(1), "sha256-" + std::string(64, 'G'),
          "x-sha256-" + hex}) {
        EXPECT_FALSE(companion_of(other)) << other;
    }
}

TEST(RetentionPolicyTest, Checks) {
    RetentionPolicy policy{pattern("a")};
    EXPECT_FALSE(check_policy(policy));
    policy.keep_last = 1;
    EXPECT_TRUE(check_policy(policy));
    EXPECT_EQ(policy_text(policy), "keep last 1");
    policy.delete_untagged_days = 1;
    policy.keep_tags = {*TagPattern::parse("v*"), *TagPattern::parse("w")};
    EXPECT_EQ(policy_text(policy),
              "keep last 1, keep tags v* w, delete untagged after 1 day");
    for (auto member :
         {&RetentionPolicy::keep_last, &RetentionPolicy::keep_pulled_days,
          &RetentionPolicy::keep_younger_days,
          &RetentionPolicy::delete_untagged_days}) {
        auto bad = policy;
        bad.*member = -1;
        EXPECT_FALSE(check_policy(bad));
        bad.*member = kMaxRetentionDays + 1;
        EXPECT_FALSE(check_policy(bad));
    }
}

}  // namespace
}  // namespace longshore
