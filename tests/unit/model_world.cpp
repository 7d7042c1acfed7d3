#include "model_world.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/authorizer.hpp"
#include "common/clock.hpp"
#include "common/hash.hpp"
#include "common/layout.hpp"
#include "db/collections.hpp"
#include "db/connection.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "db/retention.hpp"
#include "db/schema.hpp"
#include "jobs/verify.hpp"
#include "model_calls.hpp"
#include "model_common.hpp"
#include "model_fibers.hpp"
#include "ngx_module/session.hpp"
#include "registry/catalog.hpp"
#include "registry/garbage.hpp"
#include "registry/links.hpp"
#include "registry/publisher.hpp"
#include "registry/uploads.hpp"
#include "registry/uses.hpp"
#include "store/blob_store.hpp"

namespace longshore::model {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kGraceS = 3600;
constexpr std::int64_t kOldS = 2 * 24 * 3600;
constexpr std::size_t kMaxBytes = 1 << 16;
// As in ngx_module/serve.cpp.
constexpr std::int64_t kNewForS = 60;

std::string key_of(const Pushed& pushed) {
    return pushed.name + '@' + pushed.digest.str();
}

std::string key_of(std::string_view name, const Digest& digest) {
    return std::string(name) + '@' + digest.str();
}

ManifestDraft draft_of(const Pushed& pushed) {
    ManifestDraft draft;
    draft.bytes = pushed.bytes;
    draft.digest = pushed.digest;
    draft.facts = pushed.facts;
    if (!pushed.tag.empty()) {
        draft.tags = {pushed.tag};
    }
    return draft;
}

std::map<std::string, ManifestFacts, std::less<>>& all_facts() {
    static std::map<std::string, ManifestFacts, std::less<>> facts;
    return facts;
}

Pushed pushed_of(std::string name, std::string bytes, std::string tag) {
    Pushed pushed;
    pushed.name = std::move(name);
    pushed.digest = digest_of_text(bytes);
    pushed.bytes = std::move(bytes);
    pushed.tag = std::move(tag);
    pushed.facts.media_type = "application/vnd.oci.image.manifest.v1+json";
    return pushed;
}

}  // namespace

Access access_to(std::string_view name) {
    static std::map<std::string, Access, std::less<>> known;
    auto found = known.find(name);
    if (found == known.end()) {
        auto access = *Authorizer().authorize(Caller{}, RepositoryName(name),
                                              Action::admin);
        found = known.emplace(std::string(name), std::move(access)).first;
    }
    return found->second;
}

Digest digest_of_text(std::string_view bytes) {
    return digest_of(Algorithm::sha256, bytes);
}

Pushed image_of(std::string name, const std::string& mark,
                const std::vector<std::string>& layers, std::string tag) {
    auto bytes = "image " + mark;
    for (const auto& layer : layers) {
        bytes += ' ' + digest_of_text(layer).str();
    }
    auto pushed = pushed_of(std::move(name), std::move(bytes), std::move(tag));
    for (const auto& layer : layers) {
        pushed.facts.references.push_back(
            {ManifestReference::Kind::layer,
             {"t", digest_of_text(layer), layer.size()},
             true});
    }
    all_facts()[pushed.bytes] = pushed.facts;
    return pushed;
}

Pushed index_of(std::string name, const std::string& mark,
                const std::vector<Pushed>& children, std::string tag) {
    auto bytes = "index " + mark;
    for (const auto& child : children) {
        bytes += ' ' + child.digest.str();
    }
    auto pushed = pushed_of(std::move(name), std::move(bytes), std::move(tag));
    for (const auto& child : children) {
        pushed.facts.references.push_back(
            {ManifestReference::Kind::child,
             {"t", child.digest, child.bytes.size()},
             true});
    }
    all_facts()[pushed.bytes] = pushed.facts;
    return pushed;
}

const ManifestFacts* known_facts(std::string_view bytes) {
    auto found = all_facts().find(bytes);
    return found == all_facts().end() ? nullptr : &found->second;
}

