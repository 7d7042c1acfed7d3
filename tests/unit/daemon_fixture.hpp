// A root folder of its own with database, store, catalog and publisher.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auth/authorizer.hpp"
#include "common/hash.hpp"
#include "db/database.hpp"
#include "registry/catalog.hpp"
#include "registry/publisher.hpp"
#include "registry/takeover.hpp"
#include "store/blob_store.hpp"

namespace longshore {

inline Access access_to(std::string_view name) {
    return *Authorizer().authorize(Caller{}, RepositoryName(name),
                                   Action::admin);
}

inline Digest sha256_of(std::string_view bytes) {
    return digest_of(Algorithm::sha256, bytes);
}

inline std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

inline void spit(const std::string& path, std::string_view bytes) {
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
}

#define ASSERT_OK(result)                                       \
    do {                                                        \
        const auto& ls_ok = (result);                           \
        ASSERT_TRUE(static_cast<bool>(ls_ok))                   \
            << (ls_ok ? std::string() : ls_ok.error().message); \
    } while (false)

// A store whose disk fails when it is told to.
class FaultyStore : public BlobStore {
public:
    explicit FaultyStore(BlobStore& store) : store_(store) {}

    bool fail_sync = false;
    std::string fail_below;  // paths that begin so cannot be used
    std::string written;     // path of the last link file

