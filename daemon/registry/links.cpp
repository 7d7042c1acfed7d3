#include "registry/links.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/probe.hpp"
#include "db/oci.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

// syncfs writes out everything on the file system, so not after each write;
// the longer the pause, the more is replayed after a crash.
constexpr std::chrono::seconds kSweepEvery{5};
constexpr std::size_t kBatch = 1000;
// More are the sweeper's: nobody waits for thousands of files. As many tags as
// one push may have are always there with its answer.
constexpr std::size_t kAtOnce = 1001;

std::size_t stripe_of(const db::Intent& intent, std::size_t count) {
    std::hash<std::string> hash;
    return (hash(intent.name) * 31 + hash(intent.reference)) % count;
}

}  // namespace

Links::Links(Database& database, BlobStore& store)
    : database_(database), store_(store) {}

Links::~Links() {
    {
        std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    wanted_.notify_all();
    if (sweeper_.joinable()) {
        sweeper_.join();
    }
}

Result<void> Links::start() {
    std::int64_t last = 0;
    std::vector<db::Intent> many;
    for (;;) {
        std::vector<db::Intent> intents;
        LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
            LS_TRY(found, db::list_intents(t, kBatch, last));
            intents = std::move(found);
            return {};
        }));
        if (intents.empty()) {
            break;
        }
        last = intents.back().id;
        // A full disk must not keep the registry from being read: what fails
        // is logged and stays with the sweeper. So do large numbers of tags.
        auto tags = std::partition(
            intents.begin(), intents.end(), [](const db::Intent& intent) {
                return intent.kind != db::Intent::Kind::tag;
            });
        many.insert(many.end(), tags, intents.end());
        intents.erase(tags, intents.end());
        (void)apply(intents, Equal::rewrite);
    }
    if (many.size() <= kAtOnce) {
        (void)apply(std::exchange(many, {}), Equal::rewrite);
    }
    LS_PROBE(links, replayed);
    if (auto swept = sweep(); !swept) {
        spdlog::warn("sweep of link files: {}", swept.error().message);
    }
    late_.insert(late_.end(), many.begin(), many.end());
    hurry_ = !many.empty();
    sweeper_ = std::thread([this]() noexcept { sweep_loop(); });
    return {};
}

Result<void> Links::apply(const std::vector<db::Intent>& intents) {
    if (intents.size() <= kAtOnce) {
        return apply(intents, Equal::keep);
    }
    {
        std::lock_guard guard(mutex_);
        late_.insert(late_.end(), intents.begin(), intents.end());
        hurry_ = true;
    }
    wanted_.notify_all();
    return {};
}

Result<void> Links::apply(const std::vector<db::Intent>& intents, Equal equal) {
    Result<void> first;
    for (const auto& intent : intents) {
        std::unique_lock guard(mutex_);
        if (stopping_) {
            break;  // they are in the database, for the next start
        }
        auto failed_syncs = failed_syncs_;
        guard.unlock();
        auto result = reconcile(intent, equal);
        guard.lock();
        if (result) {
            // A sync that failed meanwhile may have lost this one too.
            if (failed_syncs == failed_syncs_) {
                applied_.push_back(intent.id);
            }
            continue;
        }
        late_.push_back(intent);
        spdlog::warn("link of {} {} is late: {}", intent.name, intent.reference,
                     result.error().message);
        if (first) {
            first = std::move(result);
        }
    }
    return first;
}

