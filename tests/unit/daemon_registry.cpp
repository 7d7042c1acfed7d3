// Catalog and Publisher over a real database and store.
#include <chrono>
#include <thread>

#include <nlohmann/json.hpp>

#include "daemon_fixture.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "registry/links.hpp"

namespace longshore {
namespace {

using Json = nlohmann::json;

class RegistryTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_ready();
    }

    std::size_t events(std::string_view type) {
        std::size_t count = 0;
        EXPECT_TRUE(static_cast<bool>(
            database_->read([&](Transaction& t) -> Result<void> {
                LS_TRY(all, db::list_events(t, 1000, 0));
                for (const auto& event : all) {
                    count += event.type == type ? 1 : 0;
                }
                return {};
            })));
        return count;
    }
};

TEST_F(RegistryTest, ManifestComesBackByTagAndDigest) {
    auto written = push("john/busybox", "{\"a\":1}\n ", {"latest"});
    ASSERT_OK(written);
    auto digest = sha256_of("{\"a\":1}\n ");
    EXPECT_EQ(written->drops,
              (std::vector<std::string>{"m,john/busybox," + digest.str(),
                                        "m,john/busybox,latest"}));
    for (const auto& reference : {std::string("latest"), digest.str()}) {
        auto found = catalog_->manifest(access_to("john/busybox"), reference);
        ASSERT_OK(found);
        EXPECT_EQ(found->digest, digest);
        EXPECT_EQ(found->media_type, facts_.media_type);
        auto bytes = catalog_->manifest_bytes(*found);
        ASSERT_OK(bytes);
        EXPECT_EQ(*bytes, "{\"a\":1}\n ");
    }
    EXPECT_EQ(link(layout::tag_current(root_, "john/busybox", "latest")),
              digest.text());
    EXPECT_EQ(link(layout::tag_index(root_, "john/busybox", "latest", digest)),
              digest.text());
    EXPECT_EQ(link(layout::revision_link(root_, "john/busybox", digest)),
              digest.text());
    EXPECT_EQ(events("manifest.pushed"), 1U);
    EXPECT_EQ(events("tag.moved"), 1U);
}

TEST_F(RegistryTest, DamagedManifestIsNotServed) {
    ASSERT_OK(push("a", "{}", {"x"}));
    spit(layout::blob_data(root_, sha256_of("{}")).str(), "[]");
    auto found = catalog_->manifest(access_to("a"), "x");
    ASSERT_OK(found);
    auto bytes = catalog_->manifest_bytes(*found);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().code, Code::corrupt);
    // Pushing it again heals it.
    ASSERT_OK(push("a", "{}", {"x"}));
    ASSERT_OK(catalog_->manifest_bytes(*found));
}

TEST_F(RegistryTest, UnknownNameAndUnknownManifestDiffer) {
    auto none = catalog_->manifest(access_to("a"), "x");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().reason, "NAME_UNKNOWN");
    ASSERT_OK(push("a", "{}", {"y"}));
    none = catalog_->manifest(access_to("a"), "x");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().reason, "MANIFEST_UNKNOWN");
    ASSERT_OK(publisher_->delete_manifest(access_to("a"), sha256_of("{}"), ""));
    none = catalog_->manifest(access_to("a"), "y");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().reason, "NAME_UNKNOWN");
}

