// A directory written by another registry, crash recovery of link files,
// uploads, and the jobs that go with them.
#include <sys/wait.h>
#include <unistd.h>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>

#include "common/oci_path.hpp"
#include "common/upload_state.hpp"
#include "daemon_fixture.hpp"
#include "db/journal.hpp"
#include "jobs/indexer.hpp"
#include "jobs/outbox.hpp"
#include "registry/uploads.hpp"

namespace longshore {
namespace {

class TakeoverTest : public RootTest {
protected:
    Digest lay_blob(const std::string& bytes) {
        auto digest = sha256_of(bytes);
        spit(layout::blob_data(root_, digest).str(), bytes);
        return digest;
    }
    Digest lay_manifest(std::string_view name, const std::string& bytes) {
        auto digest = lay_blob(bytes);
        spit(layout::revision_link(root_, name, digest).str(), digest.text());
        return digest;
    }
    void lay_tag(std::string_view name, std::string_view tag,
                 const Digest& digest) {
        spit(layout::tag_current(root_, name, tag).str(), digest.text());
        spit(layout::tag_index(root_, name, tag, digest).str(), digest.text());
    }
    void lay_layer(std::string_view name, const std::string& bytes) {
        auto digest = lay_blob(bytes);
        spit(layout::layer_link(root_, name, digest).str(), digest.text());
    }

    void lay_all() {
        lay_layer("a/b", "layer");
        first_ = lay_manifest("a/b", R"({"mediaType":"t/1","layers":[")" +
                                         sha256_of("layer").str() + "\"]}");
        lay_tag("a/b", "one", first_);
        second_ = lay_manifest(
            "a/b", R"({"mediaType":"t/2","subject":")" + first_.str() + "\"}");
        lay_tag("a/b", "two", second_);
        schema1_ = lay_manifest("c", R"({"schemaVersion":1,"name":"c"})");
        lay_tag("c", "old", schema1_);
        // What a registry leaves behind: a link without its blob, a tag
        // without current, a folder with uploads only, a stray file.
        auto gone = sha256_of("gone");
        spit(layout::revision_link(root_, "c", gone).str(), gone.text());
        lay_tag("c", "dangling", gone);
        std::filesystem::create_directories(
            layout::tag_folder(root_, "c", "empty").str() + "/index");
        spit(layout::upload_data(root_, "only-uploads",
                                 "00000000-0000-4000-8000-000000000000")
                 .str(),
             "x");
        spit(layout::repositories(root_).str() + "/stray", "x");
    }

    std::vector<std::string> tags(std::string_view name) {
        auto page = catalog_->tags(access_to(name), 100, "");
        return page ? page->items : std::vector<std::string>{};
    }

    Digest first_;
    Digest second_;
    Digest schema1_;
};

TEST_F(TakeoverTest, IsServedBeforeItIsIndexed) {
    lay_all();
    open();
    auto found = catalog_->manifest(access_to("a/b"), "one");
    ASSERT_OK(found);
    EXPECT_EQ(found->digest, first_);
    EXPECT_EQ(found->media_type, "t/1");
    ASSERT_OK(catalog_->manifest_bytes(*found));
    ASSERT_OK(catalog_->manifest(access_to("a/b"), second_.text()));
    ASSERT_OK(catalog_->blob(access_to("a/b"), sha256_of("layer")));
    EXPECT_EQ(tags("a/b"), (std::vector<std::string>{"one", "two"}));
    auto none = catalog_->manifest(access_to("a/b"), "three");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().reason, "MANIFEST_UNKNOWN");
    none = catalog_->manifest(access_to("nobody"), "three");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().reason, "NAME_UNKNOWN");
    // Referrers are complete from the first answer.
    auto page = catalog_->referrers(access_to("a/b"), first_, "", 10, "");
    ASSERT_OK(page);
    ASSERT_EQ(page->items.size(), 1U);
    EXPECT_EQ(page->items[0].manifest.digest, second_);
}

