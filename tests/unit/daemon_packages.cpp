// Repositories of packages over a real database and store: what is published,
// refused, edited and found, and the documents made from it.
#include <gtest/gtest.h>

#include "daemon_fixture.hpp"
#include "registry/format.hpp"
#include "registry/package_format.hpp"
#include "registry/repositories.hpp"
#include "store/package_store.hpp"

namespace longshore {
namespace {

// A format whose document of a package lists its versions.
class ListFormat final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 1> kMounts = {"list"};
        static constexpr FormatInfo kInfo{.key = "list",
                                          .title = "Lists",
                                          .mount = "",
                                          .specification = "",
                                          .mounts = kMounts,
                                          .index = IndexKind::with_links};
        return kInfo;
    }
    std::span<const Route> routes() const override { return {}; }
    Result<void> reindex(IndexContext& ctx,
                         std::string_view scope) const override {
        ++made;
        LS_TRY(package, ctx.package(scope));
        if (!package) {
            return {};
        }
        std::string text = std::string(ctx.base_url()) + "\n";
        for (const auto& version : package->versions) {
            text += version.version + " " +
                    std::string(state_name(version.state)) + "\n";
        }
        LS_TRY(put, ctx.put("list", text, {.gzip = true, .grace_ms = 0}));
        static_cast<void>(put);
        return {};
    }
    mutable int made = 0;
};

class PackagesTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open();
        auto store = open_package_store(root_, store_->locks());
        ASSERT_OK(store);
        files_ = std::move(*store);
        table_ = {&format_};
        repositories_ = std::make_unique<Repositories>(*database_, table_);
        catalog2_ = std::make_unique<PackageCatalog>(*database_);
        indexes_ = std::make_unique<Indexes>(*database_, *files_, table_);
        packages_ =
            std::make_unique<PackagePublisher>(*database_, *indexes_, table_);
        blobs_ = std::make_unique<Blobs>(*files_);
        NewRepository wanted;
        wanted.format = "list";
        auto made = repositories_->create(access_to("r"), wanted);
        ASSERT_OK(made);
        repository_ = *made;
    }

    void TearDown() override {
        packages_.reset();
        indexes_.reset();
        RootTest::TearDown();
    }

    PackageDraft draft(const std::string& version, const std::string& bytes) {
        PackageDraft out;
        out.name = "Pack";
        out.key = "pack";
        out.summary = "a pack of things";
        out.version = out.version_key = out.sort_key = version;
        auto blob = blobs_->stage(bytes, static_cast<std::uint8_t>(Extra::md5));
        EXPECT_TRUE(static_cast<bool>(blob));
        FileDraft file;
        file.path = "pack/" + version;
        file.blob = std::move(*blob);
        out.files.push_back(std::move(file));
        return out;
    }

    Result<Written> publish(PackageDraft one) {
        return packages_->publish(access_to("r"), std::move(one));
    }

    Code refused(PackageDraft one) {
        auto done = publish(std::move(one));
        EXPECT_FALSE(done);
        return done ? Code::internal : done.error().code;
    }

    std::size_t spool() {
        std::size_t count = 0;
        for (const auto& entry :
             std::filesystem::directory_iterator(root_ + "/spool")) {
            static_cast<void>(entry);
            ++count;
        }
        return count;
    }

    std::string list(std::string_view base) {
        auto text = indexes_->read(repository_, "pack", "list", base);
        return text ? *text : std::string(code_name(text.error().code));
    }

    ListFormat format_;
    std::vector<const Format*> table_;
    std::unique_ptr<PackageStore> files_;
    std::unique_ptr<Repositories> repositories_;
    std::unique_ptr<PackageCatalog> catalog2_;
    std::unique_ptr<Indexes> indexes_;
    std::unique_ptr<PackagePublisher> packages_;
    std::unique_ptr<Blobs> blobs_;
    Repository repository_;
};