TEST_F(RegistryTest, AllMissingBlobsAreNamed) {
    auto here = store_blob("here");
    ASSERT_OK(publisher_->link_blob(access_to("a"), here, ""));
    auto gone1 = sha256_of("gone1");
    auto gone2 = sha256_of("gone2");
    auto elsewhere = store_blob("elsewhere");  // in the store, not in "a"
    using Kind = ManifestReference::Kind;
    for (const auto& [kind, digest, must] :
         {std::tuple(Kind::config, gone1, true),
          std::tuple(Kind::layer, here, true),
          std::tuple(Kind::layer, gone2, true),
          std::tuple(Kind::layer, gone2, true),
          std::tuple(Kind::layer, elsewhere, true),
          std::tuple(Kind::layer, sha256_of("foreign"), false)}) {
        facts_.references.push_back({kind, {"t", digest, 4}, must});
    }
    auto refused = push("a", "{}", {"x"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::not_found);
    EXPECT_EQ(refused.error().reason, "MANIFEST_BLOB_UNKNOWN");
    EXPECT_EQ(Json::parse(refused.error().detail),
              Json({gone1.str(), gone2.str(), elsewhere.str()}));
    // Nothing of it is visible, nor are its bytes kept.
    EXPECT_FALSE(catalog_->manifest(access_to("a"), "x"));
    EXPECT_FALSE(store_->size(sha256_of("{}")));
    for (const auto* text : {"gone1", "gone2", "elsewhere"}) {
        ASSERT_OK(publisher_->link_blob(access_to("a"), store_blob(text), ""));
    }
    ASSERT_OK(push("a", "{}", {"x"}));
}

TEST_F(RegistryTest, BlobsOfAnotherNameAreMissing) {
    auto layer = store_blob("layer");
    ASSERT_OK(publisher_->link_blob(access_to("b"), layer, ""));
    ASSERT_OK(publisher_->link_blob(access_to("a"), store_blob("own"), ""));
    facts_.references = {
        {ManifestReference::Kind::layer, {"t", layer, 5}, true}};
    auto refused = push("a", "{}", {"x"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "MANIFEST_BLOB_UNKNOWN");
    ASSERT_OK(push("b", "{}", {"x"}));
}

TEST_F(RegistryTest, ReferrersOfAnotherNameAreNotListed) {
    ASSERT_OK(push("a", "{}", {"x"}));
    facts_.subject = sha256_of("{}");
    ASSERT_OK(push("b", "{\"of\":\"b\"}", {}));
    for (const auto* name : {"a", "b"}) {
        auto found =
            catalog_->referrers(access_to(name), sha256_of("{}"), "", 10, "");
        ASSERT_OK(found);
        EXPECT_EQ(found->items.size(), name[0] == 'b' ? 1U : 0U);
    }
}

// `_` and `%` are wildcards of SQL, and letters of either case are one to it.
TEST_F(RegistryTest, NamesAreNoPatterns) {
    ASSERT_OK(push("axb", "{\"of\":\"axb\"}", {"vx1", "V1"}));
    for (const auto* alike : {"vx1", "V1", "v_1", "v1"}) {
        EXPECT_FALSE(catalog_->manifest(access_to("a_b"), alike));
    }
    ASSERT_OK(push("a_b", "{\"of\":\"a_b\"}", {"v_1"}));
    auto own = catalog_->manifest(access_to("a_b"), "v_1");
    ASSERT_OK(own);
    EXPECT_EQ(own->digest, sha256_of("{\"of\":\"a_b\"}"));
    for (const auto* alike : {"vx1", "v_2", "v1"}) {
        EXPECT_FALSE(catalog_->manifest(access_to("a_b"), alike)) << alike;
    }
    for (const auto* alike : {"v_1", "v1", "VX1"}) {
        EXPECT_FALSE(catalog_->manifest(access_to("axb"), alike)) << alike;
        EXPECT_FALSE(publisher_->delete_tag(access_to("axb"), alike, ""));
    }
    ASSERT_OK(push("a_b", "{\"of\":\"a_b\"}", {"vx1"}));
    ASSERT_OK(publisher_->delete_tag(access_to("a_b"), "v_1", ""));
    EXPECT_TRUE(catalog_->manifest(access_to("a_b"), "vx1"));
    auto tags = catalog_->tags(access_to("axb"), 10, "");
    ASSERT_OK(tags);
    EXPECT_EQ(tags->items, (std::vector<std::string>{"V1", "vx1"}));
}

TEST_F(RegistryTest, SparseIndexIsPolicy) {
    facts_.references = {
        {ManifestReference::Kind::child, {"t", sha256_of("child"), 5}, true}};
    ASSERT_OK(push("a", "sparse", {"x"}));
    Publisher strict(*database_, *store_, ManifestPolicy{false});
    ManifestDraft draft;
    draft.bytes = "strict";
    draft.digest = sha256_of("strict");
    draft.facts = facts_;
    auto refused = strict.put_manifest(access_to("a"), draft);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "MANIFEST_BLOB_UNKNOWN");
    facts_.references.clear();
    ASSERT_OK(push("a", "child", {}));
    EXPECT_TRUE(strict.put_manifest(access_to("a"), draft));
}

TEST_F(RegistryTest, Conditions) {
    auto d1 = sha256_of("1");
    auto d2 = sha256_of("2");
    TagCondition none_match{{}, false, true};
    TagCondition any_match{{}, true, false};
    auto code = [](const Result<Written>& result) {
        return result ? Code::internal : result.error().code;
    };
    EXPECT_EQ(code(push("a", "1", {"x"}, any_match)),
              Code::precondition_failed);
    EXPECT_EQ(code(push("a", "1", {"x"}, {{d1}, false, false})),
              Code::precondition_failed);
    ASSERT_OK(push("a", "1", {"x"}, none_match));
    EXPECT_EQ(code(push("a", "2", {"x"}, none_match)),
              Code::precondition_failed);
    EXPECT_EQ(code(push("a", "2", {"x"}, {{d2}, false, false})),
              Code::precondition_failed);
    EXPECT_EQ(catalog_->manifest(access_to("a"), "x")->digest, d1);
    ASSERT_OK(push("a", "2", {"x"}, {{d2, d1}, false, false}));
    ASSERT_OK(push("a", "3", {"x"}, any_match));
    EXPECT_EQ(code(push("a", "3", {}, none_match)), Code::precondition_failed);
}

// Only one of many If-None-Match pushes may win, whatever the timing.
TEST_F(RegistryTest, ConcurrentCreatesHaveOneWinner) {
    std::atomic<int> won{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            won +=
                push("a", std::to_string(i), {"x"}, {{}, false, true}) ? 1 : 0;
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(won, 1);
}

TEST_F(RegistryTest, ConcurrentMovesLeaveDiskAndTablesEqual) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            for (int j = 0; j < 20; ++j) {
                auto text = std::to_string(i) + "." + std::to_string(j);
                EXPECT_TRUE(push("a", text, {"x"}));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    auto found = catalog_->manifest(access_to("a"), "x");
    ASSERT_OK(found);
    EXPECT_EQ(link(layout::tag_current(root_, "a", "x")), found->digest.text());
    EXPECT_EQ(events("manifest.pushed"), 160U);
}

TEST_F(RegistryTest, DeleteOfManifestTakesItsTags) {
    ASSERT_OK(push("a", "1", {"x", "y"}));
    ASSERT_OK(push("a", "2", {"z"}));
    auto written =
        publisher_->delete_manifest(access_to("a"), sha256_of("1"), "");
    ASSERT_OK(written);
    EXPECT_EQ(written->drops.size(), 3U);
    auto tags = catalog_->tags(access_to("a"), 10, "");
    ASSERT_OK(tags);
    EXPECT_EQ(tags->items, std::vector<std::string>{"z"});
    EXPECT_FALSE(catalog_->manifest(access_to("a"), sha256_of("1").text()));
    EXPECT_FALSE(
        std::filesystem::exists(layout::tag_folder(root_, "a", "x").str()));
    EXPECT_FALSE(std::filesystem::exists(
        layout::revision_link(root_, "a", sha256_of("1")).str()));
    auto again =
        publisher_->delete_manifest(access_to("a"), sha256_of("1"), "");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().reason, "MANIFEST_UNKNOWN");
}

TEST_F(RegistryTest, DeleteOfTagKeepsManifest) {
    ASSERT_OK(push("a", "1", {"x", "y"}));
    ASSERT_OK(publisher_->delete_tag(access_to("a"), "x", ""));
    EXPECT_FALSE(catalog_->manifest(access_to("a"), "x"));
    EXPECT_TRUE(catalog_->manifest(access_to("a"), "y"));
    EXPECT_TRUE(catalog_->manifest(access_to("a"), sha256_of("1").text()));
    EXPECT_FALSE(publisher_->delete_tag(access_to("a"), "x", ""));
    ASSERT_OK(push("a", "1", {"x"}));
    EXPECT_EQ(link(layout::tag_current(root_, "a", "x")),
              sha256_of("1").text());
}

TEST_F(RegistryTest, BlobIsLinkedAndUnlinked) {
    auto digest = sha256_of("layer");
    auto absent = publisher_->link_blob(access_to("a"), digest, "");
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().reason, "BLOB_UNKNOWN");
    store_blob("layer");
    ASSERT_OK(publisher_->link_blob(access_to("a"), digest, ""));
    ASSERT_OK(publisher_->link_blob(access_to("a"), digest, ""));
    EXPECT_EQ(events("blob.pushed"), 1U);
    EXPECT_EQ(link(layout::layer_link(root_, "a", digest)), digest.text());
    auto size = catalog_->blob(access_to("a"), digest);
    ASSERT_OK(size);
    EXPECT_EQ(*size, 5U);
    EXPECT_FALSE(catalog_->blob(access_to("b"), digest));
    auto owners = catalog_->names_with_blob(digest, 10, "");
    ASSERT_OK(owners);
    EXPECT_EQ(owners->items, std::vector<std::string>{"a"});
    // A link file that got lost comes back with the next push.
    std::filesystem::remove(layout::layer_link(root_, "a", digest).str());
    ASSERT_OK(publisher_->link_blob(access_to("a"), digest, ""));
    EXPECT_EQ(link(layout::layer_link(root_, "a", digest)), digest.text());

    auto written = publisher_->delete_blob(access_to("a"), digest, "");
    ASSERT_OK(written);
    EXPECT_EQ(written->drops, std::vector<std::string>{"b,a"});
    EXPECT_FALSE(catalog_->blob(access_to("a"), digest));
    EXPECT_FALSE(
        std::filesystem::exists(layout::layer_link(root_, "a", digest).str()));
    EXPECT_FALSE(publisher_->delete_blob(access_to("a"), digest, ""));
    auto nobody = catalog_->names_with_blob(digest, 10, "");
    ASSERT_OK(nobody);
    EXPECT_TRUE(nobody->items.empty());
}