// The database.

ModelDatabase::ModelDatabase() {
    // A file of SQLite's own that nobody else sees and that stays in memory.
    auto connection = Connection::open("", false);
    must(connection, "open the database");
    connection_ = std::move(*connection);
    must(connection_->script("PRAGMA synchronous = OFF;"
                             "PRAGMA journal_mode = MEMORY;"),
         "settings of the database");
    for (auto file : schema_files()) {
        must(connection_->script(std::string(file).c_str()), "schema");
    }
    must(write([](Transaction& t) {
             return db::set_meta(t, "takeover", "complete");
         }),
         "meta");
}

ModelDatabase::~ModelDatabase() = default;

Result<void> ModelDatabase::write(const Work& work) {
    point({"write to the database"});
    if (is_dead()) {
        return Error{Code::unavailable, "the process has ended"};
    }
    LS_CHECK(connection_->script("SAVEPOINT one"));
    auto result = work(*connection_);
    if (!result) {
        LS_CHECK(connection_->script("ROLLBACK TO one"));
    }
    LS_CHECK(connection_->script("RELEASE one"));
    return result;
}

// What it finds is what was committed when it began: nobody else runs.
Result<void> ModelDatabase::read(const Work& work) {
    point({"read from the database"});
    if (is_dead()) {
        return Error{Code::unavailable, "the process has ended"};
    }
    return work(*connection_);
}

void ModelDatabase::keep() {
    must(connection_->script("SAVEPOINT kept"), "keep");
    is_kept_ = true;
}

void ModelDatabase::restore() {
    if (is_kept_) {
        must(connection_->script("ROLLBACK TO kept"), "restore");
    }
}

// The folder.

