// Of the world: what takes away or brings back besides the collector.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <utility>

#include "common/clock.hpp"
#include "common/layout.hpp"
#include "db/retention.hpp"
#include "db/scrub.hpp"
#include "model/retention.hpp"
#include "model_common.hpp"
#include "model_fibers.hpp"
#include "model_world.hpp"
#include "registry/catalog.hpp"
#include "registry/garbage.hpp"
#include "registry/publisher.hpp"
#include "registry/retention.hpp"
#include "registry/scrubber.hpp"
#include "registry/undelete.hpp"
#include "registry/uses.hpp"
#include "store/blob_store.hpp"
#include "store/stored_files.hpp"

namespace longshore::model {
namespace {

constexpr std::uint64_t kMaxBytes = 1 << 16;
constexpr std::int64_t kTrashS = 3600;

void publish(const std::vector<std::string>&) {}

// Manifests of the histories are no JSON.
Result<ManifestFacts> facts_of_bytes(std::string_view bytes, std::string_view) {
    if (const auto* facts = known_facts(bytes)) {
        return *facts;
    }
    return Error{Code::invalid_argument, "no manifest"};
}

}  // namespace

struct World::Keeping {
    explicit Keeping(World& world)
        : retention(world.database_, world.publisher_->links(), *world.uses_,
                    publish, std::chrono::milliseconds(0)),
          undelete(*world.store_, *world.publisher_, facts_of_bytes, kMaxBytes,
                   publish),
          files(open_files(world.root_)),
          scrubber(world.database_, *world.store_->locks(), *files, publish) {}

    static std::unique_ptr<StoredFiles> open_files(const std::string& root) {
        auto files = StoredFiles::open(root);
        must(files, "open what is stored");
        return std::move(*files);
    }

    Retention retention;
    Undelete undelete;
    std::unique_ptr<StoredFiles> files;
    Scrubber scrubber;
};

void World::open_keeping() {
    keeping_ = std::make_shared<Keeping>(*this);
}

void World::set_rules(const RetentionPolicy& policy) {
    must(database_.write([&](Transaction& t) {
        return db::put_retention_policy(t, policy);
    }),
         "rules");
}

void World::collect_at_once() {
    make_old();
    collect(false);
    settle();
}

void World::damage(const Digest& digest) {
    auto path = layout::blob_data(root_, digest).str();
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    must_be(static_cast<bool>(file.put('~')), "damage a file");
    damaged_.push_back(digest);
    tree_->changes(path);
}

bool World::may_be_damaged(const Digest& digest) const {
    return std::find(damaged_.begin(), damaged_.end(), digest) !=
           damaged_.end();
}

void World::let_go(const Pushed& pushed) {
    withdraw(pushed);
    forget_tags_of(pushed);
}

// Whoever writes the same tag meanwhile may come before or after.
World::Tag& World::begin_tag(const Pushed& pushed) {
    auto& tag = tags_[pushed.tag_key()];
    ++tag.begun;
    ++tag.open;
    if (!tag.is_fixed) {
        tag.leads_to.reset();
    }
    return tag;
}

void World::forget_tags_of(const Pushed& pushed) {
    for (auto& [key, tag] : tags_) {
        if (tag.leads_to && !tag.is_fixed &&
            tag.leads_to->name == pushed.name &&
            tag.leads_to->digest == pushed.digest) {
            tag.leads_to.reset();
        }
    }
}

// As old as the files are: what retention goes by.
void World::make_rows_old(std::int64_t then_ms) {
    must(database_.write([=](Transaction& t) -> Result<void> {
        LS_CHECK(
            t.execute("UPDATE manifests SET pushed_at_ms = $1", {then_ms}));
        LS_CHECK(t.execute("UPDATE tags SET moved_at_ms = $1", {then_ms}));
        LS_CHECK(
            t.execute("UPDATE manifest_uses SET held_at_ms = $1", {then_ms}));
        return db::set_uses_since(t, then_ms);
    }),
         "make the rows old");
}

std::string World::check_tags() {
    for (const auto& [key, tag] : tags_) {
        if (!tag.leads_to) {
            continue;
        }
        const auto& pushed = *tag.leads_to;
        auto found = catalog_->manifest(access_to(pushed.name), pushed.tag);
        if (!found) {
            return "lost: the tag " + key;
        }
        if (found->digest != pushed.digest) {
            return "the tag " + key + " leads to " + found->digest.str();
        }
    }
    return {};
}

// What somebody was told to be there stays, for as long as the rules that
// look at pulls say.
bool World::ask(const Pushed& pushed) {
    auto before = deletes_of(pushed);
    auto found =
        catalog_->manifest(access_to(pushed.name), pushed.digest.text());
    if (!found || is_dead()) {
        return false;
    }
    if (before.open == 0 && deletes_of(pushed).sent == before.sent) {
        acknowledge(pushed);
    }
    return true;
}

void World::protect(const Pushed& pushed) {
    auto pattern = Pattern::parse(pushed.name);
    auto tags = TagPattern::parse(pushed.tag);
    must(pattern, "a pattern");
    must(tags, "a pattern of tags");
    auto written = database_.write([&](Transaction& t) {
        return db::put_immutable_tags(t, {*pattern, *tags}, unix_ms());
    });
    auto found = catalog_->manifest(access_to(pushed.name), pushed.tag);
    if (written && found && found->digest == pushed.digest && !is_dead()) {
        auto& tag = tags_[pushed.tag_key()];
        tag.is_fixed = true;
        tag.leads_to = pushed;
        acknowledge(pushed);
    }
}

void World::undelete(const Pushed& pushed, bool surely) {
    auto back = write(pushed, [&]() -> Result<void> {
        LS_TRY(done, keeping_->undelete.run(access_to(pushed.name),
                                            pushed.digest, {pushed.tag}));
        // An index without some of its children is no promise of them.
        return done.missing.empty()
                   ? Result<void>()
                   : Error{Code::not_found, "some children stay away"};
    });
    revived += back ? 1 : 0;
    if (!back && !is_dead() &&
        (surely || back.error().code != Code::not_found)) {
        fail("an undelete: " + back.error().message);
    }
}

void World::retain() {
    RetentionOptions options;
    options.now_ms = unix_ms();
    auto done = keeping_->retention.run(options);
    if (!done && !is_dead()) {
        fail("a run of retention: " + done.error().message);
    }
    if (done) {
        retired += static_cast<std::uint64_t>(done->tags + done->manifests);
    }
}

void World::empty_trash() {
    auto left = store_->empty_trash(kTrashS);
    if (!left && !is_dead()) {
        fail("the trash: " + left.error().message);
    }
}

void World::scrub() {
    db::Scrub pass;
    ScrubOptions options;
    options.again_after = std::chrono::milliseconds(0);
    auto added =
        database_.write([&](Transaction& t) { return db::add_scrub(t, pass); });
    auto done = added ? keeping_->scrubber.run(pass, options)
                      : Result<bool>(std::move(added).error());
    if (!done && !is_dead()) {
        fail("a scrub: " + done.error().message);
    }
    quarantined += static_cast<std::uint64_t>(pass.damaged);
}

}  // namespace longshore::model