TEST_F(RegistryTest, DeleteOfBlobIsFinishedByTheRetry) {
    auto digest = store_blob("layer");
    ASSERT_OK(publisher_->link_blob(access_to("a"), digest, ""));
    FaultyStore faulty(*store_);
    Publisher publisher(*database_, faulty, ManifestPolicy{});
    auto path = layout::layer_link(root_, "a", digest).str();
    faulty.fail_below = path;
    EXPECT_FALSE(publisher.delete_blob(access_to("a"), digest, ""));
    EXPECT_FALSE(catalog_->blob(access_to("a"), digest));
    auto written = publisher.delete_blob(access_to("a"), digest, "");
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().code, Code::not_found);
    faulty.fail_below.clear();
    written = publisher.delete_blob(access_to("a"), digest, "");
    ASSERT_OK(written);
    EXPECT_EQ(written->drops, std::vector<std::string>{"b,a"});
    EXPECT_FALSE(std::filesystem::exists(path));
    written = publisher.delete_blob(access_to("a"), digest, "");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Code::not_found);
    EXPECT_EQ(events("blob.deleted"), 1U);
}

TEST_F(RegistryTest, WhatAFailedSyncMayHaveLostIsWrittenAgain) {
    auto path = layout::tag_current(root_, "a", "x").str();
    auto left = [&] {
        std::size_t count = 0;
        EXPECT_TRUE(database_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(intents, db::list_intents(t, 10, 0));
            count = intents.size();
            return {};
        }));
        return count;
    };
    FaultyStore faulty(*store_);
    db::Intent intent{0, db::Intent::Kind::tag, "a", "x"};
    ASSERT_OK(push("a", "1", {"x"}));
    publisher_.reset();
    {
        Links links(*database_, *store_);
        ASSERT_OK(links.start());
    }
    ASSERT_EQ(left(), 0U);
    ASSERT_OK(database_->write(
        [&](Transaction& t) { return db::add_intent(t, intent); }));
    {
        Links links(*database_, faulty);
        ASSERT_OK(links.apply({intent}));
        EXPECT_EQ(faulty.written, "");  // it reads as it should
        faulty.fail_sync = true;
        EXPECT_FALSE(links.sweep());
        faulty.fail_sync = false;
        ASSERT_OK(links.sweep());
        EXPECT_EQ(left(), 1U);  // the success says nothing of it
    }
    Links links(*database_, faulty);
    ASSERT_OK(links.start());
    EXPECT_EQ(faulty.written, path);
    EXPECT_EQ(left(), 0U);
}