// A power cut may leave a file that was renamed into place without its bytes.
TEST_F(PackagesTest, WhatWasNotDurableIsNotTrustedAfterAPowerCut) {
    ASSERT_OK(indexes_->begin("this start"));
    ASSERT_OK(publish(draft("1", "one")));
    auto good = list("http://a");
    auto tear = [&] {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(
                 root_ + "/documents")) {
            if (entry.is_regular_file()) {
                std::filesystem::resize_file(entry.path(), 1);
            }
        }
    };
    tear();
    // The daemon alone was started again: nothing is looked at.
    ASSERT_OK(indexes_->begin("this start"));
    EXPECT_NE(list("http://a"), good);
    ASSERT_OK(indexes_->begin("another start"));
    EXPECT_EQ(list("http://a"), good);
    // What a sweep made durable is trusted then.
    ASSERT_OK(indexes_->sweep());
    auto made = format_.made;
    ASSERT_OK(indexes_->begin("a third one"));
    EXPECT_EQ(list("http://a"), good);
    EXPECT_EQ(format_.made, made);
}

TEST_F(PackagesTest, WhatIsPublishedIsFound) {
    auto written = publish(draft("1", "one"));
    ASSERT_OK(written);
    EXPECT_EQ(written->drops, (std::vector<std::string>{"n,r,pack"}));
    ASSERT_OK(publish(draft("2", "two")));
    auto package = catalog2_->package(access_to("r"), "pack");
    ASSERT_OK(package);
    EXPECT_EQ(package->name, "Pack");
    EXPECT_EQ(package->latest, "2");
    ASSERT_EQ(package->versions.size(), 2U);
    ASSERT_EQ(package->versions[0].files.size(), 1U);
    auto entry = catalog2_->file(access_to("r"), "pack/1");
    ASSERT_OK(entry);
    EXPECT_EQ(entry->package_key, "pack");
    EXPECT_EQ(entry->file.digest, sha256_of("one"));
    EXPECT_EQ(entry->file.digests.md5, "f97c5d29941bfb1b2fdab0874906ab82");
    EXPECT_EQ(slurp(layout::blob_data(root_, sha256_of("one")).str()), "one");
    EXPECT_EQ(spool(), 0U);
}

TEST_F(PackagesTest, AVersionIsPublishedOnce) {
    ASSERT_OK(publish(draft("1", "one")));
    EXPECT_EQ(refused(draft("1", "one")), Code::already_exists);
    EXPECT_EQ(refused(draft("1", "other")), Code::already_exists);
    auto same = draft("1", "one");
    same.same_bytes_are_fine = true;
    ASSERT_OK(publish(std::move(same)));
    auto other = draft("1", "other");
    other.same_bytes_are_fine = true;
    other.if_exists = IfExists::add;
    EXPECT_EQ(refused(std::move(other)), Code::already_exists);
    EXPECT_EQ(spool(), 0U);
    // What was refused is no blob.
    EXPECT_FALSE(std::filesystem::exists(
        layout::blob_data(root_, sha256_of("other")).str()));
    auto replaced = draft("1", "other");
    replaced.if_exists = IfExists::replace;
    ASSERT_OK(publish(std::move(replaced)));
    auto entry = catalog2_->file(access_to("r"), "pack/1");
    ASSERT_OK(entry);
    EXPECT_EQ(entry->file.digest, sha256_of("other"));
}

TEST_F(PackagesTest, APathIsOfOneVersion) {
    ASSERT_OK(publish(draft("1", "one")));
    auto thief = draft("2", "two");
    thief.files[0].path = "pack/1";
    thief.if_exists = IfExists::replace;
    EXPECT_EQ(refused(std::move(thief)), Code::already_exists);
}