World::World() {
    // Memory, where there is such a folder.
    auto base = fs::is_directory("/dev/shm") ? fs::path("/dev/shm")
                                             : fs::temp_directory_path();
    auto name = (base / "longshore-model-XXXXXX").string();
    must_be(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    root_ = name;
    tree_ = std::make_unique<Tree>(root_);
    on_gone([this](const std::string& path) {
        auto needed = needed_.find(path);
        if (needed != needed_.end() && needed->second > 0) {
            fail("out of sight: " + path);
        }
    });
    open_store();
    open_life();
}

World::~World() {
    on_gone(nullptr);
    close_life();
    clear();
    fs::remove_all(root_);
}

void World::open_store() {
    auto store = open_file_store(root_);
    must(store, "open the store");
    store_ = std::move(*store);
    uploads_ = std::make_unique<Uploads>(*store_);
    catalog_ = std::make_unique<Catalog>(database_, *store_);
}

void World::open_life() {
    ManifestPolicy policy;
    policy.sparse_indexes = sparse_indexes;
    publisher_ = std::make_unique<Publisher>(database_, *store_, policy);
    must(publisher_->start(), "start");
    garbage_ = std::make_unique<GarbageCollector>(
        database_, *store_, publisher_->links(),
        [](const std::vector<std::string>&) {});
    uses_ = std::make_unique<Uses>(database_);
    must(uses_->start(), "start of uses");
    catalog_->attach(*uses_);
    open_keeping();
}

void World::close_life() {
    keeping_.reset();
    garbage_.reset();
    publisher_.reset();
}

void World::keep() {
    settle();
    must(publisher_->links().sweep(), "sweep");
    close_life();
    clear();
    tree_->keep();
    make_rows_old(unix_ms() - kOldS * 1000);
    database_.keep();
    for (const auto& [key, pushed] : acknowledged_) {
        kept_.push_back(pushed);
    }
    kept_tags_ = tags_;
}

void World::begin() {
    failure_.clear();
    removed_blobs_.clear();
    acknowledged_.clear();
    deletes_.clear();
    needed_.clear();
    tags_ = kept_tags_;
    was_refused_ = false;
    database_.restore();
    tree_->restore(kOldS);
    open_life();
    for (const auto& pushed : kept_) {
        acknowledge(pushed);
    }
}

void World::end() {
    close_life();
    clear();
}

std::string World::recover() {
    close_life();
    clear();
    restart();
    open_store();
    open_life();
    return check_acknowledged();
}

// Before keep().

Digest World::store_blob(std::string_view bytes) {
    auto digest = digest_of_text(bytes);
    must(store_->put(digest, bytes), "put a blob");
    return digest;
}

Digest World::link_blob(std::string_view name, std::string_view bytes) {
    auto digest = store_blob(bytes);
    must(publisher_->link_blob(access_to(name), digest, ""), "link a blob");
    return digest;
}

void World::push_at_once(const Pushed& pushed) {
    must(publisher_->put_manifest(access_to(pushed.name), draft_of(pushed)),
         "push");
    acknowledge(pushed);
    if (!pushed.tag.empty()) {
        tags_[pushed.tag_key()].leads_to = pushed;
    }
}

void World::delete_at_once(const Pushed& pushed) {
    let_go(pushed);
    must(publisher_->delete_manifest(access_to(pushed.name), pushed.digest, ""),
         "delete");
}

void World::unlink_at_once(std::string_view name, const Digest& digest) {
    must(publisher_->delete_blob(access_to(name), digest, ""), "unlink");
}

// What was promised.

void World::fail(std::string what) {
    if (failure_.empty()) {
        failure_ = std::move(what);
    }
    stop();
}

void World::acknowledge(const Pushed& pushed) {
    if (!acknowledged_.emplace(key_of(pushed), pushed).second) {
        return;
    }
    ++needed_[layout::blob_data(root_, pushed.digest).str()];
    for (const auto& reference : pushed.facts.references) {
        if (!pushed.asks_nothing) {
            ++needed_[layout::blob_data(root_, reference.descriptor.digest)
                          .str()];
        }
    }
}

void World::withdraw(const Pushed& pushed) {
    if (acknowledged_.erase(key_of(pushed)) == 0) {
        return;
    }
    --needed_[layout::blob_data(root_, pushed.digest).str()];
    for (const auto& reference : pushed.facts.references) {
        if (!pushed.asks_nothing) {
            --needed_[layout::blob_data(root_, reference.descriptor.digest)
                          .str()];
        }
    }
}

bool World::is_acknowledged(const Pushed& pushed) const {
    return acknowledged_.contains(key_of(pushed));
}

World::Deletes World::deletes_of(const Pushed& pushed) const {
    auto found = deletes_.find(key_of(pushed));
    return found == deletes_.end() ? Deletes{} : found->second;
}

bool World::may_be_gone(std::string_view name, const Digest& digest) const {
    return std::find(removed_blobs_.begin(), removed_blobs_.end(),
                     key_of(name, digest)) != removed_blobs_.end();
}

// What nginx does.

// serve(): the file through the open-file cache.
bool World::has_data(const Digest& digest) {
    auto path = layout::blob_data(root_, digest);
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ::close(fd);
    }
    return fd >= 0;
}

// handle_blob() of ngx_module/serve.cpp: is_linked() with keep_link(), then
// serve(); what is not found is asked of registryd (daemon/formats/oci/
// blob.cpp), and sent from the disk if it says so. What a worker remembers of
// links is a minute old at most, far younger than any grace, and not here.
bool World::get(std::string_view name, const Digest& digest, bool is_head) {
    auto link = layout::layer_link(root_, name, digest);
    struct stat info {};
    bool linked = ::stat(link.c_str(), &info) == 0 && S_ISREG(info.st_mode);
    if (linked && is_head && !omitted.touch_at_head &&
        std::time(nullptr) - info.st_mtim.tv_sec >= kNewForS) {
        constexpr timespec kNow[] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
        linked = nginx_may_touch &&
                 ::utimensat(AT_FDCWD, link.c_str(), kNow, 0) == 0;
    }
    if (linked && has_data(digest)) {
        return true;
    }
    auto known = catalog_->blob(access_to(name), digest);
    if (known && is_head) {
        auto kept = publisher_->keep_blob(access_to(name), digest);
        if (!kept) {
            return false;
        }
    }
    return known && has_data(digest);
}