TEST_F(RegistryTest, ThousandsOfLinksAreLateButNotLost) {
    constexpr int kTags = 1500;
    ASSERT_OK(push("a", "1", {"kept"}));
    publisher_.reset();
    auto folder = [&](int tag) {
        return layout::tag_folder(root_, "a", "t" + std::to_string(tag)).str();
    };
    for (int i = 0; i < kTags; ++i) {
        std::filesystem::create_directories(folder(i) + "/current");
    }
    ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
        for (int i = 0; i < kTags; ++i) {
            db::Intent intent{0, db::Intent::Kind::tag, "a",
                              "t" + std::to_string(i)};
            LS_CHECK(db::add_intent(t, intent));
        }
        return {};
    }));
    auto left = [&] {
        int count = 0;
        for (int i = 0; i < kTags; ++i) {
            count += std::filesystem::exists(folder(i)) ? 1 : 0;
        }
        return count;
    };
    {
        Links links(*database_, *store_);
        ASSERT_OK(links.start());
        // An end comes at any time, and waits for none of them.
    }
    Links links(*database_, *store_);
    ASSERT_OK(links.start());
    for (int i = 0; i < 2000 && left() > 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(left(), 0);
    EXPECT_TRUE(
        std::filesystem::exists(layout::tag_folder(root_, "a", "kept").str()));
}