Result<void> Links::reconcile(const db::Intent& intent, Equal equal) {
    std::lock_guard guard(paths_[stripe_of(intent, paths_.size())]);
    Digest digest;
    if (intent.kind != db::Intent::Kind::tag &&
        !Digest::parse(intent.reference, digest)) {
        return Error{Code::corrupt, "intent holds no digest"};
    }
    std::optional<Digest> target;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        if (intent.kind == db::Intent::Kind::layer) {
            LS_TRY(size, db::find_linked(t, intent.name, digest));
            if (size) {
                target = digest;
            }
            return {};
        }
        LS_TRY(found,
               intent.kind == db::Intent::Kind::tag
                   ? db::find_tagged(t, intent.name, intent.reference)
                   : db::find_manifest(t, intent.name, intent.reference));
        if (found) {
            target = found->digest;
        }
        return {};
    }));
    LS_PROBE(link, decided);
    const auto& root = store_.root();
    switch (intent.kind) {
        case db::Intent::Kind::layer:
            return follow_link(layout::layer_link(root, intent.name, digest),
                               digest.text(), target.has_value(), equal);
        case db::Intent::Kind::revision:
            return follow_link(layout::revision_link(root, intent.name, digest),
                               digest.text(), target.has_value(), equal);
        case db::Intent::Kind::tag:
            return follow_tag(intent, target, equal);
    }
    return {};
}

Result<void> Links::follow_link(const Path& path, std::string_view digest,
                                bool wanted, Equal equal) {
    if (!wanted) {
        auto removed = store_.remove_file(path);
        LS_PROBE(link, removed);
        return removed ? Result<void>() : std::move(removed).error();
    }
    if (equal == Equal::keep) {
        auto known = store_.read_file(path);
        if (known && *known == digest) {
            return {};
        }
    }
    LS_CHECK(store_.write_file(path, digest));
    LS_PROBE(link, written);
    return {};
}

Result<void> Links::follow_tag(const db::Intent& intent,
                               const std::optional<Digest>& digest,
                               Equal equal) {
    const auto& root = store_.root();
    const auto& tag = intent.reference;
    if (!digest) {
        auto removed =
            store_.remove_folder(layout::tag_folder(root, intent.name, tag));
        return removed ? Result<void>() : std::move(removed).error();
    }
    // `current` last: it makes the rest visible.
    LS_CHECK(follow_link(layout::tag_index(root, intent.name, tag, *digest),
                         digest->text(), true, equal));
    LS_PROBE(tag, indexed);
    return follow_link(layout::tag_current(root, intent.name, tag),
                       digest->text(), true, equal);
}

Result<void> Links::sweep() {
    std::vector<std::int64_t> ids;
    std::vector<db::Intent> again;
    {
        std::lock_guard guard(mutex_);
        ids.swap(applied_);
        again.swap(late_);
        hurry_ = false;
    }
    if (!again.empty()) {
        (void)apply(again, Equal::rewrite);
    }
    if (ids.empty()) {
        return {};
    }
    if (auto synced = store_.sync(); !synced) {
        std::lock_guard guard(mutex_);
        ++failed_syncs_;
        applied_.clear();
        return synced;
    }
    LS_PROBE(links, synced);
    auto result = forget(ids);
    LS_PROBE(links, forgotten);
    if (!result) {
        // Kept for the next sweep; at worst they are replayed.
        std::lock_guard guard(mutex_);
        applied_.insert(applied_.end(), ids.begin(), ids.end());
    }
    return result;
}

Result<void> Links::forget(const std::vector<std::int64_t>& ids) {
    for (std::size_t from = 0; from < ids.size(); from += kBatch) {
        auto to = std::min(ids.size(), from + kBatch);
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            for (auto i = from; i < to; ++i) {
                LS_CHECK(db::delete_intent(t, ids[i]));
            }
            return {};
        }));
    }
    return {};
}

void Links::sweep_loop() noexcept {
    std::unique_lock guard(mutex_);
    while (!stopping_) {
        wanted_.wait_for(guard, kSweepEvery,
                         [&] { return stopping_ || hurry_; });
        guard.unlock();
        try {
            if (auto swept = sweep(); !swept) {
                spdlog::warn("sweep of link files: {}", swept.error().message);
            }
        } catch (const std::exception& e) {
            spdlog::error("sweep of link files: {}", e.what());
        }
        guard.lock();
    }
}

}  // namespace longshore
