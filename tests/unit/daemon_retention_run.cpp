// Runs of retention against those who push and pull meanwhile: each finds its
// moment between the plan and the transaction that removes.
#include <algorithm>
#include <atomic>
#include <functional>
#include <set>
#include <thread>
#include <utility>

#include "common/clock.hpp"
#include "daemon_fixture.hpp"
#include "db/retention.hpp"
#include "registry/links.hpp"
#include "registry/retention.hpp"
#include "registry/retention_rules.hpp"
#include "registry/uses.hpp"

namespace longshore {
namespace {

constexpr std::int64_t kOldMs = 40 * kRetentionDayMs;

class RetentionRunTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_ready();
        uses_ = std::make_unique<Uses>(*database_);
        ASSERT_OK(uses_->start());
        catalog_->attach(*uses_);
        retention_ = std::make_unique<Retention>(
            *database_, publisher_->links(), *uses_,
            [this](const std::vector<std::string>& keys) {
                drops_.insert(drops_.end(), keys.begin(), keys.end());
                if (auto meanwhile = std::exchange(meanwhile_, {})) {
                    meanwhile();
                }
            },
            std::chrono::milliseconds(0));
        rules_ = std::make_unique<RetentionRules>(*database_, Actor{});
        NewRetentionPolicy policy;
        policy.pattern = "**";
        policy.keep_younger_days = 30;
        policy.keep_pulled_days = 30;
        policy.delete_untagged_days = 30;
        ASSERT_OK(rules_->set(policy));
    }
    void TearDown() override {
        retention_.reset();
        uses_.reset();
        RootTest::TearDown();
    }

    // The rules of "a" from now on.
    void keep_last(std::int64_t n) {
        NewRetentionPolicy policy;
        policy.pattern = "a";
        policy.keep_last = n;
        policy.delete_untagged_days = 30;
        ASSERT_OK(rules_->set(policy));
    }

    // As if all that is there had been there for long.
    void age() {
        ASSERT_OK(uses_->flush());
        auto then = unix_ms() - kOldMs;
        ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
            LS_TRY(tags, t.execute("UPDATE tags SET moved_at_ms = $1", {then}));
            LS_TRY(manifests,
                   t.execute("UPDATE manifests SET pushed_at_ms = $1", {then}));
            LS_TRY(uses, t.execute("DELETE FROM manifest_uses", {}));
            static_cast<void>(tags + manifests + uses);
            return db::set_uses_since(t, then);
        }));
    }

    // Names in `gone` what goes: "tag x", "manifest TEXT".
    RetentionOptions naming(std::vector<std::string>& gone) {
        RetentionOptions options;
        options.now_ms = unix_ms();
        options.visit = [&](std::string_view, const Removal& one) {
            gone.push_back(one.kind == Removal::Kind::tag
                               ? "tag " + one.tag
                               : "manifest " + text_of(one.digest));
        };
        return options;
    }
    std::vector<std::string> run(RetentionReport* report = nullptr) {
        std::vector<std::string> gone;
        auto done = retention_->run(naming(gone));
        EXPECT_TRUE(static_cast<bool>(done));
        if (report != nullptr && done) {
            *report = *done;
        }
        return gone;
    }
    std::string text_of(const std::string& digest) {
        auto text = store_->read(*Digest::parse(digest), 1000);
        return text ? *text : "?";
    }
    bool is_there(std::string_view reference) {
        return static_cast<bool>(catalog_->manifest(access_to("a"), reference));
    }
    using Words = std::vector<std::string>;

    std::unique_ptr<Uses> uses_;
    std::unique_ptr<Retention> retention_;
    std::unique_ptr<RetentionRules> rules_;
    std::vector<std::string> drops_;
    std::function<void()> meanwhile_;
};

TEST_F(RetentionRunTest, RemovesAsADeleteDoes) {
    ASSERT_OK(push("a", "one", {"x"}));
    ASSERT_OK(push("a", "two", {}));
    age();
    EXPECT_EQ(run(), Words({"tag x", "manifest two"}));
    // Untagged from now on; nobody has asked for it.
    EXPECT_EQ(run(), Words());
    EXPECT_FALSE(is_there("x"));
    EXPECT_TRUE(is_there(sha256_of("one").text()));
    EXPECT_FALSE(is_there(sha256_of("two").text()));
    EXPECT_EQ(std::count(drops_.begin(), drops_.end(), "m,a,x"), 1);
    EXPECT_FALSE(store_->exists(layout::tag_current(root_, "a", "x")));
    EXPECT_FALSE(
        store_->exists(layout::revision_link(root_, "a", sha256_of("two"))));
    age();
    EXPECT_EQ(run(), Words({"manifest one"}));
}