TEST_F(RegistryTest, TagsArePagedBytewise) {
    std::vector<std::string> all = {"A",  "B",  "_x",  "a", "a.b",
                                    "a_", "v1", "v10", "v2"};
    for (auto tag = all.rbegin(); tag != all.rend(); ++tag) {
        ASSERT_OK(push("a", "1", {*tag}));
    }
    std::sort(all.begin(), all.end());
    for (std::size_t n = 1; n <= all.size() + 1; ++n) {
        std::vector<std::string> seen;
        std::string last;
        for (bool more = true; more;) {
            auto page = catalog_->tags(access_to("a"), n, last);
            ASSERT_OK(page);
            ASSERT_LE(page->items.size(), n);
            seen.insert(seen.end(), page->items.begin(), page->items.end());
            more = page->more;
            last = seen.back();
        }
        EXPECT_EQ(seen, all) << n;
    }
    auto page = catalog_->tags(access_to("a"), 2, "a-not-there");
    ASSERT_OK(page);
    EXPECT_EQ(page->items, (std::vector<std::string>{"a.b", "a_"}));
    EXPECT_EQ(catalog_->tags(access_to("b"), 2, "").error().reason,
              "NAME_UNKNOWN");
}

TEST_F(RegistryTest, NamesArePagedAndEmptyOnesLeftOut) {
    for (const auto* name : {"b", "a/b", "a", "a-b"}) {
        ASSERT_OK(push(name, "1", {"x"}));
    }
    ASSERT_OK(publisher_->delete_manifest(access_to("b"), sha256_of("1"), ""));
    auto page = catalog_->names(2, "");
    ASSERT_OK(page);
    EXPECT_EQ(page->items, (std::vector<std::string>{"a", "a-b"}));
    EXPECT_TRUE(page->more);
    page = catalog_->names(2, "a-b");
    ASSERT_OK(page);
    EXPECT_EQ(page->items, std::vector<std::string>{"a/b"});
    EXPECT_FALSE(page->more);
    page = catalog_->names(0, "");
    ASSERT_OK(page);
    EXPECT_TRUE(page->items.empty());
}

TEST_F(RegistryTest, Referrers) {
    auto subject = sha256_of("subject");
    std::vector<std::string> digests;
    for (int i = 0; i < 5; ++i) {
        facts_.subject = subject;
        facts_.artifact_type = i % 2 == 0 ? "sbom" : "signature";
        facts_.annotations = R"({"n":")" + std::to_string(i) + "\"}";
        auto text = "referrer" + std::to_string(i);
        ASSERT_OK(push("a", text, {}));
        digests.push_back(sha256_of(text).str());
    }
    std::sort(digests.begin(), digests.end());
    std::vector<std::string> seen;
    std::string last;
    for (bool more = true; more;) {
        auto page = catalog_->referrers(access_to("a"), subject, "", 2, last);
        ASSERT_OK(page);
        for (const auto& item : page->items) {
            seen.push_back(item.manifest.digest.str());
            EXPECT_FALSE(item.annotations.empty());
        }
        more = page->more;
        last = seen.back();
    }
    EXPECT_EQ(seen, digests);
    auto signatures =
        catalog_->referrers(access_to("a"), subject, "signature", 10, "");
    ASSERT_OK(signatures);
    EXPECT_EQ(signatures->items.size(), 2U);
    auto elsewhere = catalog_->referrers(access_to("b"), subject, "", 10, "");
    ASSERT_OK(elsewhere);
    EXPECT_TRUE(elsewhere->items.empty());
    ASSERT_OK(publisher_->delete_manifest(access_to("a"),
                                          sha256_of("referrer0"), ""));
    auto fewer = catalog_->referrers(access_to("a"), subject, "", 10, "");
    ASSERT_OK(fewer);
    EXPECT_EQ(fewer->items.size(), 4U);
}

