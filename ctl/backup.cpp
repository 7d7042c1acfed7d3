// Backups: made while everybody pushes, looked at, put back, thrown away.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "common/clock.hpp"
#include "ctl/commands.hpp"
#include "jobs/backup.hpp"
#include "jobs/restore.hpp"

namespace longshore {
namespace {

TellDamage to_stderr() {
    return [](const std::string& what) {
        std::fprintf(stderr, "registryctl: %s\n", clean(what).c_str());
    };
}

std::optional<std::string> real(const std::string& path) {
    std::unique_ptr<char, decltype(&std::free)> text(
        ::realpath(path.c_str(), nullptr), &std::free);
    return text ? std::optional<std::string>(text.get()) : std::nullopt;
}

// One in the other would back itself up, or be emptied with it.
Result<void> keep_apart(const std::string& folder, const std::string& root) {
    auto a = real(folder);
    auto b = real(root);
    if (!a || !b) {
        return {};  // what is not there is told by who opens it
    }
    *a += "/";
    *b += "/";
    if (a->starts_with(*b) || b->starts_with(*a)) {
        return Error{Code::invalid_argument,
                     "the folder of backups must not be in the root, nor the "
                     "root in it"};
    }
    return {};
}

Result<BackupFolder> open(const Context& context, BackupFolder::For what) {
    auto folder = BackupFolder::open(context.args.folder, what);
    if (!folder) {
        return not_now(folder.error());
    }
    return folder;
}

Json manifest_json(const BackupManifest& manifest) {
    return {{"name", manifest.name},
            {"started", time_json(manifest.started_ms)},
            {"ended", time_json(manifest.ended_ms)},
            {"blobs", manifest.blobs},
            {"bytes", manifest.blob_bytes},
            {"missing", manifest.missing}};
}

std::string sized(std::uint64_t blobs, std::uint64_t bytes) {
    return std::to_string(blobs) + " blobs (" + std::to_string(bytes) +
           " bytes)";
}

// The named one, else the newest.
Result<std::string> chosen(const BackupFolder& folder, const Context& context) {
    if (!context.args.name.empty()) {
        return context.args.name;
    }
    LS_TRY(names, folder.names());
    if (names.empty()) {
        return Error{Code::not_found,
                     "there is no backup in " + context.args.folder};
    }
    return names.back();
}

}  // namespace

Result<int> make_backup(Context& context) {
    LS_TRY(config, context.config());
    LS_CHECK(keep_apart(context.args.folder, config->root));
    LS_TRY(folder, open(context, BackupFolder::For::making));
    LS_CHECK(keep_apart(context.args.folder, config->root));
    auto report = create_backup(
        folder, {config->root, config->database, LS_VERSION}, to_stderr());
    if (!report) {
        return not_now(report.error());
    }
    const auto& manifest = report->manifest;
    if (context.json()) {
        auto document = manifest_json(manifest);
        document["copied"] = report->copied;
        document["copied_bytes"] = report->copied_bytes;
        print_json(document);
    } else {
        print_line("backup " + manifest.name + ": " +
                   sized(manifest.blobs, manifest.blob_bytes) + ", " +
                   sized(report->copied, report->copied_bytes) +
                   " of them copied, " + std::to_string(manifest.missing) +
                   " damaged or missing in the store");
    }
    return manifest.missing == 0 ? kDone : kNo;
}

Result<int> list_backups(Context& context) {
    LS_TRY(folder, open(context, BackupFolder::For::looking));
    LS_TRY(names, folder.names());
    Json list = Json::array();
    Table table({"BACKUP", "ENDED", "BLOBS", "BYTES", "MISSING"});
    bool all = true;
    for (const auto& name : names) {
        auto manifest = folder.manifest(name);
        if (!manifest) {
            to_stderr()("backup " + name + ": " + manifest.error().message);
            all = false;
            continue;
        }
        list.push_back(manifest_json(*manifest));
        table.add({name, time_text(manifest->ended_ms, ""),
                   std::to_string(manifest->blobs),
                   std::to_string(manifest->blob_bytes),
                   std::to_string(manifest->missing)});
    }
    if (context.json()) {
        print_json({{"backups", list}});
    } else {
        table.print();
    }
    return all ? kDone : kNo;
}

Result<int> verify_backup(Context& context) {
    LS_TRY(folder, open(context, BackupFolder::For::reading));
    std::vector<std::string> names{context.args.name};
    if (context.args.name.empty()) {
        LS_TRY(newest, chosen(folder, context));  // none is no clean one
        static_cast<void>(newest);
        LS_TRY(all, folder.names());
        names = std::move(all);
    } else {
        // A name that there is not is no damage.
        auto manifest = folder.manifest(context.args.name);
        if (!manifest && manifest.error().code != Code::corrupt) {
            return std::move(manifest).error();
        }
    }
    Json damage = Json::array();
    LS_TRY(done, check_backups(folder, names, [&](const std::string& what) {
               damage.push_back(what);
               if (!context.json()) {
                   print_line(what);
               }
           }));
    if (context.json()) {
        print_json({{"clean", done.damage == 0},
                    {"backups", done.backups},
                    {"blobs", done.blobs},
                    {"bytes", done.bytes},
                    {"damage", damage}});
    } else {
        print_line(std::to_string(done.backups) + " backups, " +
                   sized(done.blobs, done.bytes) + " read: " +
                   std::to_string(done.damage) + " damaged or missing");
    }
    return done.damage == 0 ? kDone : kNo;
}

Result<int> restore(Context& context) {
    LS_TRY(config, context.config());
    LS_TRY(folder, open(context, BackupFolder::For::reading));
    LS_CHECK(keep_apart(context.args.folder, config->root));
    LS_TRY(name, chosen(folder, context));
    auto report = restore_backup(folder, name,
                                 {config->root, config->database,
                                  context.args.skip_damaged, context.actor()},
                                 to_stderr());
    if (!report) {
        return report.error();
    }
    if (context.json()) {
        print_json({{"name", name},
                    {"root", config->root},
                    {"blobs", report->blobs},
                    {"bytes", report->bytes},
                    {"links", report->links},
                    {"damaged", report->damage}});
    } else {
        print_line("backup " + name + " restored into " + config->root + ": " +
                   sized(report->blobs, report->bytes) + ", " +
                   std::to_string(report->damage) + " damaged or missing");
    }
    return report->damage == 0 ? kDone : kNo;
}

Result<int> prune_backup(Context& context) {
    LS_TRY(folder, open(context, BackupFolder::For::pruning));
    auto report = prune_backups(folder, context.args.limit);
    if (!report) {
        return report.error();
    }
    if (context.json()) {
        print_json({{"removed", report->removed},
                    {"blobs", report->blobs},
                    {"bytes", report->bytes}});
    } else {
        print_line(std::to_string(report->removed.size()) +
                   " backups removed, with " +
                   sized(report->blobs, report->bytes));
    }
    return kDone;
}

}  // namespace longshore
