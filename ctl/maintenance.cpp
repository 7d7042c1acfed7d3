// Database and files against each other.
#include <cstdio>

#include "ctl/commands.hpp"
#include "db/database.hpp"
#include "formats/oci/manifest_parse.hpp"
#include "jobs/rebuild.hpp"
#include "jobs/verify.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

constexpr int kSettleMs = 1000;

void print_report(const VerifyReport& report) {
    for (const auto& difference : report.differences) {
        auto line = difference.problem + ": " + difference.name + " " +
                    difference.reference;
        if (!difference.wanted.empty() && !difference.found.empty()) {
            line += " (database " + difference.wanted + ", disk " +
                    difference.found + ")";
        }
        print_line(line);
    }
    for (const auto& digest : report.quarantined) {
        print_line("in quarantine: " + digest);
    }
    std::printf(
        "%zu repositories, %zu manifests, %zu layers, %zu tags, %zu files of "
        "packages: %zu differences%s\n",
        report.repositories, report.manifests, report.layers, report.tags,
        report.files, report.differences.size(),
        report.takeover_complete ? "" : " (indexing is not complete)");
    if (!report.quarantined.empty()) {
        std::printf("%zu in quarantine\n", report.quarantined.size());
    }
}

}  // namespace

Result<int> run_rebuild(Context& context) {
    LS_TRY(config, context.config());
    auto store = open_file_store(config->root);
    if (!store) {
        return not_now(store.error());
    }
    auto report =
        rebuild(config->database, **store, parse_manifest, context.actor());
    if (!report) {
        return not_now(report.error());
    }
    if (context.json()) {
        print_json({{"database", config->database},
                    {"old_database", report->old_database}});
        return kDone;
    }
    if (!report->old_database.empty()) {
        std::fprintf(stderr, "registryctl: the old database was no help: %s\n",
                     clean(report->old_database).c_str());
    }
    print_line("database in " + config->database + " made anew");
    return kDone;
}

Result<int> run_verify(Context& context) {
    LS_TRY(config, context.config());
    auto store = open_file_store_for_reading(config->root);
    if (!store) {
        return not_now(store.error());
    }
    DatabaseSettings settings;
    settings.folder = config->database;
    settings.read_only = true;
    auto database = open_sqlite(settings);
    if (!database) {
        return not_now(database.error());
    }
    auto report = verify(**database, **store, kSettleMs);
    if (!report) {
        return not_now(report.error());
    }
    if (context.json()) {
        std::printf("%s\n", report->json().c_str());
    } else {
        print_report(*report);
    }
    return report->differences.empty() ? kDone : kNo;
}

}  // namespace longshore
