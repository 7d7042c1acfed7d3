#include "registry/scrubber.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include <spdlog/spdlog.h>

#include "common/clock.hpp"
#include "common/protocol.hpp"
#include "db/audit.hpp"
#include "db/collections.hpp"
#include "db/journal.hpp"
#include "db/oci.hpp"
#include "db/scrub.hpp"
#include "store/digest_locks.hpp"

namespace longshore {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Verdict = StoredFiles::Verdict;

constexpr milliseconds kSaveEvery{5000};
constexpr milliseconds kSlice{50};
// To find and open a file costs a disk about as much as to read so much.
constexpr std::size_t kOpenBytes = 4096;
constexpr milliseconds kPatience{200};
constexpr int kTries = 25;
constexpr std::size_t kPage = 1000;
constexpr std::size_t kUses = 1000;
constexpr std::size_t kUsesNamed = 20;
// More that cannot be read is no rot: the disk is going, or the rights are
// wrong. Then nothing is taken away for it.
constexpr std::int64_t kMaxUnreadable = 100;

std::string_view area_name(Area area) noexcept {
    return area == Area::blobs ? "blob" : "document";
}

// "sha256-e3b0…-20270131T235959.123Z"
std::string quarantine_name(const Digest& digest, std::int64_t now_ms) {
    auto seconds = static_cast<std::time_t>(now_ms / 1000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    auto size =
        std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%S", &parts);
    auto millis = std::to_string(1000 + now_ms % 1000).substr(1);
    return std::string(algorithm_name(digest.algorithm())) + "-" +
           std::string(digest.encoded()) + "-" +
           std::string(text.data(), size) + "." + millis + "Z";
}

// nginx names repositories of packages without their format.
std::string repository_of(std::string_view file_use) {
    return std::string(file_use.substr(file_use.find('/') + 1));
}

// What nginx may have kept of a blob.
std::vector<std::string> keys_of(const std::vector<db::BlobUse>& uses,
                                 const Digest& digest) {
    if (uses.size() >= kUses) {
        return {std::string(key::kEverything)};
    }
    std::set<std::string> keys;
    for (const auto& use : uses) {
        if (use.kind == "tag") {
            keys.insert(key::manifest(use.repository, use.reference));
        } else if (use.kind == "manifest") {
            keys.insert(key::manifest(use.repository, digest.text()));
        } else if (use.kind == "link") {
            keys.insert(key::blobs(use.repository));
        } else if (use.kind == "file") {
            keys.insert(key::repository(repository_of(use.repository)));
        }
    }
    return {keys.begin(), keys.end()};
}

Result<void> audit(Transaction& t, const db::Damage& damage) {
    db::AuditEntry entry;
    entry.at_ms = damage.found_at_ms;
    entry.action = "scrub.damaged";
    entry.actor.credential = "local";
    entry.target = damage.digest;
    entry.detail =
        damage.area + ": " + damage.problem + "; quarantine/" + damage.file;
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

}  // namespace

struct Scrubber::Run {
    db::Scrub& scrub;
    const ScrubOptions& options;
    std::int64_t unreadable = 0;
    std::set<std::pair<std::string, std::string>> open = {};
    steady_clock::time_point next = steady_clock::now();
    steady_clock::time_point saved = steady_clock::now();
    std::optional<Error> fault = std::nullopt;  // all else was read
    bool stopped = false;
    bool cut = false;  // the last file was not read whole

    bool stopping() {
        stopped = stopped || (options.stopping && options.stopping());
        return stopped;
    }

    // False if it is to stop.
    bool wait_until(steady_clock::time_point when) {
        while (!stopping()) {
            auto left = when - steady_clock::now();
            if (left <= steady_clock::duration::zero()) {
                return true;
            }
            std::this_thread::sleep_for(
                std::min<steady_clock::duration>(left, kSlice));
        }
        return false;
    }

    // What was not read in time is not made up for by a burst.
    bool pace(std::size_t bytes) {
        if (options.bytes_per_s == 0) {
            return !stopping();
        }
        auto share = std::chrono::duration<double>(
            static_cast<double>(bytes) /
            static_cast<double>(options.bytes_per_s));
        auto now = steady_clock::now();
        bool go_on = wait_until(next);
        next = std::max(next, now) +
               std::chrono::duration_cast<steady_clock::duration>(share);
        return go_on;
    }
};

Result<bool> Scrubber::run(db::Scrub& scrub, const ScrubOptions& options) {
    Run run{scrub, options};
    if (scrub.kind == "files") {
        LS_CHECK(look_at_open(run, false));
        LS_CHECK(walk(run));
        if (!run.open.empty()) {
            (void)run.wait_until(steady_clock::now() + options.again_after);
        }
        LS_CHECK(look_at_open(run, true));
    }
    if (!run.stopping()) {
        LS_CHECK(check_database(run));
    }
    LS_CHECK(save(scrub));
    if (run.fault && !run.stopped) {
        return std::move(*run.fault);
    }
    return !run.stopped;
}

Result<void> Scrubber::look_again(const ScrubOptions& options) {
    db::Scrub none;
    Run run{none, options};
    return look_at_open(run, false);
}

Result<void> Scrubber::walk(Run& run) {
    auto& scrub = run.scrub;
    while (scrub.shelf < static_cast<std::int64_t>(StoredFiles::kShelves)) {
        auto shelf = static_cast<std::size_t>(scrub.shelf);
        auto digests = files_.list(shelf);
        if (!digests) {
            spdlog::error("scrub: {}", digests.error().message);
            run.fault = digests.error();
            digests = std::vector<Digest>();
        }
        for (const auto& digest : *digests) {
            if (digest.text() <= scrub.digest_before) {
                continue;
            }
            LS_CHECK(check(run, StoredFiles::area_of(shelf), digest));
            if (run.cut) {
                return {};
            }
            scrub.digest_before = digest.text();
            if (steady_clock::now() - run.saved >= kSaveEvery) {
                LS_CHECK(save(scrub));
                run.saved = steady_clock::now();
            }
        }
        ++scrub.shelf;
        scrub.digest_before.clear();
        if (run.stopping()) {
            return {};
        }
    }
    return {};
}

Result<void> Scrubber::save(const db::Scrub& scrub) {
    return database_.write(
        [&](Transaction& t) { return db::put_scrub(t, scrub); });
}

Result<void> Scrubber::check(Run& run, Area area, const Digest& digest) {
    std::uint64_t bytes = 0;
    auto pace = [&](std::size_t n) {
        bytes += n;
        return run.pace(n);
    };
    if (!run.pace(kOpenBytes)) {
        run.cut = true;
        return {};
    }
    LS_TRY(look, files_.look(area, digest, pace));
    if (look.verdict == Verdict::wrong) {
        // One that is not in the disk's file but came on the way.
        LS_TRY(again, files_.look(area, digest, pace));
        look = std::move(again);
    }
    if (run.options.read) {
        run.options.read(look.verdict == Verdict::gone ? 0 : 1, bytes);
    }
    run.scrub.bytes += static_cast<std::int64_t>(bytes);
    switch (look.verdict) {
        case Verdict::stopped:
            run.cut = true;
            return {};
        case Verdict::gone:
            return {};
        case Verdict::healthy:
            ++run.scrub.files;
            return run.open.contains(
                       {digest.str(), std::string(area_name(area))})
                       ? close(area, digest)
                       : Result<void>();
        case Verdict::unreadable:
            ++run.scrub.files;
            return suspect(run, area, digest, look);
        case Verdict::wrong:
            ++run.scrub.files;
            return take(run, area, digest, look);
    }
    return {};
}

// Written down, and looked at again at the end of the pass.
Result<void> Scrubber::suspect(Run& run, Area area, const Digest& digest,
                               const StoredFiles::Look& look) {
    db::Damage damage;
    damage.digest = digest.str();
    damage.area = area_name(area);
    damage.problem = look.problem;
    damage.size_bytes = static_cast<std::int64_t>(look.size_bytes);
    damage.found_at_ms = unix_ms();
    spdlog::error("{} {}: {}", damage.area, damage.digest, damage.problem);
    run.open.emplace(damage.digest, damage.area);
    LS_CHECK(database_.write(
        [&](Transaction& t) { return db::put_damage(t, damage); }));
    if (++run.unreadable > kMaxUnreadable) {
        return Error{Code::unavailable,
                     "more than " + std::to_string(kMaxUnreadable) +
                         " files cannot be read, as: " + look.problem +
                         "; nothing is taken away for it"};
    }
    return {};
}

Result<void> Scrubber::take(Run& run, Area area, const Digest& digest,
                            const StoredFiles::Look& look) {
    std::optional<DigestLocks::Held> alone;
    for (int i = 0; i < kTries && !alone && !run.stopping(); ++i) {
        alone = locks_.try_alone(DigestLocks::stripe_of(digest), kPatience);
    }
    if (!alone) {
        return suspect(run, area, digest, look);
    }
    // Whoever brought it anew and relies on it did so before; from here on
    // they wait. A row of damage would have their manifests refused.
    LS_TRY(still, files_.is_still(look));
    if (!still) {
        return close(area, digest);
    }
    db::Damage damage;
    damage.digest = digest.str();
    damage.area = area_name(area);
    damage.state = "quarantined";
    damage.size_bytes = static_cast<std::int64_t>(look.size_bytes);
    damage.found_at_ms = unix_ms();
    damage.file = quarantine_name(digest, damage.found_at_ms);
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        damage.problem = look.problem;
        LS_TRY(blob, db::find_blob(t, digest));
        if (area == Area::blobs && blob && blob->size_bytes &&
            *blob->size_bytes != look.size_bytes) {
            damage.problem += ", " + std::to_string(look.size_bytes) +
                              " and not " + std::to_string(*blob->size_bytes);
        }
        damage.used_by.clear();
        if (area == Area::documents) {
            LS_TRY(uses, db::document_uses(t, digest, kUsesNamed));
            for (const auto& use : uses) {
                damage.used_by += damage.used_by.empty() ? use : "\n" + use;
            }
        }
        LS_CHECK(db::put_damage(t, damage));
        return audit(t, damage);
    }));
    auto moved = files_.quarantine(look, damage.file);
    if (!moved) {
        spdlog::error("{} {}: {}; it cannot be taken away: {}", damage.area,
                      damage.digest, damage.problem, moved.error().message);
        return std::move(moved).error();
    }
    if (!*moved) {
        return close(area, digest);  // somebody has brought it anew
    }
    alone.reset();
    run.open.emplace(damage.digest, damage.area);
    ++run.scrub.damaged;
    spdlog::error("{} {}: {}; it is in quarantine/{}", damage.area,
                  damage.digest, damage.problem, damage.file);
    return end_use(area, digest);
}