TEST_F(TakeoverTest, IsCompleteAfterIndexing) {
    lay_all();
    open();
    ASSERT_OK(Indexer(*takeover_).run());
    ASSERT_TRUE(takeover_->complete());
    // From now on the disk is not asked any more.
    std::filesystem::remove_all(layout::repositories(root_).str());
    auto names = catalog_->names(10, "");
    ASSERT_OK(names);
    EXPECT_EQ(names->items, (std::vector<std::string>{"a/b", "c"}));
    EXPECT_EQ(tags("a/b"), (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(tags("c"), std::vector<std::string>{"old"});
    auto found = catalog_->manifest(access_to("c"), "old");
    ASSERT_OK(found);
    EXPECT_EQ(found->media_type,
              "application/vnd.docker.distribution.manifest.v1+prettyjws");
    ASSERT_OK(catalog_->blob(access_to("a/b"), sha256_of("layer")));
    // A second life knows that it is done.
    close();
    open();
    EXPECT_TRUE(takeover_->complete());
}

TEST_F(TakeoverTest, WhatIsPushedMeanwhileWins) {
    lay_all();
    open();
    ASSERT_OK(publisher_->start());
    ASSERT_OK(push("a/b", "new", {"one"}));
    EXPECT_EQ(catalog_->manifest(access_to("a/b"), "one")->digest,
              sha256_of("new"));
    take_over();
    EXPECT_EQ(catalog_->manifest(access_to("a/b"), "one")->digest,
              sha256_of("new"));
    EXPECT_EQ(catalog_->manifest(access_to("a/b"), "two")->digest, second_);
}

TEST_F(TakeoverTest, WhatIsDeletedMeanwhileStaysDeleted) {
    lay_all();
    open();
    ASSERT_OK(publisher_->start());
    ASSERT_OK(publisher_->delete_tag(access_to("a/b"), "one", ""));
    ASSERT_OK(publisher_->delete_manifest(access_to("a/b"), second_, ""));
    ASSERT_OK(
        publisher_->delete_blob(access_to("a/b"), sha256_of("layer"), ""));
    auto check = [&] {
        EXPECT_FALSE(catalog_->manifest(access_to("a/b"), "one"));
        EXPECT_FALSE(catalog_->manifest(access_to("a/b"), "two"));
        EXPECT_FALSE(catalog_->manifest(access_to("a/b"), second_.text()));
        EXPECT_TRUE(catalog_->manifest(access_to("a/b"), first_.text()));
        EXPECT_FALSE(catalog_->blob(access_to("a/b"), sha256_of("layer")));
        EXPECT_TRUE(tags("a/b").empty());
    };
    check();
    take_over();
    check();
}

TEST_F(TakeoverTest, PushMayBuildOnWhatIsOnlyOnDisk) {
    lay_all();
    open();
    ASSERT_OK(publisher_->start());
    facts_.references = {
        {ManifestReference::Kind::layer, {"t", sha256_of("layer"), 5}, true}};
    ASSERT_OK(push("a/b", "new", {"three"}));
    TagCondition if_match{{first_}, false, false};
    ASSERT_OK(push("a/b", "newer", {"one"}, if_match));
}

// What cannot be read now is not absent: the name is indexed later, and the
// others meanwhile.
TEST_F(TakeoverTest, FailingDiskIsNotAnEmptyOne) {
    lay_all();
    open();
    FaultyStore faulty(*store_);
    Takeover takeover(*database_, faulty, read_facts);
    auto name = layout::repository(root_, "a/b").str();
    faulty.fail_below = name + "/_manifests";
    EXPECT_FALSE(takeover.find_names());
    EXPECT_FALSE(takeover.linked("a/b", sha256_of("layer")) &&
                 takeover.on_disk("a/b"));
    faulty.fail_below.clear();
    ASSERT_OK(takeover.find_names());
    for (const auto& broken :
         {name + "/_manifests", name + "/_layers",
          layout::revision_link(root_, "a/b", first_).str(),
          layout::layer_link(root_, "a/b", sha256_of("layer")).str(),
          layout::tag_current(root_, "a/b", "one").str(),
          layout::blob_data(root_, first_).str(),
          layout::blob_data(root_, sha256_of("layer")).str()}) {
        faulty.fail_below = broken;
        EXPECT_FALSE(takeover.adopt("a/b")) << broken;
    }
    std::size_t failed = 0;
    for (int i = 0; i < 4; ++i) {
        auto step = takeover.step();
        failed += step ? 0 : 1;
        EXPECT_FALSE(step && !*step);
    }
    EXPECT_EQ(failed, 3U);  // the other name was not held up
    EXPECT_FALSE(takeover.complete());
    faulty.fail_below.clear();
    ASSERT_OK(Indexer(takeover).run());
    ASSERT_OK(takeover_->open());
    EXPECT_TRUE(takeover_->complete());
    EXPECT_EQ(tags("a/b"), (std::vector<std::string>{"one", "two"}));
    EXPECT_TRUE(catalog_->blob(access_to("a/b"), sha256_of("layer")));
}

TEST_F(TakeoverTest, FaultInTheReaderFreesTheName) {
    lay_all();
    open();
    Takeover takeover(
        *database_, *store_,
        [](std::string_view, std::string_view) -> Result<ManifestFacts> {
            throw std::runtime_error("fault");
        });
    ASSERT_OK(takeover.find_names());
    for (int i = 0; i < 2; ++i) {
        auto adopted = takeover.adopt("a/b");
        ASSERT_FALSE(adopted);
        EXPECT_EQ(adopted.error().code, Code::internal);
    }
}

// Holds what reads a manifest until it is opened.
struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    int inside = 0;
    bool open = false;
};
Gate gate;

TEST_F(TakeoverTest, WaitingForANameIsBoundedAndEnds) {
    using Clock = std::chrono::steady_clock;
    lay_all();
    lay_manifest("d", "{}");
    open();
    Takeover takeover(
        *database_, *store_,
        [](std::string_view, std::string_view) -> Result<ManifestFacts> {
            std::unique_lock guard(gate.mutex);
            ++gate.inside;
            gate.changed.notify_all();
            gate.changed.wait(guard, [] { return gate.open; });
            return ManifestFacts{};
        });
    ASSERT_OK(takeover.find_names());
    auto other = std::async(std::launch::async, [&] {
        return static_cast<bool>(takeover.adopt("a/b"));
    });
    auto client = std::async(std::launch::async, [&] {
        return static_cast<bool>(takeover.adopt("c"));
    });
    {
        std::unique_lock guard(gate.mutex);
        gate.changed.wait(guard, [] { return gate.inside == 2; });
    }
    auto begin = Clock::now();
    for (const auto* name : {"a/b", "d"}) {
        auto refused = takeover.adopt(name);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::unavailable);
    }
    auto took = Clock::now() - begin;
    EXPECT_GE(took, std::chrono::seconds(4));
    EXPECT_LT(took, std::chrono::seconds(8));
    auto waiter = std::async(std::launch::async, [&] {
        return static_cast<bool>(takeover.adopt("a/b"));
    });
    takeover.end();
    EXPECT_EQ(waiter.wait_for(std::chrono::milliseconds(1900)),
              std::future_status::ready);
    EXPECT_FALSE(waiter.get());
    {
        std::lock_guard guard(gate.mutex);
        gate.open = true;
    }
    gate.changed.notify_all();
    // It had another manifest before it, which it does not begin.
    EXPECT_FALSE(other.get());
    client.wait();
    EXPECT_FALSE(takeover.complete());
    EXPECT_FALSE(takeover.adopt("d"));
}