    Result<void> put(const Digest& digest, std::string_view bytes) override {
        return store_.put(digest, bytes);
    }
    Result<std::uint64_t> size(const Digest& digest) override {
        LS_CHECK(look(layout::blob_data(root(), digest)));
        return store_.size(digest);
    }
    Result<std::string> read(const Digest& digest, std::uint64_t n) override {
        LS_CHECK(look(layout::blob_data(root(), digest)));
        return store_.read(digest, n);
    }
    const std::string& root() const noexcept override { return store_.root(); }
    Result<void> write_file(const Path& path, std::string_view text) override {
        LS_CHECK(look(path));
        written = path.str();
        return store_.write_file(path, text);
    }
    Result<void> write_durable(const Path& path,
                               std::string_view text) override {
        LS_CHECK(look(path));
        return store_.write_durable(path, text);
    }
    Result<std::string> read_file(const Path& path) override {
        LS_CHECK(look(path));
        return store_.read_file(path);
    }
    bool exists(const Path& path) override {
        return look(path) && store_.exists(path);
    }
    Result<bool> present(const Path& path) override {
        LS_CHECK(look(path));
        return store_.present(path);
    }
    Result<bool> remove_file(const Path& path) override {
        LS_CHECK(look(path));
        return store_.remove_file(path);
    }
    Result<bool> remove_folder(const Path& path) override {
        LS_CHECK(look(path));
        return store_.remove_folder(path);
    }
    Result<void> list(const Path& path,
                      const std::function<bool(const Entry&)>& visit) override {
        LS_CHECK(look(path));
        return store_.list(path, visit);
    }
    Result<std::int64_t> age_s(const Path& path) override {
        return store_.age_s(path);
    }
    Result<bool> touch(const Path& path) override { return store_.touch(path); }
    Result<std::optional<Aside>> set_aside(const Path& path) override {
        return store_.set_aside(path);
    }
    Result<void> put_back(const Aside& aside, const Path& path) override {
        return store_.put_back(aside, path);
    }
    void discard(const Aside& aside) noexcept override {
        store_.discard(aside);
    }
    void throw_away(const Aside& aside,
                    const Digest& digest) noexcept override {
        store_.throw_away(aside, digest);
    }
    Result<bool> take_back(const Digest& digest) override {
        return store_.take_back(digest);
    }
    Result<std::int64_t> trash_age_s(const Digest& digest) override {
        return store_.trash_age_s(digest);
    }
    Result<Trash> empty_trash(std::int64_t age_s) override {
        return store_.empty_trash(age_s);
    }
    void remove_empty(const Path& folder) noexcept override {
        store_.remove_empty(folder);
    }
    Result<std::size_t> sweep_spool() override { return store_.sweep_spool(); }
    Result<void> sync() override {
        return fail_sync ? Error{Code::unavailable, "syncfs"} : store_.sync();
    }

private:
    Result<void> look(const Path& path) const {
        if (!fail_below.empty() && path.view().starts_with(fail_below)) {
            return errno_error("open " + path.str(), EIO);
        }
        return {};
    }
    BlobStore& store_;
};

class RootTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name =
            (std::filesystem::temp_directory_path() / "longshore-XXXXXX")
                .string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        root_ = name;
    }
    void TearDown() override {
        close();
        std::filesystem::remove_all(root_);
    }

    void open_database() {
        auto database = open_sqlite({root_ + "/db"});
        ASSERT_OK(database);
        database_ = std::move(*database);
    }

    void open() {
        auto store = open_file_store(root_);
        ASSERT_OK(store);
        store_ = std::move(*store);
        open_database();
        catalog_ = std::make_unique<Catalog>(*database_, *store_);
        publisher_ =
            std::make_unique<Publisher>(*database_, *store_, ManifestPolicy{});
        takeover_ = std::make_unique<Takeover>(*database_, *store_, read_facts);
        ASSERT_OK(takeover_->open());
        catalog_->attach(*takeover_);
        publisher_->attach(*takeover_);
    }

    // Reads all of the directory into the tables, as the indexer does.
    void take_over() {
        ASSERT_OK(takeover_->find_names());
        for (bool more = true; more;) {
            auto step = takeover_->step();
            ASSERT_OK(step);
            more = *step;
        }
        ASSERT_TRUE(takeover_->complete());
    }

    // All that a daemon has when it takes requests.
    void open_ready() {
        open();
        take_over();
        ASSERT_OK(publisher_->start());
    }

    // Just enough of a manifest for these tests.
    static Result<ManifestFacts> read_facts(std::string_view bytes,
                                            std::string_view) {
        auto body = nlohmann::json::parse(bytes, nullptr, false);
        if (!body.is_object() || !body.contains("mediaType")) {
            return Error{Code::invalid_argument, "no manifest"};
        }
        ManifestFacts facts;
        facts.media_type = body["mediaType"];
        facts.artifact_type = body.value("artifactType", "");
        if (body.contains("subject")) {
            facts.subject = *Digest::parse(std::string(body["subject"]));
        }
        using Kind = ManifestReference::Kind;
        for (auto [key, kind] : {std::pair("layers", Kind::layer),
                                 std::pair("manifests", Kind::child)}) {
            for (const auto& item : body.value(key, nlohmann::json::array())) {
                facts.references.push_back(
                    {kind, {"t", *Digest::parse(std::string(item)), 1}, true});
            }
        }
        return facts;
    }

    void close() {
        publisher_.reset();
        catalog_.reset();
        takeover_.reset();
        database_.reset();
        store_.reset();
    }

    // A blob as nginx leaves it: in the store, not linked.
    Digest store_blob(std::string_view bytes) {
        auto digest = sha256_of(bytes);
        EXPECT_TRUE(static_cast<bool>(store_->put(digest, bytes)));
        return digest;
    }

    // A manifest without references; `text` makes it unique.
    Result<Written> push(std::string_view name, const std::string& text,
                         std::vector<std::string> tags,
                         TagCondition condition = {}) {
        ManifestDraft draft;
        draft.bytes = text;
        draft.digest = sha256_of(text);
        draft.facts = facts_;
        draft.tags = std::move(tags);
        draft.condition = std::move(condition);
        return publisher_->put_manifest(access_to(name), draft);
    }

    std::string link(const Path& path) { return slurp(path.str()); }

    std::string root_;
    std::unique_ptr<BlobStore> store_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<Catalog> catalog_;
    std::unique_ptr<Publisher> publisher_;
    std::unique_ptr<Takeover> takeover_;
    ManifestFacts facts_{"application/vnd.oci.image.manifest.v1+json",
                         "application/vnd.oci.image.config.v1+json",
                         "",
                         std::nullopt,
                         {}};
};

}  // namespace longshore
