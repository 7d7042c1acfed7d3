// The garbage collector against everybody else, without any grace: what keeps
// it away then are the locks and the order of its steps alone.
#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>

#include "daemon_fixture.hpp"
#include "registry/garbage.hpp"
#include "registry/links.hpp"
#include "store/digest_locks.hpp"

namespace longshore {
namespace {

using std::chrono::milliseconds;

TEST(DigestLocksTest, TheCollectorWaitsForSharersAndTheyForIt) {
    DigestLocks locks;
    auto digest = digest_of(Algorithm::sha256, "a");
    auto stripe = DigestLocks::stripe_of(digest);
    {
        auto first = locks.share(digest);
        auto second = locks.share(digest);
        EXPECT_FALSE(locks.try_alone(stripe, milliseconds(0)));
        EXPECT_TRUE(locks.try_alone(stripe ^ 1, milliseconds(0)));
        auto moved = std::move(second);
    }
    auto alone = locks.try_alone(stripe, milliseconds(0));
    ASSERT_TRUE(alone);
    EXPECT_FALSE(locks.try_alone(stripe, milliseconds(0)));
    std::atomic<bool> shared = false;
    std::thread sharer([&] {
        auto held = locks.share(digest);
        shared = true;
    });
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_FALSE(shared);
    alone.reset();
    sharer.join();
    EXPECT_TRUE(shared);
}

class GarbageTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_ready();
        garbage_ = std::make_unique<GarbageCollector>(
            *database_, *store_, publisher_->links(),
            [this](const std::vector<std::string>& keys) {
                drops_.insert(drops_.end(), keys.begin(), keys.end());
            });
    }
    void TearDown() override {
        garbage_.reset();
        RootTest::TearDown();
    }

    Collected collect(bool deep = false) {
        CollectOptions options;
        options.grace_s = 0;
        options.deep = deep;
        auto done = garbage_->run(options);
        EXPECT_TRUE(static_cast<bool>(done));
        return done ? *done : Collected{};
    }

    // Blobs and a manifest of them, as often as it takes. The digest.
    Digest push_all(const std::string& name,
                    const std::vector<std::string>& layers,
                    const std::string& mark) {
        nlohmann::json body = {{"mediaType", "m"}, {"mark", mark}};
        for (const auto& layer : layers) {
            body["layers"].push_back(sha256_of(layer).str());
        }
        auto text = body.dump();
        ManifestDraft draft;
        draft.bytes = text;
        draft.digest = sha256_of(text);
        draft.facts = *read_facts(text, "");
        draft.tags = {mark};
        for (;;) {
            for (const auto& layer : layers) {
                auto digest = store_blob(layer);
                // Taken before it was linked: nothing was promised.
                (void)publisher_->link_blob(access_to(name), digest, "");
            }
            auto put = publisher_->put_manifest(access_to(name), draft);
            if (put) {
                return draft.digest;
            }
            EXPECT_EQ(put.error().reason, "MANIFEST_BLOB_UNKNOWN");
        }
    }

