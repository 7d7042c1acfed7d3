// What nothing refers to: collected now, beforehand told, explained.
#include <algorithm>
#include <cstdio>
#include <optional>

#include "common/clock.hpp"
#include "ctl/commands.hpp"
#include "ctl/runs.hpp"
#include "db/collections.hpp"
#include "db/database.hpp"
#include "db/oci.hpp"
#include "formats/oci/manifest_parse.hpp"
#include "jobs/collector.hpp"
#include "registry/garbage.hpp"
#include "registry/links.hpp"
#include "registry/takeover.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

constexpr std::size_t kRunsShown = 10;
constexpr std::size_t kUsesShown = 1000;

Json run_json(const db::Collection& run) {
    return {{"id", run.id},
            {"state", run.state},
            {"deep", run.deep},
            {"wanted", time_json(run.wanted_at_ms)},
            {"started", time_json(run.started_at_ms)},
            {"ended", time_json(run.ended_at_ms)},
            {"links", run.links},
            {"blobs", run.blobs},
            {"bytes", run.bytes},
            {"kept", run.kept},
            {"error", run.error}};
}

std::string counts(std::int64_t links, std::int64_t blobs, std::int64_t bytes,
                   std::int64_t kept) {
    return std::to_string(links) + " blobs left their repository, " +
           std::to_string(blobs) + " left the disk (" + std::to_string(bytes) +
           " bytes), " + std::to_string(kept) + " kept by a lease";
}

int say(const Context& context, const db::Collection& run) {
    return say_run(context, run, run_json(run),
                   counts(run.links, run.blobs, run.bytes, run.kept),
                   "run " + std::to_string(run.id) + " will begin soon");
}

Json garbage_json(const Garbage& garbage) {
    Json document = {{"digest", garbage.digest}, {"size", garbage.size_bytes}};
    if (garbage.kind == Garbage::Kind::link) {
        document["repository"] = garbage.name;
    }
    return document;
}

// Changes nothing: tells what a run would do now.
Result<int> tell_beforehand(Context& context, const Config& config) {
    auto store = open_file_store_for_reading(config.root);
    if (!store) {
        return not_now(store.error());
    }
    DatabaseSettings settings;
    settings.folder = config.database;
    settings.read_only = true;
    auto database = open_sqlite(settings);
    if (!database) {
        return not_now(database.error());
    }
    LS_CHECK((*database)->read(check_indexed));
    Links links(**database, **store);
    GarbageCollector garbage(**database, **store, links, {});
    Json left_repository = Json::array();
    Json left_disk = Json::array();
    CollectOptions options;
    options.grace_s = static_cast<std::int64_t>(config.gc_grace_s);
    options.dry_run = true;
    options.deep = context.args.deep;
    options.visit = [&](const Garbage& one) {
        bool link = one.kind == Garbage::Kind::link;
        if (context.json()) {
            (link ? left_repository : left_disk).push_back(garbage_json(one));
            return;
        }
        print_line((link ? "repository " + std::string(one.name) + " "
                         : std::string("disk ")) +
                   std::string(one.digest) + " " +
                   std::to_string(one.size_bytes));
    };
    LS_TRY(told, garbage.run(options));
    if (context.json()) {
        print_json({{"links", left_repository},
                    {"blobs", left_disk},
                    {"bytes", told.bytes},
                    {"kept", told.kept}});
    } else {
        print_line("would do: " +
                   counts(told.links, told.blobs, told.bytes, told.kept));
    }
    return kDone;
}

// The daemon does it; we wait for its row.
Result<int> ask_daemon(Context& context) {
    LS_TRY(database, context.database());
    LS_CHECK(database->read(check_indexed));
    db::Collection run;
    run.deep = context.args.deep;
    run.wanted_at_ms = unix_ms();
    LS_CHECK(database->write(
        [&](Transaction& t) { return db::put_collection(t, run); }));
    LS_CHECK(wait_for(context, run, "run", db::find_collection));
    return say(context, run);
}

// There is no daemon: this process has the database alone.
Result<int> collect_here(Context& context, const Config& config,
                         Database& database) {
    auto store = open_file_store(config.root);
    if (!store) {
        return not_now(store.error());
    }
    Takeover takeover(database, **store, parse_manifest);
    LS_CHECK(takeover.open());
    Links links(database, **store);
    LS_CHECK(links.start());
    auto publish = [&](const std::vector<std::string>& keys) {
        leave_drops(database, keys);
    };
    GarbageCollector garbage(database, **store, links, publish);
    CollectorSettings settings;
    settings.grace_s = static_cast<std::int64_t>(config.gc_grace_s);
    settings.trash_s = static_cast<std::int64_t>(config.gc_trash_s);
    Collector collector(database, **store, garbage, takeover, settings);
    LS_TRY(run, collector.run_now(context.args.deep));
    LS_CHECK(links.sweep());
    return say(context, run);
}

// One line of explain.
std::string words(const db::BlobUse& use) {
    auto where = " in " + use.repository;
    if (use.kind == "tag") {
        return "tag " + use.reference + where;
    }
    if (use.kind == "link") {
        return "is a blob of " + use.repository;
    }
    if (use.kind == "file") {
        return "file " + use.reference + where;
    }
    if (use.kind == "manifest") {
        return "is a manifest" + where;
    }
    return std::string(use.kind) + " of manifest " + use.reference + where;
}

