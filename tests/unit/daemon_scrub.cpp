// The scrubber: what it takes away, what it leaves, and who brings it back.
#include <atomic>
#include <map>
#include <thread>

#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon_fixture.hpp"
#include "db/oci.hpp"
#include "db/runs.hpp"
#include "db/scrub.hpp"
#include "registry/scrubber.hpp"
#include "store/stored_files.hpp"

namespace longshore {
namespace {

namespace fs = std::filesystem;
using Verdict = StoredFiles::Verdict;

bool go_on(std::size_t) {
    return true;
}

class ScrubTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_ready();
        auto files = StoredFiles::open(root_);
        ASSERT_OK(files);
        files_ = std::move(*files);
        scrubber_ = std::make_unique<Scrubber>(
            *database_, *store_->locks(), *files_,
            [this](const std::vector<std::string>& keys) {
                drops_.insert(drops_.end(), keys.begin(), keys.end());
            });
        options_.again_after = std::chrono::milliseconds(0);
    }
    void TearDown() override {
        scrubber_.reset();
        files_.reset();
        RootTest::TearDown();
    }

    db::Scrub begin() {
        db::Scrub scrub;
        scrub.state = "running";
        EXPECT_TRUE(static_cast<bool>(database_->write(
            [&](Transaction& t) { return db::add_scrub(t, scrub); })));
        return scrub;
    }

    // A whole pass; how many it took away.
    std::int64_t scrub() {
        auto scrub = begin();
        auto whole = scrubber_->run(scrub, options_);
        EXPECT_TRUE(whole && *whole);
        return scrub.damaged;
    }

    // Digest → state of what is damaged.
    std::map<std::string, std::string> damaged() {
        std::map<std::string, std::string> open;
        (void)database_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(found, db::open_damages(t, 1000, "", ""));
            for (const auto& one : found) {
                open[one.digest] = one.state;
            }
            return {};
        });
        return open;
    }

    std::string data(const Digest& digest) const {
        return layout::blob_data(root_, digest).str();
    }

    Digest push_blob(std::string_view bytes) {
        auto digest = store_blob(bytes);
        EXPECT_TRUE(static_cast<bool>(
            publisher_->link_blob(access_to("a"), digest, "")));
        return digest;
    }

    std::unique_ptr<StoredFiles> files_;
    std::unique_ptr<Scrubber> scrubber_;
    ScrubOptions options_;
    std::vector<std::string> drops_;
};

TEST_F(ScrubTest, TakesWhatIsWrongAndAPushBringsItBack) {
    auto good = push_blob("good");
    auto bad = push_blob("bad");
    EXPECT_EQ(scrub(), 0);
    spit(data(bad), "bed");
    EXPECT_EQ(scrub(), 1);
    EXPECT_TRUE(store_->exists(layout::blob_data(root_, good)));
    EXPECT_FALSE(store_->exists(layout::blob_data(root_, bad)));
    EXPECT_EQ(damaged()[bad.str()], "quarantined");
    EXPECT_EQ(drops_, (std::vector<std::string>{"b,a", "s"}));
    auto lost = catalog_->blob(access_to("a"), bad);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().reason, "BLOB_UNKNOWN");
    // It is still a blob of the repository, and not damaged twice.
    EXPECT_TRUE(store_->exists(layout::layer_link(root_, "a", bad)));
    EXPECT_EQ(scrub(), 0);
    push_blob("bad");
    EXPECT_TRUE(damaged().empty());
    EXPECT_TRUE(static_cast<bool>(catalog_->blob(access_to("a"), bad)));
}

TEST_F(ScrubTest, ManifestsOfWhatIsDamagedAreRefused) {
    auto layer = push_blob("layer");
    spit(data(layer), "later");
    EXPECT_EQ(scrub(), 1);
    auto text =
        nlohmann::json{{"mediaType", "m"}, {"layers", {layer.str()}}}.dump();
    ManifestDraft draft;
    draft.bytes = text;
    draft.digest = sha256_of(text);
    draft.facts = *read_facts(text, "");
    auto put = publisher_->put_manifest(access_to("a"), draft);
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().reason, "MANIFEST_BLOB_UNKNOWN");
    push_blob("layer");
    ASSERT_OK(publisher_->put_manifest(access_to("a"), draft));
    // The manifest itself.
    spit(data(draft.digest), "no manifest");
    EXPECT_EQ(scrub(), 1);
    auto known = catalog_->manifest(access_to("a"), draft.digest.text());
    ASSERT_OK(known);
    for (const auto& error : {catalog_->check_there(*known).error(),
                              catalog_->manifest_bytes(*known).error()}) {
        EXPECT_EQ(error.reason, "MANIFEST_UNKNOWN");
    }
    ASSERT_OK(publisher_->put_manifest(access_to("a"), draft));
    EXPECT_TRUE(damaged().empty());
    ASSERT_OK(catalog_->manifest_bytes(*known));
}

