// registryctl: what an operator does to the data of a registry.
// Exit codes: 0 done or clean, 1 failed or differences found, 2 wrong command
// line or setting, 5 a daemon runs.
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <string>

#include <grp.h>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "config.hpp"
#include "db/database.hpp"
#include "formats/oci/manifest_parse.hpp"
#include "jobs/rebuild.hpp"
#include "jobs/verify.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kConflict = 5;
constexpr int kSettleMs = 1000;

struct CommandLine {
    std::string file;
    std::string root;
    std::string database;
    std::string output = "text";
    bool json() const { return output == "json"; }
};

int fail(const Error& error, int code = kFailed) {
    std::fprintf(stderr, "registryctl: %s\n", error.message.c_str());
    return error.code == Code::conflict ? kConflict : code;
}

// Files made by root would be out of the daemon's reach, so root becomes the
// owner of the data folder.
Result<void> become_owner(const std::string& root) {
    struct stat info {};
    if (::stat(root.c_str(), &info) != 0) {
        return errno_error("root " + root, errno);
    }
    if (::geteuid() != 0 || info.st_uid == 0) {
        return {};
    }
    if (::setgroups(0, nullptr) != 0 || ::setgid(info.st_gid) != 0 ||
        ::setuid(info.st_uid) != 0) {
        return errno_error("become the owner of " + root, errno);
    }
    return {};
}

int run_rebuild(const Config& config, bool json) {
    auto store = open_file_store(config.root);
    if (!store) {
        return fail(store.error());
    }
    auto report = rebuild(config.database, **store, parse_manifest);
    if (!report) {
        return fail(report.error());
    }
    if (json) {
        nlohmann::ordered_json body = {{"database", config.database},
                                       {"old_database", report->old_database}};
        std::printf("%s\n", body.dump(2, ' ', false,
                                      nlohmann::json::error_handler_t::replace)
                                .c_str());
        return 0;
    }
    if (!report->old_database.empty()) {
        std::fprintf(stderr, "registryctl: the old database was no help: %s\n",
                     report->old_database.c_str());
    }
    std::printf("database in %s made anew\n", config.database.c_str());
    return 0;
}

void print_report(const VerifyReport& report) {
    for (const auto& difference : report.differences) {
        std::printf("%s: %s %s", difference.problem.c_str(),
                    difference.name.c_str(), difference.reference.c_str());
        if (!difference.wanted.empty() && !difference.found.empty()) {
            std::printf(" (database %s, disk %s)", difference.wanted.c_str(),
                        difference.found.c_str());
        }
        std::printf("\n");
    }
    std::printf(
        "%zu repositories, %zu manifests, %zu layers, %zu tags: %zu "
        "differences%s\n",
        report.repositories, report.manifests, report.layers, report.tags,
        report.differences.size(),
        report.takeover_complete ? "" : " (indexing is not complete)");
}

int run_verify(const Config& config, bool json) {
    auto store = open_file_store_for_reading(config.root);
    if (!store) {
        return fail(store.error());
    }
    DatabaseSettings settings;
    settings.folder = config.database;
    settings.read_only = true;
    auto database = open_sqlite(settings);
    if (!database) {
        return fail(database.error());
    }
    auto report = verify(**database, **store, kSettleMs);
    if (!report) {
        return fail(report.error());
    }
    if (json) {
        std::printf("%s\n", report->json().c_str());
    } else {
        print_report(*report);
    }
    return report->differences.empty() ? 0 : kFailed;
}

void add_options(CLI::App& command, CommandLine& line) {
    command.add_option("--config", line.file, "the daemon's settings");
    command.add_option("--root", line.root, "folder of all data");
    command.add_option("--database", line.database,
                       "folder of the database (default: ROOT/db)");
    command.add_option("-o,--output", line.output, "text or json")
        ->check(CLI::IsMember({"text", "json"}));
}

int start(int argc, char** argv) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("registryctl"));
    spdlog::set_pattern("registryctl: %v");
    CommandLine line;
    CLI::App app("Does things to the data of a registry.", "registryctl");
    app.require_subcommand(1);
    auto* rebuild_command = app.add_subcommand(
        "rebuild", "make the database anew from the files; daemon stopped");
    auto* verify_command =
        app.add_subcommand("verify", "compare database and files");
    auto* version_command = app.add_subcommand("version", "print the version");
    add_options(*rebuild_command, line);
    add_options(*verify_command, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    if (version_command->parsed()) {
        std::puts("registryctl " LS_VERSION);
        return 0;
    }
    auto config = load_config(
        line.file, {{"root", line.root}, {"database", line.database}});
    if (!config) {
        return fail(config.error(), kUsage);
    }
    if (auto owner = become_owner(config->root); !owner) {
        return fail(owner.error());
    }
    return rebuild_command->parsed() ? run_rebuild(*config, line.json())
                                     : run_verify(*config, line.json());
}

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
    try {
        return longshore::start(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "registryctl: %s\n", error.what());
        return longshore::kFailed;
    }
}
