// Indexes that are made anew only where their packages changed, over a real
// database and store.
#include <array>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "archive/xz_blocks.hpp"
#include "daemon_fixture.hpp"
#include "db/documents.hpp"
#include "db/oci.hpp"
#include "db/packages.hpp"
#include "registry/indexes.hpp"
#include "registry/package_format.hpp"
#include "registry/package_publisher.hpp"
#include "registry/segments.hpp"
#include "store/package_store.hpp"

namespace longshore {
namespace {

// Rows "name\n" in the stream that the file's role says.
class Lines final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr FormatInfo kInfo{.key = "lines",
                                          .title = "Lines",
                                          .mount = "",
                                          .specification = "",
                                          .index = IndexKind::plain};
        return kInfo;
    }
    std::span<const Route> routes() const override { return {}; }
    std::vector<std::string> scopes(const StoredPackage&) const override {
        return {"all"};
    }

    Result<void> reindex(IndexContext& ctx, std::string_view) const override {
        if (during) {
            during();
        }
        auto render = [](const std::vector<PackageFile>& files,
                         BucketTexts& texts) -> Result<void> {
            for (const auto& file : files) {
                auto& out = texts[file.file.role];
                out.text += file.package_name + "\n";
                ++out.rows;
            }
            return {};
        };
        LS_TRY(segments, Segments::open(ctx, "s", version, render));
        std::vector<SegmentedIndex> wanted;
        for (const auto& [stream, size] : segments.streams()) {
            if (stream != "all") {
                SegmentedIndex index;
                index.name = stream;
                index.streams = {stream, "all"};
                index.forms = {Encoding::gzip, Encoding::xz, Encoding::zstd};
                index.max_plain_bytes = max_plain_bytes;
                if (with_head) {
                    index.head = std::to_string(size.rows) + " rows\n";
                    index.tail = "end\n";
                }
                wanted.push_back(std::move(index));
            }
        }
        LS_TRY(made, segments.build(wanted));
        built = std::move(made);
        rendered = segments.rendered();
        return {};
    }

    std::function<void()> during;
    std::uint32_t version = 1;
    bool with_head = false;
    std::uint64_t max_plain_bytes = 1U << 20;
    mutable std::vector<BuiltIndex> built;
    mutable std::size_t rendered = 0;
};