// Killed between commit and link file: the next start puts the link there.
TEST_F(TakeoverTest, LinksAreReplayedAfterKill) {
    auto child = ::fork();
    if (child == 0) {
        RootTest::open();
        (void)takeover_->find_names();
        (void)takeover_->step();
        if (!publisher_->start() || !push("a", "1", {"x", "gone"})) {
            ::_exit(1);
        }
        // Where the links would go is no folder: every link file fails.
        auto folder = layout::repository(root_, "a").str() + "/_manifests";
        std::filesystem::rename(folder, root_ + "/aside");
        spit(folder, "in the way");
        if (!push("a", "2", {"x"}) ||
            !publisher_->delete_tag(access_to("a"), "gone", "")) {
            ::_exit(1);
        }
        std::filesystem::remove(folder);
        std::filesystem::rename(root_ + "/aside", folder);
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    auto old = sha256_of("1");
    ASSERT_EQ(link(layout::tag_current(root_, "a", "x")), old.text());
    ASSERT_EQ(link(layout::tag_current(root_, "a", "gone")), old.text());

    open();
    EXPECT_EQ(catalog_->manifest(access_to("a"), "x")->digest, sha256_of("2"));
    ASSERT_OK(publisher_->start());
    EXPECT_EQ(link(layout::tag_current(root_, "a", "x")),
              sha256_of("2").text());
    EXPECT_EQ(link(layout::revision_link(root_, "a", sha256_of("2"))),
              sha256_of("2").text());
    EXPECT_FALSE(
        std::filesystem::exists(layout::tag_folder(root_, "a", "gone").str()));
    std::size_t left = 1;
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(intents, db::list_intents(t, 10, 0));
        left = intents.size();
        return {};
    }));
    EXPECT_EQ(left, 0U);
}