bool World::head(std::string_view name, const Digest& digest) {
    return get(name, digest, true) && !is_dead();
}

bool World::mount(std::string_view name, std::string_view from,
                  const Digest& digest) {
    // mount() of daemon/formats/oci/upload.cpp.
    return catalog_->blob(access_to(from), digest) &&
           publisher_->link_blob(access_to(name), digest, "");
}

// POST of registryd, PUT of nginx (ngx_module/upload.cpp), and what registryd
// does when it is told that the bytes are in their place.
bool World::upload(std::string_view name, std::string_view bytes) {
    auto id = uploads_->start(access_to(name), Algorithm::sha256);
    if (!id) {
        if (!is_dead()) {
            fail("no upload: " + id.error().message);
        }
        return false;
    }
    auto digest = digest_of_text(bytes);
    auto folder = layout::upload_folder(root_, name, *id).str();
    auto top = layout::repositories(root_).str();
    auto result = SessionResult::failed;
    {
        Session session({root_, top, folder});
        result = session.open();
        if (result == SessionResult::ok) {
            result = session.prepare();
        }
        if (result == SessionResult::ok) {
            result = session.append(bytes.data(), bytes.size());
        }
        result = session.finish(Finish::commit, digest, result);
    }
    if (is_dead()) {
        return false;
    }
    if (result != SessionResult::ok) {
        fail("an upload ended with " +
             std::to_string(static_cast<int>(result)));
        return false;
    }
    auto linked = publisher_->link_blob(access_to(name), digest, "");
    if (!linked && !is_dead()) {
        fail("a finished upload was not linked: " + linked.error().message);
    }
    Session::remove_folder(folder);
    return linked && !is_dead();
}

// What registryd does.

Result<void> World::write(const Pushed& pushed,
                          const std::function<Result<void>()>& work) {
    auto before = deletes_of(pushed);
    auto& tag = begin_tag(pushed);
    auto begun = tag.begun;
    auto done = work();
    --tag.open;
    // A delete that was under way may have come before it or after.
    if (done && !is_dead() && before.open == 0 &&
        deletes_of(pushed).sent == before.sent) {
        acknowledge(pushed);
        if (!pushed.tag.empty() && tag.open == 0 && tag.begun == begun) {
            tag.leads_to = pushed;
        }
    }
    return done;
}

bool World::put(const Pushed& pushed) {
    auto put = write(pushed, [&] {
        auto written =
            publisher_->put_manifest(access_to(pushed.name), draft_of(pushed));
        return written ? Result<void>() : std::move(written).error();
    });
    if (is_dead()) {
        return false;
    }
    if (put) {
        ++pushes;
        return true;
    }
    bool may = pushed.may_be_refused;
    for (const auto& reference : pushed.facts.references) {
        may = may || may_be_gone(pushed.name, reference.descriptor.digest);
    }
    if (may) {
        was_refused_ = true;
        return false;
    }
    fail("a push of what was told to be there: " + put.error().message + " " +
         put.error().detail);
    return false;
}

void World::remove(const Pushed& pushed) {
    bool was = is_acknowledged(pushed);
    let_go(pushed);
    auto& deletes = deletes_[key_of(pushed)];
    ++deletes.sent;
    ++deletes.open;
    auto removed =
        publisher_->delete_manifest(access_to(pushed.name), pushed.digest, "");
    --deletes.open;
    if (!removed && was && !is_dead() &&
        removed.error().code != Code::not_found) {
        fail("a delete: " + removed.error().message);
    }
}

