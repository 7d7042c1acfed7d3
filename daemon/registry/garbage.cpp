#include "registry/garbage.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "common/probe.hpp"
#include "common/protocol.hpp"
#include "db/collections.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "registry/links.hpp"
#include "store/blob_store.hpp"
#include "store/root_marks.hpp"

namespace longshore {
namespace {

// Ids looked at in one go: a snapshot of the tables lives no longer.
constexpr std::int64_t kWindow = 50'000;
// Of one stripe and one commit: how long a push of the same stripe waits.
constexpr std::size_t kBatch = 100;
// Others may have the stripe for as long as a commit takes.
constexpr std::chrono::milliseconds kPatience{500};

}  // namespace

// What is to go, with the file that stands for it.
struct GarbageCollector::Candidate {
    // Of which repository it is a blob; 0: of none.
    std::int64_t name_id = 0;
    // 0: a file that the tables do not know.
    std::int64_t blob_id = 0;
    std::string name;
    Digest digest;
    std::uint64_t size_bytes = 0;
    std::optional<BlobStore::Aside> aside = std::nullopt;

    bool is_link() const noexcept { return name_id != 0; }
    Path path(std::string_view root) const noexcept {
        return is_link() ? layout::layer_link(root, name, digest)
                         : layout::blob_data(root, digest);
    }
    std::size_t stripe() const noexcept {
        return DigestLocks::stripe_of(digest);
    }

    // Of a link a push may come to refer to it until it is removed.
    Result<bool> is_unused(Transaction& t) const {
        if (blob_id != 0) {
            return is_link() ? Result<bool>(true)
                             : db::is_unused_blob(t, blob_id);
        }
        LS_TRY(known, db::find_blob(t, digest));
        return !known;
    }

    // False if it is in use now.
    Result<bool> remove(Transaction& t) const {
        if (is_link()) {
            return db::delete_unused_link(t, name_id, blob_id);
        }
        return blob_id != 0 ? db::delete_unused_blob(t, blob_id) : is_unused(t);
    }
};

struct GarbageCollector::Run {
    const CollectOptions& options;
    Collected done{};

    bool stopping() const { return options.stopping && options.stopping(); }

    void tell(const Candidate& gone) {
        bool link = gone.is_link();
        if (link) {
            ++done.links;
        } else {
            ++done.blobs;
            done.bytes += static_cast<std::int64_t>(gone.size_bytes);
        }
        if (options.visit) {
            options.visit({link ? Garbage::Kind::link : Garbage::Kind::blob,
                           gone.name, gone.digest.text(), gone.size_bytes});
        }
    }
};

Result<Collected> GarbageCollector::run(const CollectOptions& options) {
    Run run{options};
    std::int64_t last = 0;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(id, db::last_blob(t));
        last = id;
        return {};
    }));
    for (std::int64_t from = 0; from < last && !run.stopping();
         from += kWindow) {
        LS_CHECK(window(run, from, std::min(last, from + kWindow)));
    }
    if (!options.deep) {
        return run.done;
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    for (auto algorithm : {Algorithm::sha256, Algorithm::sha512}) {
        for (std::size_t i = 0; i < 256 && !run.stopping(); ++i) {
            const std::array<char, 2> prefix{kHex[i / 16], kHex[i % 16]};
            LS_CHECK(unknown_files(
                run, layout::blob_shelf(store_.root(), algorithm,
                                        {prefix.data(), prefix.size()})));
        }
    }
    return run.done;
}

// A file that is not there counts as young: whoever wrote its row is at it.
bool GarbageCollector::is_young(const Run& run, const Candidate& candidate) {
    auto age = store_.age_s(candidate.path(store_.root()));
    return !age || *age < run.options.grace_s;
}

Result<void> GarbageCollector::window(Run& run, std::int64_t after,
                                      std::int64_t through) {
    std::vector<db::UnusedLink> found_links;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_unused_links(t, after, through));
        found_links = std::move(found);
        return {};
    }));
    std::vector<Candidate> links;
    for (auto& link : found_links) {
        LS_TRY(digest, Digest::parse(link.digest));
        Candidate candidate{link.name_id, link.blob_id, std::move(link.name),
                            digest, link.size_bytes};
        if (is_young(run, candidate)) {
            ++run.done.kept;
            continue;
        }
        links.push_back(std::move(candidate));
    }
    if (run.options.dry_run) {
        return would_go(run, links, after, through);
    }
    LS_CHECK(collect(run, std::move(links)));

    std::vector<db::UnusedBlob> found_blobs;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_unused_blobs(t, after, through));
        found_blobs = std::move(found);
        return {};
    }));
    LS_TRY(blobs, old_blobs(run, found_blobs));
    return collect(run, std::move(blobs));
}