Result<std::vector<std::string>> Scrubber::kept_by_nginx(Area area,
                                                         const Digest& digest) {
    std::vector<std::string> keys;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        keys.clear();
        if (area == Area::documents) {
            LS_TRY(uses, db::document_uses(t, digest, kUses));
            std::set<std::string> repositories;
            for (const auto& use : uses) {
                repositories.insert(repository_of(
                    std::string_view(use).substr(0, use.find(' '))));
            }
            for (const auto& one : repositories) {
                keys.push_back(key::repository(one));
            }
            return {};
        }
        LS_TRY(blob, db::find_blob(t, digest));
        if (blob) {
            LS_TRY(uses, db::list_uses(t, blob->id, kUses));
            keys = keys_of(uses, digest);
        }
        return {};
    }));
    keys.emplace_back(key::kStored);
    return keys;
}

// Documents are derived: what has these bytes is rendered again. nginx is told
// after that, or it would keep the old answer once more.
Result<void> Scrubber::end_use(Area area, const Digest& digest) {
    LS_TRY(keys, kept_by_nginx(area, digest));
    if (area == Area::documents) {
        LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
            LS_TRY(any, db::drop_document_scopes(t, digest, unix_ms()));
            static_cast<void>(any);
            return {};
        }));
    }
    if (publish_) {
        publish_(keys);
    }
    return {};
}