    static void make_old(const Path& path) {
        timespec times[] = {{0, UTIME_OMIT}, {1'000'000'000, 0}};
        ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    }

    std::unique_ptr<GarbageCollector> garbage_;
    std::vector<std::string> drops_;
};

TEST_F(GarbageTest, TakesALinkThenTheBlob) {
    auto blob = store_blob("one");
    ASSERT_OK(publisher_->link_blob(access_to("a"), blob, ""));
    auto done = collect();
    EXPECT_EQ(done.links, 1);
    EXPECT_EQ(done.blobs, 1);
    EXPECT_EQ(done.bytes, 3);
    EXPECT_EQ(drops_, std::vector<std::string>{"b,a"});
    EXPECT_FALSE(store_->exists(layout::blob_folder(root_, blob)));
    EXPECT_FALSE(store_->exists(layout::layer_link(root_, "a", blob)));
    EXPECT_FALSE(catalog_->blob(access_to("a"), blob));
    done = collect();
    EXPECT_EQ(done.links + done.blobs + done.kept, 0);
}

TEST_F(GarbageTest, SomebodyAtWorkKeepsIt) {
    auto blob = store_blob("one");
    ASSERT_OK(publisher_->link_blob(access_to("a"), blob, ""));
    {
        auto held = store_->locks()->share(blob);
        auto done = collect();
        EXPECT_EQ(done.links + done.blobs, 0);
        EXPECT_EQ(done.kept, 1);
    }
    EXPECT_EQ(collect().blobs, 1);
}

// What happens between the last look from outside and the rename.
class Meanwhile final : public FaultyStore {
public:
    using FaultyStore::FaultyStore;
    std::function<void(const Path&)> before;
    std::function<void()> after;

    Result<std::optional<Aside>> set_aside(const Path& path) override {
        if (before) {
            before(path);
        }
        auto aside = FaultyStore::set_aside(path);
        if (after) {
            after();
        }
        return aside;
    }
};

TEST_F(GarbageTest, AHeadAtTheLastMomentIsSeen) {
    auto blob = store_blob("one");
    ASSERT_OK(publisher_->link_blob(access_to("a"), blob, ""));
    Meanwhile store(*store_);
    store.before = [&](const Path& path) { (void)store_->touch(path); };
    GarbageCollector garbage(*database_, store, publisher_->links(), {});
    CollectOptions options;
    options.grace_s = 3600;
    for (const auto& path : {layout::layer_link(root_, "a", blob),
                             layout::blob_data(root_, blob)}) {
        make_old(path);
    }
    auto done = garbage.run(options);
    ASSERT_OK(done);
    EXPECT_EQ(done->links + done->blobs, 0);
    EXPECT_EQ(done->kept, 1);
    EXPECT_EQ(link(layout::layer_link(root_, "a", blob)), blob.str());
    // The same of the bytes, once no repository has them.
    ASSERT_OK(publisher_->delete_blob(access_to("a"), blob, ""));
    make_old(layout::blob_data(root_, blob));
    done = garbage.run(options);
    ASSERT_OK(done);
    EXPECT_EQ(done->blobs, 0);
    auto bytes = store_->read(blob, 10);
    EXPECT_TRUE(bytes && *bytes == "one");
}

TEST_F(GarbageTest, AnEndBetweenRenameAndCommitLeavesNothingHalf) {
    auto blob = store_blob("one");
    auto text =
        std::string(R"({"mediaType":"m","layers":[")") + blob.str() + R"("]})";
    ASSERT_OK(publisher_->link_blob(access_to("a"), blob, ""));
    auto path = layout::layer_link(root_, "a", blob);
    {
        Meanwhile store(*store_);
        store.after = [] { throw std::runtime_error("the end"); };
        GarbageCollector garbage(*database_, store, publisher_->links(), {});
        CollectOptions options;
        options.grace_s = 0;
        EXPECT_THROW((void)garbage.run(options), std::runtime_error);
    }
    ASSERT_FALSE(store_->exists(path));
    garbage_.reset();
    close();
    open();
    ASSERT_OK(publisher_->start());
    EXPECT_EQ(link(path), blob.str());
    ManifestDraft draft;
    draft.bytes = text;
    draft.digest = sha256_of(text);
    draft.facts = *read_facts(text, "");
    ASSERT_OK(publisher_->put_manifest(access_to("a"), draft));
}

TEST_F(GarbageTest, WhatIsReferredToIsNeverOutOfSight) {
    const std::vector<std::string> layers = {"l0", "l1", "l2", "l3"};
    std::atomic<bool> stop = false;
    std::atomic<int> pushes = 0;
    std::thread collector([&] {
        while (!stop) {
            collect(pushes % 7 == 0);
        }
    });
    auto work = [&](int number) {
        auto name = "name" + std::to_string(number % 2);
        for (int i = 0; !stop; ++i) {
            auto mark = "t" + std::to_string(number);
            std::vector<std::string> some = {
                layers[static_cast<std::size_t>(i + number) % 4],
                layers[static_cast<std::size_t>(i / 2) % 4]};
            auto manifest =
                push_all(name, some, mark + "-" + std::to_string(i));
            for (int look = 0; look < 10; ++look) {
                EXPECT_TRUE(store_->exists(layout::blob_data(root_, manifest)));
                for (const auto& layer : some) {
                    auto digest = sha256_of(layer);
                    auto bytes = store_->read(digest, 100);
                    ASSERT_TRUE(bytes && *bytes == layer);
                    ASSERT_OK(catalog_->blob(access_to(name), digest));
                }
            }
            ASSERT_OK(
                publisher_->delete_manifest(access_to(name), manifest, ""));
            ++pushes;
        }
    };
    std::vector<std::thread> workers;
    for (int number = 0; number < 4; ++number) {
        workers.emplace_back(work, number);
    }
    std::this_thread::sleep_for(std::chrono::seconds(3));
    stop = true;
    for (auto& worker : workers) {
        worker.join();
    }
    collector.join();
    EXPECT_GT(pushes, 20);
    collect(true);
    // Nothing is left, in the tables or on disk.
    std::size_t left = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(root_ + "/docker")) {
        left += entry.is_regular_file() ? 1 : 0;
    }
    EXPECT_EQ(left, 0U);
}

}  // namespace
}  // namespace longshore