// How long the file is still kept by its age alone; 0: no more.
std::int64_t lease_s(BlobStore& store, const Path& path, std::int64_t grace_s) {
    auto age = store.age_s(path);
    return age ? std::max<std::int64_t>(0, grace_s - *age) : 0;
}

struct Explanation {
    bool known = false;
    std::optional<std::uint64_t> size_bytes;
    std::vector<db::BlobUse> uses;
    std::int64_t lease_s = 0;
    std::optional<std::int64_t> trash_s;  // how long it lies there
};

// "in use", "leased", "unused", "in the trash" or "unknown".
std::string_view verdict(const Explanation& found) {
    bool used =
        std::any_of(found.uses.begin(), found.uses.end(),
                    [](const db::BlobUse& use) { return use.kind != "link"; });
    return used                ? "in use"
           : found.lease_s > 0 ? "leased"
           : found.known       ? "unused"
           : found.trash_s     ? "in the trash"
                               : "unknown";
}

int say_explanation(const Context& context, const std::string& digest,
                    const Explanation& found) {
    if (context.json()) {
        Json uses = Json::array();
        for (const auto& use : found.uses) {
            uses.push_back({{"kind", use.kind},
                            {"repository", use.repository},
                            {"reference", use.reference}});
        }
        Json size = found.size_bytes ? Json(*found.size_bytes) : Json();
        Json trash = found.trash_s ? Json(*found.trash_s) : Json();
        print_json({{"digest", digest},
                    {"verdict", verdict(found)},
                    {"size", size},
                    {"lease_seconds", found.lease_s},
                    {"trash_seconds", trash},
                    {"uses", uses}});
        return found.known ? kDone : kNo;
    }
    print_line(digest + ": " + std::string(verdict(found)));
    for (const auto& use : found.uses) {
        print_line("  " + words(use));
    }
    if (found.lease_s > 0) {
        print_line("  somebody was told of it: kept for another " +
                   std::to_string(found.lease_s) + " s");
    }
    if (verdict(found) == "unused") {
        print_line("  the next run takes it away");
    }
    if (verdict(found) == "in the trash") {
        print_line("  collected " + std::to_string(*found.trash_s) +
                   " s ago; gc undelete brings it back");
    }
    return found.known ? kDone : kNo;
}

}  // namespace

Result<int> run_gc(Context& context) {
    LS_TRY(config, context.config());
    if (context.args.dry_run) {
        return tell_beforehand(context, *config);
    }
    LS_TRY(alone, open_alone(*config));
    return alone ? collect_here(context, *config, *alone) : ask_daemon(context);
}

Result<int> show_gc(Context& context) {
    LS_TRY(config, context.config());
    LS_TRY(database, context.database());
    std::vector<db::Collection> runs;
    LS_CHECK(database->read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_collections(t, kRunsShown));
        runs = std::move(found);
        return {};
    }));
    if (context.json()) {
        Json list = Json::array();
        for (const auto& run : runs) {
            list.push_back(run_json(run));
        }
        print_json({{"interval_seconds", config->gc_interval_s},
                    {"grace_seconds", config->gc_grace_s},
                    {"runs", list}});
        return kDone;
    }
    print_line("every " + std::to_string(config->gc_interval_s) +
               " s; a lease is " + std::to_string(config->gc_grace_s) + " s");
    Table table({"RUN", "STATE", "STARTED", "ENDED", "LINKS", "BLOBS", "BYTES",
                 "KEPT", "ERROR"});
    for (const auto& run : runs) {
        table.add({std::to_string(run.id), run.state,
                   time_text(run.started_at_ms, ""),
                   time_text(run.ended_at_ms, ""), std::to_string(run.links),
                   std::to_string(run.blobs), std::to_string(run.bytes),
                   std::to_string(run.kept), run.error});
    }
    table.print();
    return kDone;
}

Result<int> explain_blob(Context& context) {
    auto digest = Digest::parse(context.args.digest);
    if (!digest) {
        return Error{Code::invalid_argument,
                     "\"" + context.args.digest + "\" is no digest"};
    }
    LS_TRY(config, context.config());
    LS_TRY(database, context.database());
    auto store = open_file_store_for_reading(config->root);
    if (!store) {
        return not_now(store.error());
    }
    Explanation found;
    LS_CHECK(database->read([&](Transaction& t) -> Result<void> {
        LS_TRY(blob, db::find_blob(t, *digest));
        if (!blob) {
            return {};
        }
        found.known = true;
        found.size_bytes = blob->size_bytes;
        LS_TRY(uses, db::list_uses(t, blob->id, kUsesShown));
        found.uses = std::move(uses);
        return {};
    }));
    auto grace = static_cast<std::int64_t>(config->gc_grace_s);
    if (auto age = (*store)->trash_age_s(*digest)) {
        found.trash_s = *age;
    }
    const auto& root = (*store)->root();
    found.lease_s = lease_s(**store, layout::blob_data(root, *digest), grace);
    for (const auto& use : found.uses) {
        if (use.kind == "link") {
            found.lease_s = std::max(
                found.lease_s,
                lease_s(**store,
                        layout::layer_link(root, use.repository, *digest),
                        grace));
        }
    }
    return say_explanation(context, digest->str(), found);
}

}  // namespace longshore