Result<void> Scrubber::close(Area area, const Digest& digest) {
    return database_.write([&](Transaction& t) {
        return db::close_damage(t, digest, area_name(area), unix_ms());
    });
}

Result<void> Scrubber::look_at_open(Run& run, bool last) {
    db::Damage after;
    after.area.clear();
    for (;;) {
        std::vector<db::Damage> page;
        LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
            LS_TRY(found, db::open_damages(t, kPage, after.digest, after.area));
            page = std::move(found);
            return {};
        }));
        for (const auto& damage : page) {
            if (run.stopping()) {
                return {};
            }
            run.open.emplace(damage.digest, damage.area);
            LS_CHECK(look_at(run, damage, last));
        }
        if (page.size() < kPage) {
            return {};
        }
        after = std::move(page.back());
    }
}

Result<bool> Scrubber::is_wanted(Area area, const Digest& digest) {
    bool wanted = false;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        if (area == Area::documents) {
            LS_TRY(uses, db::document_uses(t, digest, 1));
            wanted = !uses.empty();
            return {};
        }
        LS_TRY(blob, db::find_blob(t, digest));
        wanted = blob.has_value();
        return {};
    }));
    return wanted;
}

// `last`: what could not be read before and cannot now is taken away.
Result<void> Scrubber::look_at(Run& run, const db::Damage& damage, bool last) {
    LS_TRY(digest, Digest::parse(damage.digest));
    auto area = damage.area == "blob" ? Area::blobs : Area::documents;
    if (!files_.there(area, digest)) {
        LS_TRY(wanted, is_wanted(area, digest));
        if (!wanted || damage.state == "suspect") {
            return close(area, digest);
        }
        // As when a crash came before its documents were told, or somebody
        // was making them just then.
        return area == Area::documents ? end_use(area, digest) : Result<void>();
    }
    auto pace = [&](std::size_t n) { return run.pace(n); };
    LS_TRY(look, files_.look(area, digest, pace));
    switch (look.verdict) {
        case Verdict::healthy:
            return close(area, digest);
        case Verdict::wrong:
            return take(run, area, digest, look);
        case Verdict::unreadable:
            return last && look.held ? take(run, area, digest, look)
                                     : Result<void>();
        case Verdict::gone:
        case Verdict::stopped:
            return {};
    }
    return {};
}

// Table by table, so that no snapshot of the tables lives for long.
Result<void> Scrubber::check_database(Run& run) {
    std::vector<std::string> tables;
    std::vector<std::string> wrong;
    auto listed = database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_tables(t));
        tables = std::move(found);
        return {};
    });
    if (!listed) {
        wrong.push_back(listed.error().message);
    }
    for (const auto& table : tables) {
        if (run.stopping()) {
            return {};
        }
        auto checked = database_.read([&](Transaction& t) -> Result<void> {
            LS_TRY(lines, db::check_table(t, table));
            for (auto& line : lines) {
                line.insert(0, table + ": ");
                wrong.push_back(std::move(line));
            }
            return {};
        });
        if (!checked && checked.error().code != Code::corrupt) {
            return std::move(checked).error();
        }
        if (!checked) {
            wrong.push_back(table + ": " + checked.error().message);
        }
    }
    auto& state = run.scrub.database_state;
    state = wrong.empty() ? "ok" : "";
    for (std::size_t i = 0; i < wrong.size() && i < kUsesNamed; ++i) {
        state += state.empty() ? wrong[i] : "\n" + wrong[i];
        spdlog::error("the database is damaged: {}", wrong[i]);
    }
    return {};
}

}  // namespace longshore