// The row says that it was taken away, but it was not: as after a crash
// between the two, or a power cut that undid the rename.
TEST_F(ScrubTest, ACrashBeforeTheRenameIsMadeGood) {
    auto bad = push_blob("bad");
    auto healed = push_blob("healed");
    spit(data(bad), "bed");
    for (const auto& digest : {bad, healed}) {
        ASSERT_OK(database_->write([&](Transaction& t) {
            db::Damage damage;
            damage.digest = digest.str();
            damage.state = "quarantined";
            return db::put_damage(t, damage);
        }));
    }
    ASSERT_OK(scrubber_->look_again(options_));
    EXPECT_FALSE(store_->exists(layout::blob_data(root_, bad)));
    EXPECT_TRUE(store_->exists(layout::blob_data(root_, healed)));
    EXPECT_EQ(damaged().size(), 1);
    EXPECT_EQ(damaged()[bad.str()], "quarantined");
}

TEST_F(ScrubTest, WhatIsNotWantedAnyMoreIsNotDamaged) {
    auto bad = push_blob("bad");
    spit(data(bad), "bed");
    EXPECT_EQ(scrub(), 1);
    ASSERT_OK(publisher_->delete_blob(access_to("a"), bad, ""));
    ASSERT_OK(scrubber_->look_again(options_));
    EXPECT_EQ(damaged().size(), 1);  // its row is there
    ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
        LS_TRY(gone,
               t.execute("DELETE FROM blobs WHERE digest = $1", {bad.text()}));
        EXPECT_EQ(gone, 1);
        return {};
    }));
    ASSERT_OK(scrubber_->look_again(options_));
    EXPECT_TRUE(damaged().empty());
}

TEST_F(ScrubTest, AFileThatTookThePlaceMeanwhileStays) {
    auto digest = push_blob("bytes");
    spit(data(digest), "bites");
    auto look = files_->look(Area::blobs, digest, go_on);
    ASSERT_OK(look);
    EXPECT_EQ(look->verdict, Verdict::wrong);
    spit(root_ + "/new", "bytes");
    fs::rename(root_ + "/new", data(digest));
    auto moved = files_->quarantine(*look, "name");
    ASSERT_OK(moved);
    EXPECT_FALSE(*moved);
    EXPECT_EQ(slurp(data(digest)), "bytes");
    fs::remove(data(digest));
    moved = files_->quarantine(*look, "name");
    ASSERT_OK(moved);
    EXPECT_FALSE(*moved);
    EXPECT_FALSE(fs::exists(root_ + "/quarantine/name"));
}

// Not even for a moment: manifests of it would be refused.
TEST_F(ScrubTest, WhatWasBroughtAnewMeanwhileIsNotWrittenDown) {
    auto digest = push_blob("bytes");
    spit(data(digest), "bites");
    options_.read = [&](std::uint64_t, std::uint64_t) {
        spit(root_ + "/new", "bytes");
        fs::rename(root_ + "/new", data(digest));
    };
    EXPECT_EQ(scrub(), 0);
    EXPECT_TRUE(damaged().empty());
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(closed, db::closed_damages(t, 10));
        EXPECT_TRUE(closed.empty());
        return {};
    }));
}