TEST_F(RetentionRunTest, APreviewSaysWhatTheRunDoes) {
    ASSERT_OK(push("a", "one", {"x"}));
    ASSERT_OK(push("b", "two", {"y", "z"}));
    ASSERT_OK(push("c", "three", {}));
    age();
    Words told;
    auto report = preview_retention(*database_, naming(told));
    ASSERT_OK(report);
    EXPECT_EQ(report->tags, 3);
    EXPECT_EQ(report->manifests, 1);
    EXPECT_EQ(told.size(), 4U);
    EXPECT_EQ(run(), told);
}

TEST_F(RetentionRunTest, WhatIsPushedMeanwhileStays) {
    ASSERT_OK(push("a", "one", {"moved", "again", "gone"}));
    ASSERT_OK(push("a", "two", {}));
    ASSERT_OK(push("a", "three", {}));
    ASSERT_OK(push("a", "four", {}));
    age();
    meanwhile_ = [this] {
        ASSERT_OK(push("a", "new", {"moved"}));
        ASSERT_OK(push("a", "one", {"again"}));
        ASSERT_OK(push("a", "two", {}));          // for an index
        ASSERT_OK(push("a", "three", {"kept"}));  // tagged
    };
    RetentionReport report;
    EXPECT_EQ(run(&report), Words({"tag gone", "manifest four"}));
    EXPECT_EQ(report.spared, 4);
    for (const auto* tag : {"moved", "again", "kept"}) {
        EXPECT_TRUE(is_there(tag)) << tag;
    }
}

TEST_F(RetentionRunTest, WhatIsPulledMeanwhileStays) {
    ASSERT_OK(push("a", "one", {"pulled"}));
    ASSERT_OK(push("a", "two", {"gone"}));
    ASSERT_OK(push("a", "three", {}));
    ASSERT_OK(push("a", "four", {}));
    age();
    meanwhile_ = [this] {
        EXPECT_TRUE(is_there("pulled"));
        EXPECT_TRUE(is_there(sha256_of("three").text()));
    };
    EXPECT_EQ(run(), Words({"tag gone", "manifest four"}));
    // It is known later too.
    ASSERT_OK(uses_->flush());
    EXPECT_EQ(run(), Words());
}

TEST_F(RetentionRunTest, RulesThatChangeMeanwhileCount) {
    ASSERT_OK(push("a", "one", {"x", "y"}));
    ASSERT_OK(push("a", "two", {}));
    age();
    meanwhile_ = [this] {
        ASSERT_OK(rules_->add_immutable("a", "x"));
        NewRetentionPolicy policy;
        policy.pattern = "a";
        policy.keep_last = 1;
        ASSERT_OK(rules_->set(policy));
    };
    EXPECT_EQ(run(), Words());  // "y" is the newest
    ASSERT_OK(rules_->remove_immutable("a", "x"));
    EXPECT_EQ(run(), Words({"tag x"}));
}

TEST_F(RetentionRunTest, TheLastOfTheNewestIsLookedForAgain) {
    ASSERT_OK(push("a", "one", {"a", "b", "c", "d"}));
    ASSERT_OK(push("a", "two", {}));
    keep_last(2);
    age();
    meanwhile_ = [this] {
        ASSERT_OK(publisher_->delete_tag(access_to("a"), "d", ""));
    };
    EXPECT_EQ(run(), Words({"tag a", "manifest two"}));
    EXPECT_TRUE(is_there("b"));
    EXPECT_TRUE(is_there("c"));
}

TEST_F(RetentionRunTest, TagsOfCosignAreNotAmongTheNewest) {
    ASSERT_OK(push("a", "image", {"a", "b", "c"}));
    auto tag = "sha256-" + std::string(sha256_of("image").encoded()) + ".sig";
    ASSERT_OK(push("a", "signature", {tag}));
    ASSERT_OK(push("a", "two", {}));
    keep_last(2);
    age();
    meanwhile_ = [this] {
        ASSERT_OK(publisher_->delete_tag(access_to("a"), "c", ""));
    };
    EXPECT_EQ(run(), Words({"manifest two"}));
    EXPECT_TRUE(is_there("a"));
}