// Few and long ones: a page ends before they fill the memory.
TEST_F(RegistryTest, ReferrersWithLongAnnotationsArePagedEarly) {
    auto subject = sha256_of("subject");
    facts_.subject = subject;
    facts_.annotations = R"({"n":")" + std::string(1 << 20, 'x') + "\"}";
    std::vector<std::string> digests;
    for (int i = 0; i < 7; ++i) {
        auto text = "long" + std::to_string(i);
        ASSERT_OK(push("a", text, {}));
        digests.push_back(sha256_of(text).str());
    }
    std::sort(digests.begin(), digests.end());
    auto page = catalog_->referrers(access_to("a"), subject, "", 1000, "");
    ASSERT_OK(page);
    // Two are longer than 2 MiB; the third says that there is more.
    ASSERT_EQ(page->items.size(), 3U);
    for (std::size_t i = 0; i < page->items.size(); ++i) {
        EXPECT_EQ(page->items[i].manifest.digest.str(), digests[i]);
    }
    page = catalog_->referrers(access_to("a"), subject, "", 2, digests[4]);
    ASSERT_OK(page);
    EXPECT_EQ(page->items.size(), 2U);
    EXPECT_FALSE(page->more);
}

// Only a manifest that names the subject is a referrer, not what else an
// index lists under the tag that clients without the API keep.
TEST_F(RegistryTest, FallbackTagAloneMakesNoReferrer) {
    auto subject = sha256_of("subject");
    facts_.artifact_type = "sbom";
    ASSERT_OK(push("a", "old", {}));
    facts_.subject = sha256_of("another");
    ASSERT_OK(push("a", "others", {}));
    facts_.subject = subject;
    ASSERT_OK(push("a", "new", {}));
    facts_.subject.reset();
    using Kind = ManifestReference::Kind;
    for (const auto* text : {"old", "others", "new", "absent"}) {
        facts_.references.push_back(
            {Kind::child, {"t", sha256_of(text), 3}, true});
    }
    facts_.artifact_type = "";
    ASSERT_OK(push("a", "index", {"sha256-" + std::string(subject.encoded())}));
    auto page = catalog_->referrers(access_to("a"), subject, "", 10, "");
    ASSERT_OK(page);
    ASSERT_EQ(page->items.size(), 1U);
    EXPECT_EQ(page->items[0].manifest.digest, sha256_of("new"));
}

TEST_F(RegistryTest, MissingSpoolIsNoAnswerToTheClientsQuestion) {
    std::filesystem::remove(root_ + "/spool");
    auto put = store_->put(sha256_of("x"), "x");
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code, Code::unavailable);
}

TEST_F(RegistryTest, OldFilesOfTheSpoolAreSweptAtStart) {
    using namespace std::chrono_literals;
    auto now = std::filesystem::file_time_type::clock::now();
    // Of registryd, of nginx, and of somebody who is neither.
    for (const auto* name : {"d1", "n1", "x1"}) {
        auto path = root_ + "/spool/" + name;
        spit(path, "old");
        std::filesystem::last_write_time(path, now - 25h);
        spit(path + "young", "being written");
        std::filesystem::last_write_time(path + "young", now - 23h);
    }
    ASSERT_OK(open_file_store(root_));
    for (const auto* name : {"d1", "n1"}) {
        EXPECT_FALSE(std::filesystem::exists(root_ + "/spool/" + name));
    }
    for (const auto* name : {"x1", "d1young", "n1young", "x1young"}) {
        EXPECT_TRUE(std::filesystem::exists(root_ + "/spool/" + name));
    }
}

TEST_F(RegistryTest, TemporaryGoesWhenItsPlaceCannotBeMade) {
    spit(root_ + "/docker", "no folder");
    auto put = store_->put(sha256_of("x"), "x");
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code, Code::unavailable);
    EXPECT_TRUE(std::filesystem::is_empty(root_ + "/spool"));
}

}  // namespace
}  // namespace longshore