void World::remove_tag(const Pushed& pushed) {
    auto& tag = begin_tag(pushed);
    auto removed =
        publisher_->delete_tag(access_to(pushed.name), pushed.tag, "");
    --tag.open;
    // Conflict: it has become immutable.
    if (!removed && !is_dead() && removed.error().code != Code::not_found &&
        removed.error().code != Code::conflict) {
        fail("a delete of a tag: " + removed.error().message);
    }
}

void World::remove_blob(std::string_view name, const Digest& digest) {
    removed_blobs_.push_back(key_of(name, digest));
    auto removed = publisher_->delete_blob(access_to(name), digest, "");
    if (!removed && !is_dead() && removed.error().code != Code::not_found) {
        fail("a delete of a blob: " + removed.error().message);
    }
}

void World::pull(const Pushed& pushed) {
    bool was = is_acknowledged(pushed);
    auto sent = deletes_of(pushed).sent;
    auto lost = [&](const std::string& what) {
        if (was && sent == deletes_of(pushed).sent && !is_dead()) {
            fail("a pull of " + key_of(pushed) + ": " + what);
        }
    };
    auto manifest =
        catalog_->manifest(access_to(pushed.name), pushed.digest.text());
    if (!manifest) {
        return lost(manifest.error().message);
    }
    auto bytes = catalog_->manifest_bytes(*manifest);
    if (!bytes || *bytes != pushed.bytes) {
        return lost("its bytes are gone");
    }
    for (const auto& reference : pushed.facts.references) {
        const auto& digest = reference.descriptor.digest;
        bool child = reference.kind == ManifestReference::Kind::child;
        bool got = child ? static_cast<bool>(catalog_->manifest(
                               access_to(pushed.name), digest.text()))
                         : get(pushed.name, digest, false);
        if (!got && !may_be_gone(pushed.name, digest) && !pushed.asks_nothing) {
            return lost("no " + digest.str());
        }
    }
}

void World::collect(bool deep) {
    CollectOptions options;
    options.grace_s = kGraceS;
    options.deep = deep;
    auto done = garbage_->run(options);
    if (!done && !is_dead()) {
        fail("a run of the collector: " + done.error().message);
    }
    if (done) {
        collected += static_cast<std::uint64_t>(done->links + done->blobs);
    }
}

// The end.

// Links and bytes that the tables know; others are as new as they are.
void World::make_old() {
    const auto old = std::time(nullptr) - kOldS;
    const timespec times[] = {{old, 0}, {old, 0}};
    auto age = [&](const Path& path) {
        (void)::utimensat(AT_FDCWD, path.c_str(), times, 0);
    };
    must(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(links, t.query("SELECT n.name, b.digest FROM name_blobs l"
                              " JOIN names n ON n.id = l.name_id"
                              " JOIN blobs b ON b.id = l.blob_id",
                              {}));
        for (;;) {
            LS_TRY(more, links->next());
            if (!more) {
                break;
            }
            LS_TRY(digest, Digest::parse(links->text(1)));
            age(layout::layer_link(root_, links->text(0), digest));
        }
        LS_TRY(blobs, t.query("SELECT digest FROM blobs", {}));
        for (;;) {
            LS_TRY(more, blobs->next());
            if (!more) {
                return {};
            }
            LS_TRY(digest, Digest::parse(blobs->text(0)));
            age(layout::blob_data(root_, digest));
        }
    }),
         "make all old");
}

std::string World::check_acknowledged() {
    for (const auto& [key, pushed] : acknowledged_) {
        auto manifest =
            catalog_->manifest(access_to(pushed.name), pushed.digest.text());
        if (!manifest) {
            return "lost: " + key + ": " + manifest.error().message;
        }
        auto bytes = store_->read(pushed.digest, kMaxBytes);
        if (!bytes || *bytes != pushed.bytes) {
            return "lost: the bytes of " + key;
        }
        for (const auto& reference : pushed.facts.references) {
            const auto& digest = reference.descriptor.digest;
            if (pushed.asks_nothing) {
                continue;
            }
            if (reference.kind == ManifestReference::Kind::child &&
                !catalog_->manifest(access_to(pushed.name), digest.text())) {
                return "lost: the child " + digest.str() + " of " + key;
            }
            auto layer = store_->read(digest, kMaxBytes);
            if (!layer || digest_of_text(*layer) != digest) {
                return "lost: " + digest.str() + " of " + key;
            }
            if (reference.kind == ManifestReference::Kind::layer &&
                !may_be_gone(pushed.name, digest) &&
                !catalog_->blob(access_to(pushed.name), digest)) {
                return "unlinked: " + digest.str() + " of " + key;
            }
        }
    }
    return check_tags();
}