TEST_F(PackagesTest, TombstonesKeepNamesFromComingBack) {
    ASSERT_OK(publish(draft("1", "one")));
    ASSERT_OK(publish(draft("2", "two")));
    EditOptions options{"package.delete"};
    options.tombstones = true;
    auto take_out = [](StoredPackage& package) -> Result<void> {
        std::erase_if(package.versions,
                      [](const auto& one) { return one.key == "1"; });
        return {};
    };
    ASSERT_OK(packages_->edit(access_to("r"), "pack", take_out, options));
    EXPECT_EQ(refused(draft("1", "one")), Code::conflict);
    auto elsewhere = draft("3", "one");
    elsewhere.files[0].path = "pack/1";
    EXPECT_EQ(refused(std::move(elsewhere)), Code::conflict);
    ASSERT_OK(publish(draft("4", "four")));
    auto package = catalog2_->package(access_to("r"), "pack");
    ASSERT_OK(package);
    EXPECT_EQ(package->versions.size(), 2U);
}

TEST_F(PackagesTest, AnEditIsWholeOrNothing) {
    ASSERT_OK(publish(draft("1", "one")));
    ASSERT_OK(publish(draft("2", "two")));
    EditOptions options{"package.yank"};
    auto broken = [](StoredPackage& package) -> Result<void> {
        package.versions[0].state = VersionState::yanked;
        package.tags.push_back({"latest", "none"});
        return {};
    };
    EXPECT_FALSE(packages_->edit(access_to("r"), "pack", broken, options));
    auto yank = [](StoredPackage& package) -> Result<void> {
        EXPECT_EQ(package.versions[0].state, VersionState::active);
        package.versions[1].state = VersionState::yanked;
        package.tags.push_back({"latest", "1"});
        package.data = R"({"a":1})";
        return {};
    };
    ASSERT_OK(packages_->edit(access_to("r"), "pack", yank, options));
    auto package = catalog2_->package(access_to("r"), "pack");
    ASSERT_OK(package);
    EXPECT_EQ(package->latest, "1");
    EXPECT_EQ(package->data, R"({"a":1})");
    EXPECT_EQ(*package->tag("latest"), "1");
    auto clear = [](StoredPackage& all) -> Result<void> {
        all.versions.clear();
        return {};
    };
    ASSERT_OK(packages_->edit(access_to("r"), "pack", clear, options));
    EXPECT_FALSE(catalog2_->package_row(access_to("r"), "pack"));
}

TEST_F(PackagesTest, FoldersAreOneRowHoweverMuchTheyHold) {
    for (const auto* path : {"a", "b/1", "b/2", "b-c/1", "d"}) {
        auto one = draft(path, path);
        one.files[0].path = path;
        ASSERT_OK(publish(std::move(one)));
    }
    std::string seen;
    std::string last;
    for (bool more = true; more;) {
        auto page = catalog2_->folder(access_to("r"), "", 1, last);
        ASSERT_OK(page);
        ASSERT_EQ(page->items.size(), 1U);
        last = page->items[0].name + (page->items[0].folder ? "/" : "");
        seen += last + " ";
        more = page->more;
    }
    EXPECT_EQ(seen, "a b-c/ b/ d ");
}

TEST_F(PackagesTest, SearchTakesWordsAndNoOperators) {
    ASSERT_OK(publish(draft("1", "one")));
    auto count = [&](std::string_view text) {
        PackageQuery query;
        query.text = text;
        auto found = catalog2_->search(access_to("r"), query);
        EXPECT_TRUE(static_cast<bool>(found));
        return found ? found->packages.size() : 99;
    };
    EXPECT_EQ(count("pac"), 1U);
    EXPECT_EQ(count("THINGS pack"), 1U);
    EXPECT_EQ(count(""), 1U);
    EXPECT_EQ(count("pack none"), 0U);
    EXPECT_EQ(count("NOT pack"), 0U);
    EXPECT_EQ(count("\") OR (\""), 0U);
    EXPECT_EQ(count("name:pack* NEAR(a b) -x ^y"), 0U);
}