// Without a file the row is all that is left of a blob.
Result<std::vector<GarbageCollector::Candidate>> GarbageCollector::old_blobs(
    Run& run, const std::vector<db::UnusedBlob>& unused) {
    std::vector<Candidate> blobs;
    for (const auto& blob : unused) {
        LS_TRY(digest, Digest::parse(blob.digest));
        Candidate candidate{
            0, blob.id, {}, digest, blob.size_bytes.value_or(0)};
        LS_TRY(there, store_.present(candidate.path(store_.root())));
        if (there && is_young(run, candidate)) {
            ++run.done.kept;
            continue;
        }
        blobs.push_back(std::move(candidate));
    }
    return blobs;
}

// What the real run would do, told beforehand: also the blobs whose last
// repository they would leave.
Result<void> GarbageCollector::would_go(Run& run,
                                        const std::vector<Candidate>& links,
                                        std::int64_t after,
                                        std::int64_t through) {
    std::map<std::int64_t, std::int64_t> left;  // repositories, by blob
    std::vector<db::UnusedBlob> unused;
    for (const auto& link : links) {
        run.tell(link);
        ++left[link.blob_id];
    }
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_unused_blobs(t, after, through));
        unused = std::move(found);
        for (const auto& link : links) {
            auto at = left.find(link.blob_id);
            if (at == left.end()) {
                continue;  // looked at before
            }
            LS_TRY(linked, db::repositories_of_unreferred(t, link.blob_id));
            if (linked && *linked == at->second) {
                unused.push_back(
                    {link.blob_id, link.digest.str(), link.size_bytes});
            }
            left.erase(at);
        }
        return {};
    }));
    LS_TRY(blobs, old_blobs(run, unused));
    for (const auto& blob : blobs) {
        run.tell(blob);
    }
    return {};
}

// One without its file: of an upload that ended in between. Whoever is about
// to rename a file into it makes it again.
void GarbageCollector::remove_old_folder(const Run& run, const Digest& digest) {
    auto folder = layout::blob_folder(store_.root(), digest);
    auto age = store_.age_s(folder);
    if (age && *age >= run.options.grace_s && !run.options.dry_run) {
        store_.remove_empty(folder);
    }
}

Result<void> GarbageCollector::unknown_files(Run& run, const Path& shelf) {
    std::vector<Digest> there;
    auto algorithm = shelf.view();
    algorithm.remove_suffix(3);
    algorithm.remove_prefix(algorithm.rfind('/') + 1);
    LS_CHECK(store_.list(shelf, [&](const BlobStore::Entry& entry) {
        auto digest = Digest::parse(std::string(algorithm) + ":" +
                                    std::string(entry.name));
        if (digest && entry.folder) {
            there.push_back(*digest);
        }
        return !run.stopping();
    }));
    std::vector<Candidate> unknown;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        unknown.clear();
        for (const auto& digest : there) {
            LS_TRY(known, db::find_blob(t, digest));
            if (!known) {
                unknown.push_back({0, 0, {}, digest});
            }
        }
        return {};
    }));
    std::erase_if(unknown, [&](Candidate& candidate) {
        auto size = store_.size(candidate.digest);
        candidate.size_bytes = size ? *size : 0;
        if (!size && size.error().code == Code::not_found) {
            remove_old_folder(run, candidate.digest);
        }
        return !size || is_young(run, candidate);
    });
    if (run.options.dry_run) {
        for (const auto& candidate : unknown) {
            run.tell(candidate);
        }
        return {};
    }
    return collect(run, std::move(unknown));
}

Result<void> GarbageCollector::collect(Run& run,
                                       std::vector<Candidate> candidates) {
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) {
                  return a.stripe() < b.stripe();
              });
    for (std::size_t from = 0; from < candidates.size() && !run.stopping();) {
        auto to = from;
        while (to < candidates.size() && to - from < kBatch &&
               candidates[to].stripe() == candidates[from].stripe()) {
            ++to;
        }
        LS_CHECK(collect_batch(run, {&candidates[from], to - from}));
        from = to;
    }
    return {};
}

