// What the interleavings are of: the real store, database, publisher, catalog
// and collector on a folder of its own, which every history finds as the
// scenario made it; what nginx does, by the same system calls in the same
// order; and what clients were told, against which all of it is held.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.hpp"
#include "common/result.hpp"
#include "db/database.hpp"
#include "model/manifest.hpp"
#include "model_tree.hpp"

namespace longshore {
class BlobStore;
class Catalog;
class Connection;
class GarbageCollector;
class Publisher;
class Uploads;
class Uses;
struct RetentionPolicy;
}  // namespace longshore

namespace longshore::model {

/// The real connection and schema, in memory; a transaction is one point.
class ModelDatabase final : public Database {
public:
    ModelDatabase();
    ~ModelDatabase() override;

    Result<void> write(const Work& work) override;
    Result<void> read(const Work& work) override;

    /// restore() brings back what was there at keep().
    void keep();
    void restore();

private:
    std::unique_ptr<Connection> connection_;
    bool is_kept_ = false;
};

/// Steps of nginx that can be left out, to see that it is noticed.
struct Omitted {
    bool touch_at_head = false;
};

/// An image, an index or a referrer.
struct Pushed {
    std::string name;
    Digest digest;
    std::string bytes;
    std::string tag;  // may be empty
    ManifestFacts facts;
    bool asks_nothing = false;    // its blobs may be missing
    bool may_be_refused = false;  // nobody said that they are there

    std::string tag_key() const { return name + ':' + tag; }
};

class World {
public:
    World();
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // What a scenario begins with; before keep().
    Digest link_blob(std::string_view name, std::string_view bytes);
    Digest store_blob(std::string_view bytes);
    void push_at_once(const Pushed& pushed);
    void delete_at_once(const Pushed& pushed);
    void unlink_at_once(std::string_view name, const Digest& digest);
    /// Retention may take it: from now on nobody was promised that it stays.
    void let_go(const Pushed& pushed);
    void set_rules(const RetentionPolicy& policy);
    /// Into the trash goes what nothing refers to.
    void collect_at_once();
    /// The disk gives other bytes of it.
    void damage(const Digest& digest);
    /// All of it is as old as garbage has to be, from now on.
    void keep();

    /// As it was at keep(), with a daemon that has just started.
    void begin();
    /// After kill_all(): the next life. What is wrong, or "".
    std::string recover();
    /// What is wrong at the end, or "".
    std::string check(bool crashed);
    void end();

    // What clients ask for. False: there was no answer, or a wrong one, which
    // was told to fail().
    bool head(std::string_view name, const Digest& digest);
    bool mount(std::string_view name, std::string_view from,
               const Digest& digest);
    bool upload(std::string_view name, std::string_view bytes);
    bool put(const Pushed& pushed);
    void remove(const Pushed& pushed);
    void remove_tag(const Pushed& pushed);
    void remove_blob(std::string_view name, const Digest& digest);
    void pull(const Pushed& pushed);
    /// GET or HEAD of the manifest. True: it is there, and may be relied on.
    bool ask(const Pushed& pushed);
    /// The tag becomes immutable, if it is there still.
    void protect(const Pushed& pushed);
    /// `surely`: nobody empties the trash meanwhile.
    void undelete(const Pushed& pushed, bool surely = false);

    // What registryd does of itself.
    void collect(bool deep);
    void retain();
    void empty_trash();
    void scrub();

    /// The first thing that must not be; ends the history.
    void fail(std::string what);
    const std::string& failure() const noexcept { return failure_; }

    /// Marks it as acknowledged; put() does.
    void acknowledge(const Pushed& pushed);

    Omitted omitted;
    /// False: the link files are somebody else's, as registryd's may be.
    bool nginx_may_touch = true;
    /// Whether an index may name what is not there; from keep() on.
    bool sparse_indexes = true;
    std::uint64_t pushes = 0;
    std::uint64_t collected = 0;
    std::uint64_t retired = 0;  // tags and manifests, by retention
    std::uint64_t revived = 0;
    std::uint64_t quarantined = 0;

private:
    struct Keeping;
    void open_store();
    void open_life();
    void open_keeping();
    void close_life();
    void make_old();
    bool get(std::string_view name, const Digest& digest, bool is_head);
    bool has_data(const Digest& digest);
    bool may_be_gone(std::string_view name, const Digest& digest) const;
    bool is_acknowledged(const Pushed& pushed) const;
    void withdraw(const Pushed& pushed);
    // Of a manifest: how many deletes were sent, and are not answered yet.
    struct Deletes {
        int sent = 0;
        int open = 0;
    };
    Deletes deletes_of(const Pushed& pushed) const;
    // Of a tag: who writes it, and what it must lead to.
    struct Tag {
        int begun = 0;
        int open = 0;
        bool is_fixed = false;
        std::optional<Pushed> leads_to;
    };
    Tag& begin_tag(const Pushed& pushed);
    Result<void> write(const Pushed& pushed,
                       const std::function<Result<void>()>& work);
    bool may_be_damaged(const Digest& digest) const;
    void forget_tags_of(const Pushed& pushed);
    void make_rows_old(std::int64_t then_ms);
    std::string check_tags();
    std::string check_acknowledged();
    std::string check_verify();
    std::string check_nothing_left(bool deep);
    std::string check_files();

    std::string root_;
    ModelDatabase database_;
    std::unique_ptr<Tree> tree_;
    std::unique_ptr<BlobStore> store_;
    std::unique_ptr<Uploads> uploads_;
    std::unique_ptr<Publisher> publisher_;
    std::unique_ptr<Catalog> catalog_;
    std::unique_ptr<GarbageCollector> garbage_;
    std::unique_ptr<Uses> uses_;
    std::shared_ptr<Keeping> keeping_;

    // What must be there: by name and digest of the manifest.
    std::map<std::string, Pushed> acknowledged_;
    std::map<std::string, Deletes> deletes_;
    std::map<std::string, Tag> tags_;  // by name and tag
    // Paths of blobs, how many of the above need them.
    std::map<std::string, int, std::less<>> needed_;
    // Of these a client said that the repository need not have them.
    std::vector<std::string> removed_blobs_;
    std::vector<Digest> damaged_;
    std::vector<Pushed> kept_;  // acknowledged at keep()
    std::map<std::string, Tag> kept_tags_;
    bool was_refused_ = false;  // a push, whose bytes may be on the disk
    std::string failure_;
};

Digest digest_of_text(std::string_view bytes);

/// An image of these layers; `mark` makes it unlike others.
Pushed image_of(std::string name, const std::string& mark,
                const std::vector<std::string>& layers, std::string tag = {});

/// An index of these manifests.
Pushed index_of(std::string name, const std::string& mark,
                const std::vector<Pushed>& children, std::string tag = {});

/// What one of the above says; null: none has these bytes.
const ManifestFacts* known_facts(std::string_view bytes);

}  // namespace longshore::model
