#include "registry/takeover.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "common/oci_path.hpp"
#include "common/probe.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "registry/disk_walk.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

// Small enough that a push which comes between two batches hardly waits.
constexpr std::size_t kManifestBatch = 100;
constexpr std::size_t kLinkBatch = 500;
// Clients that wait for a name must not take every worker for long.
constexpr std::chrono::seconds kPatience{2};
constexpr std::size_t kMaxBusy = 2;
constexpr std::uint64_t kMaxManifestBytes = 64 * 1024 * 1024;

constexpr std::string_view kSchema1 =
    "application/vnd.docker.distribution.manifest.v1+prettyjws";

// For manifests that the reader refuses: they were served before, so they go
// on being served, under the type they name themselves.
std::string own_media_type(std::string_view bytes) {
    auto body = nlohmann::json::parse(bytes, nullptr, false);
    if (body.is_object()) {
        auto type = body.find("mediaType");
        if (type != body.end() && type->is_string()) {
            return type->get<std::string>();
        }
        auto version = body.find("schemaVersion");
        if (version != body.end() && *version == 1) {
            return std::string(kSchema1);
        }
    }
    return "application/octet-stream";
}

Error not_now() {
    return Error{Code::unavailable,
                 "the repository is being indexed, retry later", "UNAVAILABLE"};
}

Error ended() {
    return Error{Code::unavailable, "the daemon is ending, retry later",
                 "UNAVAILABLE"};
}

// What is so on disk and stays so. Everything else may be read the next time
// and must not be left out for good.
bool is_lasting(const Error& error) {
    return error.code == Code::not_found || error.code == Code::corrupt ||
           error.code == Code::too_large;
}

Error not_found(std::string_view what) {
    return Error{Code::not_found, std::string(what) + " is not on disk"};
}

}  // namespace

Error not_indexed_yet() {
    return {Code::unavailable,
            "the directory has not been indexed completely yet: what was not "
            "read may refer to anything"};
}

Result<void> check_indexed(Transaction& t) {
    LS_TRY(state, db::meta(t, "takeover"));
    return state == "complete" ? Result<void>() : not_indexed_yet();
}

Takeover::Takeover(Database& database, BlobStore& store, ManifestReader reader)
    : database_(database), store_(store), reader_(reader) {}

Result<void> Takeover::open() {
    std::string state;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::meta(t, "takeover"));
        state = std::move(found);
        return {};
    }));
    complete_.store(state == "complete", std::memory_order_release);
    return {};
}

Result<std::size_t> Takeover::find_names() {
    std::vector<std::string> batch;
    std::size_t count = 0;
    Result<void> saved;
    auto save = [&]() -> bool {
        saved = database_.write([&](Transaction& t) -> Result<void> {
            for (const auto& name : batch) {
                LS_TRY(made, db::ensure_name(t, name));
                (void)made;
            }
            return {};
        });
        count += batch.size();
        batch.clear();
        return static_cast<bool>(saved);
    };
    LS_CHECK(disk::each_name(store_, [&](std::string_view name) {
        auto found = on_disk(name);
        if (!found || ending()) {
            saved = found ? ended() : std::move(found).error();
            return false;
        }
        if (!*found) {
            return true;  // nothing but uploads
        }
        batch.emplace_back(name);
        return batch.size() < kLinkBatch || save();
    }));
    if (saved && !batch.empty()) {
        save();
    }
    LS_CHECK(std::move(saved));
    LS_PROBE(takeover, named);
    return count;
}

Result<bool> Takeover::step() {
    std::optional<std::string> name;
    db::Id id = 0;
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::next_unindexed(t, behind_.load()));
        if (!found) {
            LS_TRY(again, db::next_unindexed(t, 0));
            found = std::move(again);
        }
        name = std::move(found);
        if (name) {
            LS_TRY(row, db::find_name(t, *name));
            id = row ? row->id : 0;
        }
        // In the same transaction: a name made after this counts as indexed.
        if (!name) {
            return db::set_meta(t, "takeover", "complete");
        }
        return {};
    }));
    if (!name) {
        LS_PROBE(takeover, completed);
        complete_.store(true, std::memory_order_release);
        return false;
    }
    if (auto adopted = adopt_by(*name, Patience::indexer); !adopted) {
        behind_.store(id);
        return std::move(adopted).error();
    }
    return true;
}

void Takeover::end() {
    {
        std::lock_guard guard(mutex_);
        ending_.store(true, std::memory_order_release);
    }
    adopted_.notify_all();
}