// All of one stripe and of one kind.
Result<void> GarbageCollector::collect_batch(Run& run,
                                             std::span<Candidate> batch) {
    std::vector<db::Intent> intents;
    std::vector<std::string> drops;
    Result<void> taken;
    // Until the rows are gone: a backup's snapshot has them and finds the
    // files, or has neither.
    std::optional<BackupLease> no_backup;
    if (!batch.front().is_link()) {
        LS_TRY(granted, BackupLease::try_alone(store_.root()));
        if (!granted) {
            run.done.kept += static_cast<std::int64_t>(batch.size());
            return {};
        }
        no_backup.emplace(std::move(*granted));
    }
    {
        auto alone =
            store_.locks()->try_alone(batch.front().stripe(), kPatience);
        if (!alone) {
            run.done.kept += static_cast<std::int64_t>(batch.size());
            return {};
        }
        // Should we end between a rename and the commit, the next start makes
        // the link files what the tables say.
        if (batch.front().is_link()) {
            LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
                intents.clear();
                for (const auto& link : batch) {
                    intents.push_back({0, db::Intent::Kind::layer, link.name,
                                       link.digest.str()});
                    LS_CHECK(db::add_intent(t, intents.back()));
                }
                return {};
            }));
        }
        LS_PROBE(gc, intended);
        taken = take(run, batch);
        for (auto& candidate : batch) {
            // What take() left aside is to go, unless it failed.
            if (candidate.aside && !taken) {
                (void)store_.put_back(*candidate.aside,
                                      candidate.path(store_.root()));
                candidate.aside.reset();
            }
        }
    }
    for (auto& candidate : batch) {
        if (candidate.aside) {
            if (candidate.is_link()) {
                store_.discard(*candidate.aside);
            } else {
                store_.throw_away(*candidate.aside, candidate.digest);
            }
            LS_PROBE(gc, discarded);
            auto file = candidate.path(store_.root()).str();
            store_.remove_empty(Path{file.substr(0, file.rfind('/'))});
            if (candidate.is_link()) {
                drops.push_back(key::blobs(candidate.name));
            }
        }
    }
    if (!drops.empty() && publish_) {
        std::sort(drops.begin(), drops.end());
        drops.erase(std::unique(drops.begin(), drops.end()), drops.end());
        publish_(drops);
    }
    LS_PROBE(gc, told);
    LS_CHECK(links_.apply(intents));
    LS_PROBE(gc, linked);
    return taken;
}

// Sets aside, looks again, commits. Afterwards what is still aside has no row
// any more.
Result<void> GarbageCollector::take(Run& run, std::span<Candidate> batch) {
    std::vector<bool> wanted(batch.size());
    // Before anything moves: bytes that somebody came to refer to are never
    // out of sight.
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        for (std::size_t i = 0; i < batch.size(); ++i) {
            LS_TRY(unused, batch[i].is_unused(t));
            wanted[i] = unused;
        }
        return {};
    }));
    for (std::size_t i = 0; i < batch.size(); ++i) {
        auto& candidate = batch[i];
        if (!wanted[i]) {
            continue;
        }
        LS_TRY(aside, store_.set_aside(candidate.path(store_.root())));
        candidate.aside = std::move(aside);
        // Without a file: of a link somebody is just making it, of a blob
        // the row is all that is left.
        wanted[i] = candidate.aside
                        ? candidate.aside->age_s >= run.options.grace_s
                        : candidate.blob_id != 0 && !candidate.is_link();
    }
    LS_PROBE(gc, all_aside);
    std::vector<bool> gone(batch.size());
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        for (std::size_t i = 0; i < batch.size(); ++i) {
            if (wanted[i]) {
                LS_TRY(removed, batch[i].remove(t));
                gone[i] = removed;
            }
        }
        return {};
    }));
    LS_PROBE(gc, committed);
    for (std::size_t i = 0; i < batch.size(); ++i) {
        auto& candidate = batch[i];
        if (gone[i]) {
            run.tell(candidate);
            continue;
        }
        ++run.done.kept;
        if (candidate.aside) {
            LS_CHECK(store_.put_back(*candidate.aside,
                                     candidate.path(store_.root())));
            candidate.aside.reset();
        }
    }
    return {};
}

}  // namespace longshore