TEST_F(RetentionRunTest, ATagThatIsPushedMeanwhileIsAmongTheNewest) {
    ASSERT_OK(push("a", "one", {"a", "b"}));
    ASSERT_OK(push("a", "two", {}));
    keep_last(1);
    age();
    meanwhile_ = [this] { ASSERT_OK(push("a", "one", {"a"})); };
    EXPECT_EQ(run(), Words({"manifest two"}));
    EXPECT_EQ(run(), Words({"tag b"}));
}

TEST_F(RetentionRunTest, TagsOfCosignGoWithTheirImageAtOnce) {
    ASSERT_OK(push("a", "image", {}));
    auto tag = "sha256-" + std::string(sha256_of("image").encoded()) + ".sig";
    ASSERT_OK(push("a", "signature", {tag}));
    age();
    RetentionReport report;
    EXPECT_EQ(run(&report),
              Words({"manifest image", "tag " + tag, "manifest signature"}));
    EXPECT_EQ(report.spared, 0);
}

TEST_F(RetentionRunTest, WhatIsPulledBetweenTwoBatchesStays) {
    Words many;
    for (int i = 0; i < 100; ++i) {
        many.push_back("t" + std::to_string(i));
    }
    ASSERT_OK(push("a", "one", many));
    ASSERT_OK(push("a", "two", {"a"}));
    age();
    meanwhile_ = [this] { EXPECT_TRUE(is_there("a")); };
    RetentionReport report;
    EXPECT_EQ(run(&report).size(), 100U);
    EXPECT_EQ(report.spared, 1);
    EXPECT_TRUE(is_there("a"));
}

TEST_F(RetentionRunTest, AnIndexThatStaysKeepsItsChildren) {
    ASSERT_OK(push("a", "child", {}));
    std::string text = "index";
    ManifestDraft draft;
    draft.bytes = text;
    draft.digest = sha256_of(text);
    draft.facts = facts_;
    draft.facts.references.push_back(
        {ManifestReference::Kind::child, {"t", sha256_of("child"), 5}, true});
    ASSERT_OK(publisher_->put_manifest(access_to("a"), draft));
    age();
    meanwhile_ = [&] { EXPECT_TRUE(is_there(draft.digest.text())); };
    RetentionReport report;
    EXPECT_EQ(run(&report), Words());
    EXPECT_EQ(report.spared, 2);
    age();
    EXPECT_EQ(run(), Words({"manifest index", "manifest child"}));
}

TEST_F(RetentionRunTest, WhoAsksWhileItGoesWaitsAndFindsItGone) {
    std::set<std::string> used;
    auto digest = sha256_of("one").str();
    std::atomic<bool> noted = false;
    std::thread asker;
    {
        auto closed = uses_->close("a", {digest}, used);
        EXPECT_TRUE(used.empty());
        asker = std::thread([&] {
            uses_->note("a", digest);
            noted = true;
        });
        uses_->note("b", digest);
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        EXPECT_FALSE(noted);
    }
    asker.join();
    auto closed = uses_->close("a", {digest}, used);
    EXPECT_EQ(used, std::set<std::string>{digest});
}

TEST_F(RetentionRunTest, AUseIsWrittenOnceAnHour) {
    ASSERT_OK(push("a", "one", {"x"}));
    age();
    auto pulled = [&] {
        std::int64_t at_ms = 0;
        EXPECT_TRUE(static_cast<bool>(
            database_->read([&](Transaction& t) -> Result<void> {
                LS_TRY(use, db::find_use(t, "a", "x"));
                at_ms = use->pulled_at_ms;
                return {};
            })));
        return at_ms;
    };
    EXPECT_EQ(pulled(), 0);
    EXPECT_TRUE(is_there("x"));
    EXPECT_EQ(pulled(), 0);
    ASSERT_OK(uses_->flush());
    auto first = pulled();
    EXPECT_GT(first, 0);
    EXPECT_TRUE(is_there(sha256_of("one").text()));
    ASSERT_OK(uses_->flush());
    EXPECT_EQ(pulled(), first);
}