// Somebody is about to refer to it: it is left until the end of the pass.
TEST_F(ScrubTest, WaitsForWhoeverReliesOnIt) {
    auto bad = push_blob("bad");
    spit(data(bad), "bed");
    std::atomic<bool> taken = false;
    auto held = std::make_optional(store_->locks()->share(bad));
    std::thread thread([&] {
        EXPECT_EQ(scrub(), 1);
        taken = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_FALSE(taken);
    EXPECT_EQ(slurp(data(bad)), "bed");
    held.reset();
    thread.join();
    EXPECT_FALSE(fs::exists(data(bad)));
}

TEST_F(ScrubTest, GoesOnWhereItWasStopped) {
    std::vector<Digest> all;
    // Half of them on one shelf.
    for (int i = 0; all.size() < 40; ++i) {
        auto bytes = "blob " + std::to_string(i);
        if (i < 20 || sha256_of(bytes).encoded().starts_with("2b")) {
            all.push_back(push_blob(bytes));
        }
    }
    std::sort(all.begin(), all.end());
    spit(data(all[1]), "x");
    spit(data(all[30]), "x");
    auto pass = begin();
    auto options = options_;
    std::uint64_t seen = 0;
    options.read = [&](std::uint64_t files, std::uint64_t) { seen += files; };
    options.stopping = [&] { return seen >= 17; };
    auto whole = scrubber_->run(pass, options);
    ASSERT_OK(whole);
    EXPECT_FALSE(*whole);
    EXPECT_EQ(pass.damaged, 1);
    auto first = pass.files;
    EXPECT_LT(first, 40);
    // As another process reads it.
    db::Scrub found;
    ASSERT_OK(database_->read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, db::first_run(t, db::kScrubs, "running"));
        LS_TRY(row, db::find_scrub(t, id));
        if (row) {
            found = *row;
        }
        return {};
    }));
    EXPECT_EQ(found.files, first);
    EXPECT_GT(found.shelf, 0);
    whole = scrubber_->run(found, options_);
    ASSERT_OK(whole);
    EXPECT_TRUE(*whole);
    EXPECT_EQ(found.files, 40);
    EXPECT_EQ(found.damaged, 2);
}

// Without the right to read it; root has every right, a stranger's fsuid not.
TEST_F(ScrubTest, WhatCannotBeReadIsTriedTwice) {
    auto secret = push_blob("secret");
    EXPECT_EQ(scrub(), 0);  // opens the database's reader
    ASSERT_EQ(::chmod(data(secret).c_str(), 0), 0);
    for (auto path = fs::path(data(secret)).parent_path();
         path != fs::path(root_).parent_path(); path = path.parent_path()) {
        fs::permissions(path, fs::perms::all);
    }
    ::setfsuid(65534);
    auto look = files_->look(Area::blobs, secret, go_on);
    auto pass = begin();
    std::size_t suspects = 0;
    options_.again_after = std::chrono::milliseconds(100);
    options_.stopping = [&] {
        suspects += damaged()[secret.str()] == "suspect" ? 1 : 0;
        return false;
    };
    auto whole = scrubber_->run(pass, options_);
    ::setfsuid(::geteuid());
    ASSERT_OK(look);
    EXPECT_EQ(look->verdict, Verdict::unreadable);
    ASSERT_OK(whole);
    EXPECT_GT(suspects, 0);
    EXPECT_EQ(pass.damaged, 1);
    EXPECT_EQ(damaged()[secret.str()], "quarantined");
}

TEST_F(ScrubTest, TooMuchThatCannotBeReadIsNoRot) {
    std::vector<Digest> all;
    for (int i = 0; i < 120; ++i) {
        all.push_back(push_blob("blob " + std::to_string(i)));
        ASSERT_EQ(::chmod(data(all.back()).c_str(), 0), 0);
    }
    EXPECT_TRUE(damaged().empty());
    for (const auto& one : all) {
        for (auto path = fs::path(data(one)).parent_path();
             path != fs::path(root_).parent_path(); path = path.parent_path()) {
            fs::permissions(path, fs::perms::all);
        }
    }
    ::setfsuid(65534);
    auto pass = begin();
    auto whole = scrubber_->run(pass, options_);
    ::setfsuid(::geteuid());
    EXPECT_FALSE(whole);
    for (const auto& one : all) {
        EXPECT_TRUE(fs::exists(data(one)));
    }
}

TEST_F(ScrubTest, KeepsItsPace) {
    push_blob(std::string(300'000, 'x'));
    options_.bytes_per_s = 1'000'000;
    auto start = std::chrono::steady_clock::now();
    push_blob(std::string(300'000, 'y'));
    EXPECT_EQ(scrub(), 0);
    auto took = std::chrono::steady_clock::now() - start;
    EXPECT_GT(took, std::chrono::milliseconds(250));
}

TEST_F(ScrubTest, KnowsBothAlgorithmsAndShelves) {
    auto digest = digest_of(Algorithm::sha512, "long");
    ASSERT_OK(store_->put(digest, "long"));
    ASSERT_OK(publisher_->link_blob(access_to("a"), digest, ""));
    push_blob("short");
    spit(data(digest), "lang");
    spit(root_ + "/docker/registry/v2/blobs/sha256/zz/junk", "x");
    spit(root_ + "/docker/registry/v2/blobs/sha256/ab/junk/data", "x");
    EXPECT_EQ(scrub(), 1);
    EXPECT_EQ(damaged()[digest.str()], "quarantined");
    EXPECT_FALSE(fs::exists(data(digest)));
}

}  // namespace
}  // namespace longshore
