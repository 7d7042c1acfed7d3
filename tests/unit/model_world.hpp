// What the interleavings are of: the real store, database, publisher, catalog
// and collector on a folder of its own, which every history finds as the
// scenario made it; what nginx does, by the same system calls in the same
// order; and what clients were told, against which all of it is held.
#pragma once

#include <cstdint>
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
    bool asks_nothing = false;  // its blobs may be missing
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
    void collect(bool deep);

    /// The first thing that must not be; ends the history.
    void fail(std::string what);
    const std::string& failure() const noexcept { return failure_; }

    /// Marks it as acknowledged; put() does.
    void acknowledge(const Pushed& pushed);

    Omitted omitted;
    /// False: the link files are somebody else's, as registryd's may be.
    bool nginx_may_touch = true;
    std::uint64_t pushes = 0;
    std::uint64_t collected = 0;

private:
    void open_store();
    void open_life();
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

    // What must be there: by name and digest of the manifest.
    std::map<std::string, Pushed> acknowledged_;
    std::map<std::string, Deletes> deletes_;
    // Paths of blobs, how many of the above need them.
    std::map<std::string, int, std::less<>> needed_;
    // Of these a client said that the repository need not have them.
    std::vector<std::string> removed_blobs_;
    std::vector<Pushed> kept_;  // acknowledged at keep()
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

}  // namespace longshore::model