class SegmentsTest : public RootTest {
protected:
    void SetUp() override {
        RootTest::SetUp();
        open();
        auto packages =
            open_package_store(root_, std::make_shared<DigestLocks>());
        ASSERT_OK(packages);
        packages_ = std::move(*packages);
        indexes_ = std::make_unique<Indexes>(*database_, *packages_, formats_);
        writer_ =
            std::make_unique<PackagePublisher>(*database_, *indexes_, formats_);
        ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
            Repository repository;
            repository.key = "r";
            repository.format = "lines";
            LS_TRY(id, db::add_repository(t, repository));
            repository_ = id;
            return {};
        }));
    }
    void TearDown() override {
        writer_.reset();
        indexes_.reset();
        RootTest::TearDown();
    }

    // Rows as a publish leaves them, without making the indexes.
    void add(const std::string& role, int first, int last) {
        ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
            LS_TRY(blob, db::ensure_blob(t, sha256_of("x"), 1));
            for (int i = first; i < last; ++i) {
                StoredPackage package;
                package.name = package.key = role + std::to_string(i);
                LS_TRY(id, db::add_package(t, repository_, package));
                StoredVersion version;
                version.version = version.key = version.sort_key = "1";
                LS_TRY(row, db::add_version(t, id, version));
                StoredFile file;
                file.path = package.name;
                file.role = role;
                LS_TRY(made, db::add_file(t, repository_, row, file, blob));
                static_cast<void>(made);
                names_[role].push_back(package.name);
            }
            return db::mark_stale(t, repository_, "all", 1);
        }));
    }

    void remove(const std::string& name) {
        auto take_all = [](StoredPackage& package) -> Result<void> {
            package.versions.clear();
            return {};
        };
        ASSERT_OK(writer_->edit(access_to("r"), name, take_all,
                                EditOptions{"package.delete"}));
        for (auto& [role, names] : names_) {
            std::erase(names, name);
        }
    }

    Repository repository() const {
        Repository repository;
        repository.id = repository_;
        repository.key = "r";
        repository.format = "lines";
        return repository;
    }

    void refresh() {
        ASSERT_OK(database_->write([&](Transaction& t) -> Result<void> {
            return db::mark_stale(t, repository_, "all", 1);
        }));
        ASSERT_OK(indexes_->refresh(repository(), "all"));
    }

    Result<Reply> read(std::string_view name) {
        return indexes_->serve(repository(), Request(), "all",
                               ".segments/s/" + std::string(name), "");
    }

    std::string bytes_of(const Document& document) {
        return slurp(layout::document_data(root_, document.digest).str());
    }

    // Every form of every index holds the same lines, in whatever order the
    // buckets give, and is what its digests say.
    void expect_right() {
        for (const auto& index : format_.built) {
            ASSERT_EQ(index.forms.size(), 3U);
            auto text =
                decompress(Encoding::gzip, bytes_of(index.forms[0]), 1U << 24);
            ASSERT_OK(text);
            EXPECT_EQ(index.size_bytes, text->size());
            ASSERT_TRUE(index.digest.has_value());
            EXPECT_EQ(index.digest->text(), sha256_of(*text).text());
            EXPECT_EQ(index.plain.has_value(),
                      text->size() <= format_.max_plain_bytes);
            if (index.plain) {
                EXPECT_EQ(bytes_of(*index.plain), *text);
            }
            constexpr std::array kForms = {Encoding::gzip, Encoding::xz,
                                           Encoding::zstd};
            for (std::size_t i = 0; i < 3; ++i) {
                auto packed = bytes_of(index.forms[i]);
                EXPECT_EQ(sha256_of(packed).text(),
                          index.forms[i].digest.text());
                auto plain = decompress(kForms[i], packed, 1U << 24);
                ASSERT_OK(plain);
                EXPECT_EQ(*plain, *text);
            }
            std::size_t expected =
                names_[index.name].size() + names_["all"].size();
            EXPECT_EQ(index.rows, expected);
            std::size_t lines = 0;
            for (const auto& role : {index.name, std::string("all")}) {
                for (const auto& name : names_[role]) {
                    lines += text->find(name + "\n") != text->npos ? 1U : 0U;
                }
            }
            EXPECT_EQ(lines, expected);
            EXPECT_EQ(static_cast<std::size_t>(
                          std::count(text->begin(), text->end(), '\n')),
                      expected + (format_.with_head ? 2 : 0));
        }
    }

    Lines format_;
    std::array<const Format*, 1> formats_{&format_};
    std::unique_ptr<PackageStore> packages_;
    std::unique_ptr<Indexes> indexes_;
    std::unique_ptr<PackagePublisher> writer_;
    std::int64_t repository_ = 0;
    std::map<std::string, std::vector<std::string>> names_;
};

TEST_F(SegmentsTest, OneMoreRendersOneBucket) {
    add("a", 0, 2000);
    refresh();
    EXPECT_GE(format_.rendered, 4U);
    expect_right();
    add("a", 2000, 2001);
    refresh();
    EXPECT_EQ(format_.rendered, 1U);
    EXPECT_TRUE(format_.built[0].changed);
    expect_right();
}

TEST_F(SegmentsTest, NothingIsWrittenWhereNothingChanged) {
    add("a", 0, 700);
    add("b", 0, 10);
    refresh();
    ASSERT_EQ(format_.built.size(), 2U);
    add("b", 10, 11);
    refresh();
    EXPECT_EQ(format_.rendered, 1U);
    EXPECT_FALSE(format_.built[0].changed);
    EXPECT_TRUE(format_.built[1].changed);
    expect_right();
    auto before = format_.built;
    refresh();
    EXPECT_EQ(format_.rendered, 0U);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_FALSE(format_.built[i].changed);
        EXPECT_EQ(format_.built[i].forms[1].digest.text(),
                  before[i].forms[1].digest.text());
    }
    expect_right();
}

TEST_F(SegmentsTest, ChangesInTheMiddle) {
    for (auto plain : {std::uint64_t{1} << 20, std::uint64_t{0}}) {
        format_.max_plain_bytes = plain;
        auto from = plain == 0 ? 3000 : 0;
        add("a", from, from + 1500);
        add("all", from, from + 100);
        refresh();
        expect_right();
        remove("a" + std::to_string(from + 600));
        EXPECT_EQ(format_.rendered, 1U);
        expect_right();
        remove("a" + std::to_string(from));
        remove("all" + std::to_string(from + 50));
        EXPECT_LE(format_.rendered, 2U);
        expect_right();
    }
}