Result<void> Takeover::adopt(std::string_view name) {
    // What is done waits for nobody.
    LS_TRY(indexed, is_indexed(name));
    return indexed ? Result<void>() : adopt_by(name, Patience::client);
}

Result<void> Takeover::adopt_by(std::string_view name, Patience patience) {
    std::unique_lock guard(mutex_);
    auto my_turn = [&] {
        return ending() ||
               (!busy_.contains(name) &&
                (patience == Patience::indexer || busy_.size() < kMaxBusy));
    };
    if (patience == Patience::indexer) {
        adopted_.wait(guard, my_turn);
    } else if (!adopted_.wait_for(guard, kPatience, my_turn)) {
        return not_now();
    }
    if (ending()) {
        return ended();
    }
    auto mine = busy_.emplace(name).first;
    guard.unlock();
    Result<void> result;
    try {
        result = adopt_unless_indexed(name);
    } catch (const std::exception& e) {
        result = Error{Code::internal,
                       "indexing of " + std::string(name) + ": " + e.what()};
    }
    guard.lock();
    busy_.erase(mine);
    adopted_.notify_all();
    return result;
}

Result<void> Takeover::adopt_unless_indexed(std::string_view name) {
    LS_TRY(indexed, is_indexed(name));
    return indexed ? Result<void>() : adopt_all(name);
}

Result<bool> Takeover::is_indexed(std::string_view name) {
    bool indexed = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(row, db::find_name(t, name));
        indexed = row && row->indexed;
        return {};
    }));
    return indexed;
}

Result<void> Takeover::adopt_all(std::string_view name) {
    LS_TRY(has_some, on_disk(name));
    if (has_some) {
        LS_CHECK(adopt_manifests(name));
        LS_PROBE(takeover, manifests);
        LS_CHECK(adopt_layers(name));
        LS_PROBE(takeover, layers);
        LS_CHECK(adopt_tags(name));
        LS_PROBE(takeover, tags);
    }
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, db::find_name(t, name));
        return row ? db::mark_indexed(t, row->id) : Result<void>();
    }));
    LS_PROBE(takeover, indexed);
    return {};
}

Result<Takeover::Read> Takeover::read_manifest(const Digest& digest) {
    LS_TRY(bytes, store_.read(digest, kMaxManifestBytes));
    auto facts = reader_(bytes, "");
    Read read{digest, bytes.size(), {}};
    if (facts) {
        read.facts = std::move(*facts);
    } else {
        read.facts.media_type = own_media_type(bytes);
    }
    return read;
}

Result<void> Takeover::adopt_manifests(std::string_view name) {
    std::vector<Read> batch;
    Result<void> saved;
    LS_CHECK(disk::each_digest(
        store_, disk::revisions(store_, name), [&](const Digest& digest) {
            auto link = layout::revision_link(store_.root(), name, digest);
            auto there = store_.present(link);
            if (!there || ending()) {
                saved = there ? ended() : std::move(there).error();
                return false;
            }
            if (!*there) {
                return true;  // its link was deleted
            }
            auto read = read_manifest(digest);
            if (!read) {
                if (!is_lasting(read.error())) {
                    saved = std::move(read).error();
                    return false;
                }
                spdlog::warn("takeover: {}@{} left out: {}", name,
                             digest.text(), read.error().message);
                return true;
            }
            batch.push_back(std::move(*read));
            if (batch.size() >= kManifestBatch) {
                saved = save_manifests(name, batch);
                batch.clear();
            }
            return static_cast<bool>(saved);
        }));
    LS_CHECK(std::move(saved));
    return save_manifests(name, batch);
}

Result<void> Takeover::save_manifests(std::string_view name,
                                      const std::vector<Read>& manifests) {
    auto now = unix_ms();
    return database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(row, db::ensure_name(t, name));
        for (const auto& read : manifests) {
            LS_TRY(blob, db::ensure_blob(t, read.digest, read.size_bytes));
            db::ManifestRow facts{read.facts.media_type,
                                  read.facts.artifact_type,
                                  read.facts.annotations, std::nullopt, now};
            if (read.facts.subject) {
                LS_TRY(subject,
                       db::ensure_blob(t, *read.facts.subject, std::nullopt));
                facts.subject = subject;
            }
            LS_TRY(made, db::add_manifest(t, row.id, blob, facts));
            if (!made) {
                continue;  // pushed meanwhile
            }
            for (const auto& reference : read.facts.references) {
                LS_TRY(target, db::ensure_blob(t, reference.descriptor.digest,
                                               std::nullopt));
                LS_CHECK(
                    db::put_reference(t, row.id, blob, target, reference.kind));
            }
        }
        return {};
    });
}