TEST_F(TakeoverTest, UploadBeginsAndIsPurgedByAge) {
    open();
    Uploads uploads(*store_);
    auto id = uploads.start(access_to("a/b"), Algorithm::sha512);
    ASSERT_OK(id);
    EXPECT_TRUE(is_upload_id(*id));
    auto state = decode_upload_state(
        slurp(layout::upload_state(root_, "a/b", *id).str()));
    ASSERT_TRUE(state.has_value());
    EXPECT_EQ(state->offset, 0U);
    EXPECT_EQ(state->hash.algorithm, Algorithm::sha512);
    EXPECT_FALSE(
        std::filesystem::exists(layout::upload_data(root_, "a/b", *id).str()));
    EXPECT_EQ(slurp(layout::upload_startedat(root_, "a/b", *id).str()).size(),
              20U);
    auto purged = uploads.purge(3600);
    ASSERT_OK(purged);
    EXPECT_EQ(*purged, 0U);
    // Written to lately: stays, however old the rest is.
    auto old =
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(2);
    auto folder = layout::upload_folder(root_, "a/b", *id).str();
    auto age = [&](const std::string& path) {
        std::filesystem::last_write_time(path, old);
    };
    std::ofstream(folder + "/data") << "bytes";
    age(folder);
    age(folder + "/state");
    EXPECT_EQ(*uploads.purge(3600), 0U);
    age(folder + "/data");
    EXPECT_EQ(*uploads.purge(3600), 1U);
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(TakeoverTest, OutboxIsReadConfirmedAndSwept) {
    open();
    Outbox outbox(*database_);
    for (int i = 0; i < 5; ++i) {
        ASSERT_OK(push("a", std::to_string(i), {}));
    }
    auto events = outbox.events(0, 3);
    ASSERT_OK(events);
    ASSERT_EQ(events->size(), 3U);
    EXPECT_EQ((*events)[0].type, "manifest.pushed");
    EXPECT_EQ((*events)[0].digest, sha256_of("0").text());
    EXPECT_LT((*events)[0].id, (*events)[1].id);
    ASSERT_OK(outbox.confirm("hook", (*events)[1].id));
    ASSERT_OK(outbox.confirm("hook", (*events)[0].id));
    EXPECT_EQ(*outbox.position("hook"), (*events)[1].id);
    EXPECT_EQ(*outbox.sweep(3600, 100), 2);
    EXPECT_EQ(*outbox.sweep(3600, 1), 2);
    EXPECT_EQ(outbox.events(0, 10)->size(), 1U);
    EXPECT_EQ(*outbox.sweep(-10, 100), 1);
}

}  // namespace
}  // namespace longshore
