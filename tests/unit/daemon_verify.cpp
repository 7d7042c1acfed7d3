// verify finds each kind of difference; rebuild makes them go away.
#include "daemon_fixture.hpp"
#include "jobs/rebuild.hpp"
#include "jobs/verify.hpp"

namespace longshore {
namespace {

class VerifyTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open_ready();
        layer_ = store_blob("layer");
        ASSERT_OK(publisher_->link_blob(access_to("a/b"), layer_, ""));
        first_ = sha256_of(kFirst);
        ASSERT_OK(push("a/b", kFirst, {"x", "y"}));
        ASSERT_OK(push("c", "{}", {"z"}));
    }

    std::vector<std::string> problems() {
        auto report = verify(*database_, *store_, 1);
        EXPECT_TRUE(static_cast<bool>(report));
        std::vector<std::string> all;
        for (const auto& difference : report->differences) {
            all.push_back(difference.problem + " " + difference.reference);
        }
        return all;
    }

    static constexpr const char* kFirst = R"({"mediaType":"t/1"})";
    Digest layer_;
    Digest first_;
};

TEST_F(VerifyTest, CleanRegistryHasNoDifferences) {
    auto report = verify(*database_, *store_, 1);
    ASSERT_OK(report);
    EXPECT_TRUE(report->differences.empty());
    EXPECT_TRUE(report->takeover_complete);
    EXPECT_EQ(report->repositories, 2U);
    EXPECT_EQ(report->manifests, 2U);
    EXPECT_EQ(report->tags, 3U);
    EXPECT_EQ(report->layers, 1U);
    auto body = nlohmann::json::parse(report->json());
    EXPECT_EQ(body["clean"], true);
}

TEST_F(VerifyTest, EachKindOfDifferenceIsFound) {
    namespace fs = std::filesystem;
    auto text = first_.str();
    fs::remove(layout::tag_current(root_, "a/b", "x").str());
    EXPECT_EQ(problems(), std::vector<std::string>{"tag is not on disk x"});
    spit(layout::tag_current(root_, "a/b", "x").str(), layer_.text());
    EXPECT_EQ(problems(), std::vector<std::string>{"tag differs x"});
    spit(layout::tag_current(root_, "a/b", "x").str(), text);
    EXPECT_TRUE(problems().empty());

    spit(layout::tag_current(root_, "a/b", "new").str(), text);
    EXPECT_EQ(problems(),
              std::vector<std::string>{"tag is not in the database new"});
    fs::remove_all(layout::tag_folder(root_, "a/b", "new").str());

    auto revision = layout::revision_link(root_, "a/b", first_).str();
    fs::remove(revision);
    EXPECT_EQ(problems(),
              std::vector<std::string>{"manifest is not on disk " + text});
    spit(revision, layer_.text());
    EXPECT_EQ(problems(),
              std::vector<std::string>{"manifest link differs " + text});
    spit(revision, text);

    auto layer = layout::layer_link(root_, "c", layer_).str();
    spit(layer, layer_.text());
    EXPECT_EQ(problems(), std::vector<std::string>{
                              "layer is not in the database " + layer_.str()});
    fs::remove(layer);

    auto blob = layout::blob_data(root_, layer_).str();
    spit(blob, "longer than it was");
    EXPECT_EQ(problems(),
              std::vector<std::string>{"layer has a blob of another size " +
                                       layer_.str()});
    fs::remove(blob);
    EXPECT_EQ(problems(),
              std::vector<std::string>{"layer has no blob " + layer_.str()});
}

TEST_F(VerifyTest, RebuildMakesTheSameDatabase) {
    auto database = root_ + "/db";
    auto refused = rebuild(database, *store_, read_facts);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
    // Something that only a rebuild can learn of.
    spit(layout::tag_current(root_, "a/b", "new").str(), first_.text());
    close();
    auto store = open_file_store(root_);
    ASSERT_OK(store);
    auto report = rebuild(database, **store, read_facts);
    ASSERT_OK(report);
    EXPECT_EQ(report->old_database, "");
    store->reset();
    open();
    EXPECT_TRUE(takeover_->complete());
    EXPECT_TRUE(problems().empty());
    EXPECT_EQ(catalog_->manifest(access_to("a/b"), "new")->digest, first_);
    EXPECT_EQ(catalog_->manifest(access_to("a/b"), "x")->media_type, "t/1");
    EXPECT_TRUE(catalog_->blob(access_to("a/b"), layer_));
    EXPECT_FALSE(std::filesystem::exists(database + "/rebuild"));
}

TEST_F(VerifyTest, RebuildDoesNotDropWhatIsNotOnDiskYet) {
    // Acknowledged, but the tag can go nowhere: no folder is in its way.
    auto tags = layout::repository(root_, "c").str() + "/_manifests/tags";
    std::filesystem::rename(tags, root_ + "/aside");
    spit(tags, "in the way");
    ASSERT_OK(push("c", "{}", {"late"}));
    close();
    auto store = open_file_store(root_);
    ASSERT_OK(store);
    auto refused = rebuild(root_ + "/db", **store, read_facts);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::unavailable);
    EXPECT_NE(refused.error().message.find("late"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(root_ + "/db/rebuild"));
    // A sync that fails leaves as little to rely on.
    std::filesystem::remove(tags);
    std::filesystem::rename(root_ + "/aside", tags);
    FaultyStore faulty(**store);
    faulty.fail_sync = true;
    refused = rebuild(root_ + "/db", faulty, read_facts);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::unavailable);
    ASSERT_OK(rebuild(root_ + "/db", **store, read_facts));
    store->reset();
    open();
    EXPECT_TRUE(catalog_->manifest(access_to("c"), "late"));
}

TEST_F(VerifyTest, RebuildHelpsWhenTheDatabaseIsDamaged) {
    close();
    auto file = root_ + "/db/" + std::string(kDatabaseFile);
    spit(file, "this is no database, and it is long enough to be looked at");
    EXPECT_FALSE(open_sqlite({root_ + "/db"}));
    spit(file + ".old-shm", "of an earlier one");
    auto store = open_file_store(root_);
    ASSERT_OK(store);
    auto report = rebuild(root_ + "/db", **store, read_facts);
    ASSERT_OK(report);
    EXPECT_NE(report->old_database, "");
    store->reset();
    open();
    EXPECT_TRUE(problems().empty());
    EXPECT_EQ(catalog_->tags(access_to("a/b"), 10, "")->items,
              (std::vector<std::string>{"x", "y"}));
    EXPECT_TRUE(std::filesystem::exists(file + ".old"));
    EXPECT_FALSE(std::filesystem::exists(file + ".old-shm"));
    // A log is kept, and never beside a file that it does not belong to.
    close();
    std::filesystem::remove(file);
    spit(file + "-wal", "a log");
    store = open_file_store(root_);
    ASSERT_OK(store);
    ASSERT_OK(rebuild(root_ + "/db", **store, read_facts));
    EXPECT_EQ(slurp(file + ".old-wal"), "a log");
    EXPECT_FALSE(std::filesystem::exists(file + "-wal"));
}

}  // namespace
}  // namespace longshore