Result<void> Takeover::adopt_layers(std::string_view name) {
    std::vector<std::pair<Digest, std::uint64_t>> batch;
    Result<void> saved;
    auto save = [&]() -> bool {
        saved = database_.write([&](Transaction& t) -> Result<void> {
            LS_TRY(row, db::ensure_name(t, name));
            for (const auto& [digest, size] : batch) {
                LS_TRY(blob, db::ensure_blob(t, digest, size));
                LS_TRY(made, db::link_blob(t, row.id, blob));
                (void)made;
            }
            return {};
        });
        batch.clear();
        return static_cast<bool>(saved);
    };
    LS_CHECK(disk::each_digest(
        store_, disk::layers(store_, name), [&](const Digest& digest) {
            auto there =
                store_.present(layout::layer_link(store_.root(), name, digest));
            if (!there || ending()) {
                saved = there ? ended() : std::move(there).error();
                return false;
            }
            if (!*there) {
                return true;
            }
            auto size = store_.size(digest);
            if (!size) {
                if (!is_lasting(size.error())) {
                    saved = std::move(size).error();
                    return false;
                }
                spdlog::warn("takeover: layer {} of {} left out: {}",
                             digest.text(), name, size.error().message);
                return true;
            }
            batch.emplace_back(digest, *size);
            return batch.size() < kLinkBatch || save();
        }));
    if (saved && !batch.empty()) {
        save();
    }
    return saved;
}

Result<void> Takeover::adopt_tags(std::string_view name) {
    LS_TRY(all, tags(name));
    auto now = unix_ms();
    for (std::size_t from = 0; from < all.size(); from += kLinkBatch) {
        auto to = std::min(all.size(), from + kLinkBatch);
        std::vector<std::pair<std::string, Digest>> batch;
        for (auto i = from; i < to; ++i) {
            if (ending()) {
                return ended();
            }
            auto target = disk::read_link(
                store_, layout::tag_current(store_.root(), name, all[i]));
            if (target) {
                batch.emplace_back(all[i], *target);
            } else if (!is_lasting(target.error())) {
                return std::move(target).error();
            } else if (target.error().code != Code::not_found) {
                spdlog::warn("takeover: tag {}:{} left out: {}", name, all[i],
                             target.error().message);
            }
        }
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            LS_TRY(row, db::ensure_name(t, name));
            for (const auto& [tag, digest] : batch) {
                LS_TRY(blob, db::find_blob(t, digest));
                if (!blob) {
                    continue;
                }
                LS_TRY(known, db::has_manifest(t, row.id, blob->id));
                if (known) {
                    LS_CHECK(db::add_tag(t, row.id, tag, blob->id, now));
                }
            }
            return {};
        }));
    }
    return {};
}

Result<StoredManifest> Takeover::manifest(std::string_view name,
                                          std::string_view reference) {
    Digest digest;
    if (!Digest::parse(reference, digest)) {
        LS_TRY(target,
               disk::read_link(store_, layout::tag_current(store_.root(), name,
                                                           reference)));
        digest = target;
    }
    LS_TRY(there,
           store_.present(layout::revision_link(store_.root(), name, digest)));
    if (!there) {
        return not_found(digest.text());
    }
    LS_TRY(read, read_manifest(digest));
    return StoredManifest{digest, std::move(read.facts.media_type),
                          read.size_bytes};
}

Result<std::optional<std::uint64_t>> Takeover::linked(std::string_view name,
                                                      const Digest& digest) {
    LS_TRY(there,
           store_.present(layout::layer_link(store_.root(), name, digest)));
    if (!there) {
        return std::optional<std::uint64_t>();
    }
    auto size = store_.size(digest);
    if (!size && size.error().code == Code::not_found) {
        return std::optional<std::uint64_t>();
    }
    LS_TRY(bytes, std::move(size));
    return std::optional(bytes);
}

Result<std::vector<std::string>> Takeover::tags(std::string_view name) {
    std::vector<std::string> all;
    LS_CHECK(store_.list(Path{disk::tags(store_, name)},
                         [&](const BlobStore::Entry& entry) {
                             if (entry.folder && is_tag(entry.name)) {
                                 all.emplace_back(entry.name);
                             }
                             return true;
                         }));
    std::sort(all.begin(), all.end());
    return all;
}

Result<bool> Takeover::on_disk(std::string_view name) {
    auto folder = layout::repository(store_.root(), name);
    LS_TRY(manifests, store_.present(Path{folder.view(), "/_manifests"}));
    if (manifests) {
        return true;
    }
    return store_.present(Path{folder.view(), "/_layers"});
}

}  // namespace longshore