TEST_F(PackagesTest, PropertiesAreFound) {
    ASSERT_OK(publish(draft("1", "one")));
    ASSERT_OK(packages_->set_properties(access_to("r"), "pack", "1", "",
                                        {{"stage", "qa"}, {"by", "me"}}, ""));
    auto read = catalog2_->properties(access_to("r"), "pack", "1", "");
    ASSERT_OK(read);
    EXPECT_EQ(*read, (std::vector<Property>{{"by", "me"}, {"stage", "qa"}}));
    auto found =
        catalog2_->packages_with(access_to("r"), {"stage", "qa"}, 10, "");
    ASSERT_OK(found);
    EXPECT_EQ(found->items.size(), 1U);
    found = catalog2_->packages_with(access_to("r"), {"stage", "no"}, 10, "");
    ASSERT_OK(found);
    EXPECT_TRUE(found->items.empty());
}

TEST_F(PackagesTest, DocumentsFollowEveryChange) {
    EXPECT_EQ(list("http://a"), "not_found");
    ASSERT_OK(publish(draft("1", "one")));
    EXPECT_EQ(list("http://a"), "http://a\n1 active\n");
    EXPECT_EQ(list("http://b"), "http://b\n1 active\n");
    auto made = format_.made;
    EXPECT_EQ(list("http://a"), "http://a\n1 active\n");
    EXPECT_EQ(format_.made, made);
    ASSERT_OK(publish(draft("2", "two")));
    EXPECT_EQ(format_.made, made + 2);  // one for each base URL
    EXPECT_EQ(list("http://b"), "http://b\n1 active\n2 active\n");
    EXPECT_EQ(format_.made, made + 2);
    ASSERT_OK(indexes_->sweep());
    EXPECT_EQ(list("http://a"), "http://a\n1 active\n2 active\n");
    for (char c = 'c'; c < 'j'; ++c) {
        EXPECT_EQ(list(std::string("http://") + c).substr(0, 10),
                  std::string("http://") + c + "\n1");
    }
    // Those beyond the bound are never old: they are made when asked for.
    ASSERT_OK(publish(draft("3", "three")));
    for (char c = 'a'; c < 'j'; ++c) {
        EXPECT_EQ(
            list(std::string("http://") + c),
            std::string("http://") + c + "\n1 active\n2 active\n3 active\n");
    }
}

TEST_F(PackagesTest, ARepositoryGoesWithAllThatItHolds) {
    ASSERT_OK(publish(draft("1", "one")));
    EXPECT_EQ(list("http://a"), "http://a\n1 active\n");
    ASSERT_OK(repositories_->remove(access_to("r"), true));
    EXPECT_FALSE(repositories_->find(access_to("r")));
    EXPECT_FALSE(catalog2_->package(access_to("r"), "pack"));
    ASSERT_OK(indexes_->sweep());
    NewRepository wanted;
    wanted.format = "list";
    ASSERT_OK(repositories_->create(access_to("r"), wanted));
    EXPECT_EQ(repositories_->create(access_to("r"), wanted).error().code,
              Code::already_exists);
    ASSERT_OK(publish(draft("1", "one")));
}

TEST_F(PackagesTest, WhatARepositoryMayBe) {
    NewRepository wanted;
    wanted.format = "none";
    EXPECT_EQ(repositories_->create(access_to("x"), wanted).error().code,
              Code::invalid_argument);
    wanted.format = "list";
    wanted.settings = "[]";
    EXPECT_EQ(repositories_->create(access_to("x"), wanted).error().code,
              Code::invalid_argument);
    wanted.settings = "{}";
    EXPECT_EQ(repositories_->create(access_to("a/b"), wanted).error().code,
              Code::invalid_argument);
    wanted.kind = RepositoryKind::remote;
    EXPECT_EQ(repositories_->create(access_to("x"), wanted).error().code,
              Code::unsupported);
}

TEST_F(PackagesTest, DownloadsAreCounted) {
    ASSERT_OK(publish(draft("1", "one")));
    const std::vector<TallyLine> lines = {
        {"r", "pack/1", 3}, {"r", "none", 5}, {"none", "pack/1", 7}};
    ASSERT_OK(packages_->count(lines));
    ASSERT_OK(packages_->count(lines));
    auto package = catalog2_->package_row(access_to("r"), "pack");
    ASSERT_OK(package);
    EXPECT_EQ(package->downloads, 6U);
}

}  // namespace
}  // namespace longshore