TEST_F(SegmentsTest, WithHeadAndTail) {
    format_.with_head = true;
    format_.max_plain_bytes = 4096;
    add("a", 0, 300);
    refresh();
    expect_right();
    add("a", 300, 1500);
    refresh();
    expect_right();
    add("a", 1500, 1501);
    refresh();
    EXPECT_EQ(format_.rendered, 1U);
    expect_right();
    auto text =
        decompress(Encoding::xz, bytes_of(format_.built[0].forms[1]), 1U << 20);
    ASSERT_OK(text);
    EXPECT_TRUE(text->starts_with("1501 rows\na0\n"));
    EXPECT_TRUE(text->ends_with("a1500\nend\n"));
}

TEST_F(SegmentsTest, AnIndexThatIsNewAndOneThatEnds) {
    add("all", 0, 600);
    add("a", 0, 1);
    refresh();
    expect_right();
    add("b", 0, 1);
    refresh();
    ASSERT_EQ(format_.built.size(), 2U);
    expect_right();
    remove("a0");
    ASSERT_EQ(format_.built.size(), 1U);
    expect_right();
    remove("b0");
    EXPECT_TRUE(format_.built.empty());
}

TEST_F(SegmentsTest, LostBytesAndOtherRenderersAreMadeAnew) {
    add("a", 0, 1200);
    refresh();
    auto first = format_.built[0].forms[2].digest;
    format_.version = 2;
    refresh();
    EXPECT_GE(format_.rendered, 3U);
    EXPECT_EQ(format_.built[0].forms[2].digest.text(), first.text());
    std::filesystem::remove(layout::document_data(root_, first).str());
    add("a", 1200, 1201);
    refresh();
    expect_right();
    // All documents, the state among them.
    std::filesystem::remove_all(root_ + "/documents");
    refresh();
    expect_right();
}

TEST_F(SegmentsTest, AReadDoesNotWaitLongForAMaking) {
    add("a", 0, 10);
    refresh();
    auto first = read("a.gz");
    ASSERT_OK(first);
    EXPECT_GT(first->ttl_ms, 0U);
    std::promise<void> entered;
    std::promise<void> leave;
    format_.during = [&] {
        entered.set_value();
        leave.get_future().wait();
    };
    add("a", 10, 11);
    std::thread maker([&] { refresh(); });
    entered.get_future().wait();
    auto old = read("a.gz");
    auto missing = read("b.gz");
    leave.set_value();
    maker.join();
    format_.during = {};
    ASSERT_OK(old);
    EXPECT_EQ(std::get<BlobBody>(old->body).digest.text(),
              std::get<BlobBody>(first->body).digest.text());
    EXPECT_EQ(old->ttl_ms, 0U);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::unavailable);
    auto fresh = read("a.gz");
    ASSERT_OK(fresh);
    EXPECT_GT(fresh->ttl_ms, 0U);
    EXPECT_NE(std::get<BlobBody>(fresh->body).digest.text(),
              std::get<BlobBody>(first->body).digest.text());
}

TEST_F(SegmentsTest, OneXzStreamOfManyBlocks) {
    std::string all = xz_head();
    std::vector<XzSizes> sizes;
    for (const auto* text : {"one\n", "two\n", "three\n"}) {
        auto block = xz_block(text, 3);
        all += block.bytes;
        sizes.push_back(block.sizes);
    }
    all += xz_end(sizes);
    auto text = decompress(Encoding::xz, all, 100);
    ASSERT_OK(text);
    EXPECT_EQ(*text, "one\ntwo\nthree\n");
    auto none = decompress(Encoding::xz, xz_head() + xz_end({}), 100);
    ASSERT_OK(none);
    EXPECT_TRUE(none->empty());
    // A second stream begins with this magic; there is none.
    EXPECT_EQ(all.find(std::string_view("\xfd"
                                        "7zXZ",
                                        5),
                       1),
              all.npos);
}

}  // namespace
}  // namespace longshore