TEST_F(RetentionRunTest, ImmutableTagsRefuse) {
    ASSERT_OK(push("a", "one", {"v1", "w1"}));
    ASSERT_OK(push("b", "one", {"v1"}));
    ASSERT_OK(rules_->add_immutable("a", "v*"));
    auto refused = [](const auto& result) {
        return !result && result.error().code == Code::conflict &&
               result.error().reason == "DENIED";
    };
    EXPECT_TRUE(refused(push("a", "two", {"v1"})));
    EXPECT_TRUE(refused(push("a", "two", {"w1", "v1"})));
    EXPECT_FALSE(is_there(sha256_of("two").text()));
    EXPECT_TRUE(refused(publisher_->delete_tag(access_to("a"), "v1", "")));
    EXPECT_TRUE(refused(
        publisher_->delete_manifest(access_to("a"), sha256_of("one"), "")));
    ASSERT_OK(push("a", "one", {"v1"}));  // the same
    ASSERT_OK(push("a", "two", {"v2"}));  // a new one
    ASSERT_OK(push("b", "two", {"v1"}));  // elsewhere
    ASSERT_OK(publisher_->delete_tag(access_to("a"), "w1", ""));
    ASSERT_OK(rules_->remove_immutable("a", "v*"));
    ASSERT_OK(push("a", "two", {"v1"}));
}

// Does something just before it stores the bytes of a manifest: its push has
// looked at the tags, and has not written yet.
class StoreWithAMoment : public FaultyStore {
public:
    using FaultyStore::FaultyStore;
    std::function<void()> moment;

    Result<void> put(const Digest& digest, std::string_view bytes) override {
        if (auto now = std::exchange(moment, {})) {
            now();
        }
        return FaultyStore::put(digest, bytes);
    }
};

TEST_F(RetentionRunTest, WhoComesSecondFindsTheTagImmutable) {
    ASSERT_OK(rules_->add_immutable("a", "v*"));
    StoreWithAMoment store(*store_);
    store.moment = [this] { ASSERT_OK(push("a", "first", {"v1"})); };
    Publisher late(*database_, store, ManifestPolicy{});
    std::string text = "second";
    ManifestDraft draft;
    draft.bytes = text;
    draft.digest = sha256_of(text);
    draft.facts = facts_;
    draft.tags = {"v1"};
    auto second = late.put_manifest(access_to("a"), draft);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().reason, "DENIED");
    auto tagged = catalog_->manifest(access_to("a"), "v1");
    ASSERT_OK(tagged);
    EXPECT_EQ(tagged->digest, sha256_of("first"));
}

TEST_F(RetentionRunTest, WhatAnImmutableTagLeadsToStays) {
    auto layer = store_blob("layer");
    ASSERT_OK(publisher_->link_blob(access_to("a"), layer, ""));
    std::string child = "child";
    ManifestDraft draft;
    draft.bytes = child;
    draft.digest = sha256_of(child);
    draft.facts = facts_;
    draft.facts.references.push_back(
        {ManifestReference::Kind::layer, {"t", layer, 5}, true});
    ASSERT_OK(publisher_->put_manifest(access_to("a"), draft));
    std::string index = "index";
    draft.bytes = index;
    draft.digest = sha256_of(index);
    draft.facts = facts_;
    draft.facts.references.push_back(
        {ManifestReference::Kind::child, {"t", sha256_of(child), 5}, true});
    draft.tags = {"v1"};
    ASSERT_OK(publisher_->put_manifest(access_to("a"), draft));
    ASSERT_OK(rules_->add_immutable("**", "v1"));
    for (const auto& digest : {sha256_of(index), sha256_of(child)}) {
        auto gone = publisher_->delete_manifest(access_to("a"), digest, "");
        ASSERT_FALSE(gone);
        EXPECT_EQ(gone.error().reason, "DENIED");
        EXPECT_NE(gone.error().message.find("tag v1 of a is immutable"),
                  std::string::npos);
    }
    auto gone = publisher_->delete_blob(access_to("a"), layer, "");
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().reason, "DENIED");
    // What is not here is not refused, it is not here.
    auto absent =
        publisher_->delete_manifest(access_to("a"), sha256_of("none"), "");
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code, Code::not_found);
}

}  // namespace
}  // namespace longshore