std::string World::check_verify() {
    auto report = verify(database_, *store_, 0);
    must(report, "verify");
    std::string text;
    for (const auto& difference : report->differences) {
        // What was taken away for its bytes is missed until it is pushed.
        if (std::find(report->quarantined.begin(), report->quarantined.end(),
                      difference.reference) != report->quarantined.end()) {
            continue;
        }
        text += text.empty() ? "verify: " : "; ";
        text += difference.problem + " " + difference.name + " " +
                difference.reference;
    }
    return text;
}

// A file for each row, and a row for each file.
std::string World::check_files() {
    std::string wrong;
    std::size_t rows = 0;
    must(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(links, db::list_unused_links(t, 0, INT64_MAX));
        LS_TRY(blobs, db::list_unused_blobs(t, 0, INT64_MAX));
        if (!links.empty()) {
            wrong = "left: a link of " + links.front().digest;
        } else if (!blobs.empty()) {
            wrong = "left: a row of " + blobs.front().digest;
        }
        LS_TRY(found, t.query("SELECT digest, size_bytes FROM blobs", {}));
        for (;;) {
            LS_TRY(more, found->next());
            if (!more) {
                return {};
            }
            LS_TRY(digest, Digest::parse(found->text(0)));
            bool there = static_cast<bool>(store_->size(digest));
            // What is only mentioned may be there all the same: an end came
            // before its own row.
            rows += there ? 1 : 0;
            if (!there && !found->is_null(1) && !may_be_damaged(digest)) {
                wrong = "a row without a file: " + digest.str();
            }
        }
    }),
         "look at the rows");
    std::size_t files = 0;
    auto folder = root_ + "/docker/registry/v2/blobs";
    if (fs::exists(folder)) {
        for (const auto& entry : fs::recursive_directory_iterator(folder)) {
            files += entry.is_regular_file() ? 1 : 0;
        }
    }
    if (wrong.empty() && files != rows) {
        wrong = "left: " + std::to_string(files) + " files of " +
                std::to_string(rows) + " blobs";
    }
    for (const auto& entry : fs::directory_iterator(root_ + "/trash")) {
        // What may be had back lies in a folder of its own.
        if (wrong.empty() && entry.is_regular_file()) {
            wrong = "left: a file in the trash";
        }
    }
    return wrong;
}

std::string World::check_nothing_left(bool deep) {
    make_old();
    if (deep && fs::exists(root_ + "/docker/registry/v2/blobs")) {
        const auto old = std::time(nullptr) - kOldS;
        const timespec times[] = {{old, 0}, {old, 0}};
        for (const auto& entry : fs::recursive_directory_iterator(
                 root_ + "/docker/registry/v2/blobs")) {
            (void)::utimensat(AT_FDCWD, entry.path().c_str(), times, 0);
        }
    }
    collect(deep);
    settle();
    return check_files();
}

// Only a deep run finds bytes without a row: what an end left, or a push that
// was refused at its last look.
std::string World::check(bool crashed) {
    settle();
    for (const auto& wrong :
         {check_acknowledged(), check_verify(),
          check_nothing_left(crashed || was_refused_), check_acknowledged(),
          crashed ? check_verify() : std::string()}) {
        if (!wrong.empty()) {
            return wrong;
        }
    }
    return failure_;
}

}  // namespace longshore::model
