// registryd: the only place where things are constructed and joined.
// Exit codes: 0 ended on request, 1 could not start or serve, 2 wrong command
// line or setting.
#include <malloc.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <CLI/CLI.hpp>

#include "api/api.hpp"
#include "auth/auth.hpp"
#include "common/clock.hpp"
#include "common/file.hpp"
#include "config.hpp"
#include "db/database.hpp"
#include "formats/oci/manifest_parse.hpp"
#include "jobs/audit_job.hpp"
#include "jobs/clock_watch.hpp"
#include "jobs/collector.hpp"
#include "jobs/drops.hpp"
#include "jobs/jobs.hpp"
#include "jobs/outbox.hpp"
#include "jobs/rebuild.hpp"
#include "jobs/retention_job.hpp"
#include "jobs/scrub_job.hpp"
#include "jobs/undeletes.hpp"
#include "jobs/unknown_documents.hpp"
#include "registry/catalog.hpp"
#include "registry/garbage.hpp"
#include "registry/publisher.hpp"
#include "registry/repositories.hpp"
#include "registry/retention.hpp"
#include "registry/scrubber.hpp"
#include "registry/signer.hpp"
#include "registry/takeover.hpp"
#include "registry/undelete.hpp"
#include "registry/uploads.hpp"
#include "registry/uses.hpp"
#include "server/dispatch.hpp"
#include "server/endpoint.hpp"
#include "server/log.hpp"
#include "store/blob_store.hpp"
#include "store/package_store.hpp"

namespace longshore {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr std::uint64_t kMinFreeBytes = 16 << 20;
// nginx tallies once a second.
constexpr std::chrono::milliseconds kSettle{2500};
// registryctl may be writing a key at this moment.
constexpr std::int64_t kUnfinishedAgeS = 60;

int fail(int code, const Error& error) {
    std::fprintf(stderr, "registryd: %s\n", error.message.c_str());
    return code;
}

// Tells systemd (Type=notify). Does nothing when it did not ask.
// Specification: sd_notify(3).
void notify(std::string_view state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (!path || (path[0] != '/' && path[0] != '@') ||
        std::strlen(path) >= sizeof(address.sun_path)) {
        return;
    }
    auto size = std::strlen(path);
    std::memcpy(address.sun_path, path, size);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        auto length = offsetof(sockaddr_un, sun_path) + size;
        static_cast<void>(::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                                   reinterpret_cast<const sockaddr*>(&address),
                                   static_cast<socklen_t>(length)));
        ::close(fd);
    }
}

// Says at once what would otherwise fail at the first push.
Result<void> check_root(const std::string& root) {
    if (::mkdir(root.c_str(), 0755) != 0 && errno != EEXIST) {
        return errno_error("cannot make root " + root, errno);
    }
    struct stat found {};
    if (::stat(root.c_str(), &found) != 0) {
        return errno_error("root " + root, errno);
    }
    if (!S_ISDIR(found.st_mode)) {
        return Error{Code::invalid_argument,
                     "root " + root + " is not a folder"};
    }
    if (::access(root.c_str(), R_OK | W_OK | X_OK) != 0) {
        return errno_error("root " + root + " is not writable", errno);
    }
    struct statvfs space {};
    if (::statvfs(root.c_str(), &space) == 0 &&
        std::uint64_t{space.f_bavail} * space.f_frsize < kMinFreeBytes) {
        return Error{Code::unavailable,
                     "root " + root + ": less than 16 MiB free"};
    }
    return {};
}

FormatSettings format_settings(const Config& config) {
    FormatSettings settings;
    settings.max_manifest_bytes = config.max_manifest_bytes;
    settings.max_blob_bytes = config.max_blob_bytes;
    settings.max_file_bytes = config.max_file_bytes;
    settings.cache_ttl_ms = static_cast<std::uint32_t>(config.cache_ttl_ms);
    settings.cache_inline_bytes = config.cache_inline_bytes;
    settings.max_page_items = config.max_page_items;
    settings.max_tags_per_push = config.max_tags_per_push;
    settings.allow_delete = config.allow_delete;
    return settings;
}

AuthSettings auth_settings(const Config& config) {
    AuthSettings settings;
    settings.enabled = config.auth == "on";
    settings.root = config.root;
    settings.service = config.token_service;
    settings.public_url = config.public_url;
    settings.htpasswd = config.htpasswd;
    settings.key_age_s =
        static_cast<std::int64_t>(config.token_key_days) * 86'400;
    settings.threads = config.threads;
    return settings;
}

GuardSettings guard_settings(const Config& config) {
    GuardSettings settings;
    settings.requests_per_address = config.requests_per_address;
    settings.requests_per_principal = config.requests_per_principal;
    settings.failed_logins_per_address = config.failed_logins_per_address;
    return settings;
}

JobSettings job_settings(const Config& config) {
    JobSettings settings;
    settings.upload_max_age_s =
        static_cast<std::int64_t>(config.upload_max_age_s);
    return settings;
}

CollectorSettings collector_settings(const Config& config, Metrics& metrics) {
    return {static_cast<std::int64_t>(config.gc_grace_s),
            static_cast<std::int64_t>(config.gc_interval_s),
            static_cast<std::int64_t>(config.gc_trash_s),
            [&metrics](const Collected& done, const BlobStore::Trash& trash) {
                metrics.collected(static_cast<std::uint64_t>(done.links),
                                  static_cast<std::uint64_t>(done.blobs),
                                  static_cast<std::uint64_t>(done.bytes));
                metrics.trash(trash.blobs, trash.bytes);
            }};
}

ScrubSettings scrub_settings(const Config& config) {
    ScrubSettings settings;
    settings.interval_ms =
        static_cast<std::int64_t>(config.scrub_interval_days) * 86'400'000;
    settings.bytes_per_s = config.scrub_mib_s << 20;
    return settings;
}

RetentionSettings retention_settings(const Config& config, Metrics& metrics) {
    return {static_cast<std::int64_t>(config.retention_interval_s),
            [&metrics](const RetentionReport& done) {
                metrics.retained(static_cast<std::uint64_t>(done.tags),
                                 static_cast<std::uint64_t>(done.manifests));
            }};
}

EndpointSettings endpoint_settings(const Config& config) {
    EndpointSettings settings;
    settings.endpoint = config.listen;
    settings.threads = static_cast<unsigned>(config.threads);
    settings.queue = config.queue;
    settings.socket_mode = socket_mode_bits(config);
    settings.max_message = config.max_manifest_bytes + (1 << 20);
    return settings;
}

// What repositories of packages live on.
struct Packages {
    Packages(Database& db, PackageStore& store, const std::string& root)
        : database(db),
          repositories(db, all_formats()),
          catalog(db),
          signer(db, root),
          indexes(db, store, all_formats()),
          publisher(db, indexes, all_formats()),
          blobs(store) {
        indexes.attach(signer);
    }

    PackageParts parts() {
        return {database, repositories, catalog, publisher,
                blobs,    indexes,      &signer};
    }

    Database& database;
    Repositories repositories;
    PackageCatalog catalog;
    Signer signer;
    Indexes indexes;
    PackagePublisher publisher;
    Blobs blobs;
};

// What lies below the root.
struct Data {
    std::unique_ptr<BlobStore> store;
    std::unique_ptr<PackageStore> package_store;
    std::unique_ptr<StoredFiles> files;  // of the scrubber
    std::unique_ptr<Database> database;
};

// What takes away tags and manifests by their rules, then garbage, and when;
// and what brings it back.
struct Removing {
    Removing(Data& data, Publisher& publisher, Uses& uses,
             const Takeover& takeover, Invalidations& invalidations,
             const Config& config, Metrics& metrics)
        : publish([&invalidations](const std::vector<std::string>& keys) {
              invalidations.publish(keys);
          }),
          retention(*data.database, publisher.links(), uses, publish, kSettle),
          retention_job(*data.database, retention, takeover,
                        retention_settings(config, metrics)),
          garbage(*data.database, *data.store, publisher.links(), publish),
          collector(*data.database, *data.store, garbage, takeover,
                    collector_settings(config, metrics)),
          undelete(*data.store, publisher, parse_manifest,
                   config.max_manifest_bytes, publish),
          undeletes(*data.database, takeover, undelete),
          upload_clock(*data.database, "upload_clock",
                       static_cast<std::int64_t>(config.upload_max_age_s)) {}

    Removers removers() { return {retention_job, collector, upload_clock}; }

    GarbageCollector::Publish publish;
    Retention retention;
    RetentionJob retention_job;
    GarbageCollector garbage;
    Collector collector;
    Undelete undelete;
    Undeletes undeletes;
    ClockWatch upload_clock;
};

// What reads everything now and then.
struct Scrub {
    Scrub(Data& data, Invalidations& invalidations, Metrics& metrics,
          const Config& config)
        : scrubber(*data.database, *data.store->locks(), *data.files,
                   [&invalidations](const std::vector<std::string>& keys) {
                       invalidations.publish(keys);
                   }),
          job(*data.database, scrubber, settings(config, metrics)) {}

    static ScrubSettings settings(const Config& config, Metrics& metrics) {
        ScrubSettings settings = scrub_settings(config);
        settings.read = [&metrics](std::uint64_t files, std::uint64_t bytes) {
            metrics.scrubbed(files, bytes);
        };
        settings.state = [&metrics](const ScrubState& state) {
            metrics.damage(state.damaged_files, state.damaged_database,
                           state.last_pass_ms);
        };
        return settings;
    }

    Scrubber scrubber;
    ScrubJob job;
};

// Every route needs its right, of formats and of the API.
Result<void> check_tables() {
    LS_CHECK(check_routes(all_formats()));
    return check_api_routes();
}

Result<Data> open_data(const Config& config) {
    Data data;
    LS_TRY(store, open_file_store(config.root));
    data.store = std::move(store);
    LS_TRY(package_store, open_package_store(config.root, data.store->locks()));
    data.package_store = std::move(package_store);
    LS_TRY(files, StoredFiles::open(config.root));
    data.files = std::move(files);
    DatabaseSettings settings;
    settings.folder = config.database;
    LS_TRY(database, open_sqlite(settings));
    data.database = std::move(database);
    discard_unfinished_rebuild(config.database);
    for (const auto* folder : {"/keys", "/keys/token"}) {
        remove_unfinished_files(config.root + folder, kUnfinishedAgeS);
    }
    return data;
}

void tell_ready(const Config& config, Auth& auth) {
    LogLine("ready")
        .text("listen", config.listen)
        .text("root", config.root)
        .info();
    if (auto warning = auth.warning(); warning && !warning->empty()) {
        LogLine("access").text("message", *warning).warning();
    }
    notify("READY=1");
}

int wait_for_signal(const sigset_t& signals) {
    int signal = 0;
    while (::sigwait(&signals, &signal) != 0) {
    }
    return signal;
}

// Blocks the signals that end us in this thread, and so in all it starts.
sigset_t block_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    return signals;
}

// What has to be known before the first request.
Result<void> begin(Takeover& takeover, Publisher& publisher, Uses& uses) {
    LS_CHECK(takeover.open());
    LS_CHECK(publisher.start());
    return uses.start();
}

void write_last(Uses& uses) {
    if (auto written = uses.flush(); !written) {
        LogLine("uses of manifests")
            .text("message", written.error().message)
            .warning();
    }
}

int run(const Config& config) {
    if (auto started = start_log(config.log_level); !started) {
        return fail(kUsage, started.error());
    }
    auto signals = block_signals();
    auto data = open_data(config);
    if (!data) {
        return fail(kFailed, data.error());
    }
    auto& store = *data->store;
    auto& database = *data->database;
    Takeover takeover(database, store, parse_manifest);
    Catalog catalog(database, store);
    Publisher publisher(
        database, store,
        ManifestPolicy{config.sparse_indexes, config.sparse_images});
    Uses uses(database);
    catalog.attach(takeover);
    catalog.attach(uses);
    publisher.attach(takeover);
    if (auto begun = begin(takeover, publisher, uses); !begun) {
        return fail(kFailed, begun.error());
    }
    Uploads uploads(store);
    Metrics metrics;
    zmq::context_t context(1);
    Invalidations invalidations(context, metrics);
    Guards guards(guard_settings(config));
    auto auth = Auth::open(
        database, auth_settings(config),
        [&](std::span<const std::string> keys) { invalidations.publish(keys); },
        &guards);
    if (!auth) {
        return fail(kFailed, auth.error());
    }
    Packages packages(database, *data->package_store, config.root);
    if (auto begun = packages.indexes.begin(boot_id()); !begun) {
        return fail(kFailed, begun.error());
    }
    Api api({database,
             (*auth)->authorizer(),
             {packages.repositories, packages.catalog, packages.publisher,
              all_formats()},
             LS_VERSION});
    Dispatch dispatch({catalog, publisher, uploads, (*auth)->authorizer(),
                       invalidations, metrics, packages.parts(),
                       format_settings(config), (*auth)->tokens(),
                       (*auth)->setup(), &api, &guards, &uses});
    Endpoint endpoint(context, endpoint_settings(config), dispatch,
                      invalidations, metrics);
    if (auto started = endpoint.start(); !started) {
        return fail(kFailed, started.error());
    }
    Outbox outbox(database);
    AuditJob audit(database, guards.audit(),
                   static_cast<std::int64_t>(config.audit_days));
    Drops drops(database, [&](std::span<const std::string> keys) {
        invalidations.publish(keys);
    });
    Removing removing(*data, publisher, uses, takeover, invalidations, config,
                      metrics);
    Scrub scrub(*data, invalidations, metrics, config);
    Jobs jobs(takeover, uploads, outbox, packages.indexes, packages.signer,
              **auth, drops, uses, removing.removers(), removing.undeletes,
              scrub.job, job_settings(config));
    UnknownDocuments unknown_documents(database, store);
    // What only the start needed goes back to the system.
    ::malloc_trim(0);
    tell_ready(config, **auth);
    auto signal = wait_for_signal(signals);
    notify("STOPPING=1");
    LogLine("stopping").number("signal", signal).info();
    takeover.end();  // workers and the indexer may be deep in a huge name
    endpoint.stop();
    audit.stop();  // what the last answers told
    write_last(uses);
    return 0;
}

struct CommandLine {
    std::string file;
    std::string root;
    std::string listen;
    bool check = false;
    bool help_settings = false;
};

Result<Config> make_config(const CommandLine& line) {
    LS_TRY(config, load_config(line.file,
                               {{"root", line.root}, {"listen", line.listen}}));
    LS_CHECK(check_config(config));
    return config;
}

int start(int argc, char** argv) {
    CommandLine line;
    CLI::App app("The daemon behind ngx_http_registry_module.", "registryd");
    app.add_option("--config", line.file, "file of settings");
    app.add_option("--root", line.root, "folder of all data");
    app.add_option("--listen", line.listen, "ipc:///path");
    app.add_flag("--check", line.check, "check settings and root, then end");
    app.add_flag("--help-settings", line.help_settings,
                 "print all settings as Markdown");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    if (line.help_settings) {
        std::fputs(settings_markdown().c_str(), stdout);
        return 0;
    }
    auto config = make_config(line);
    if (!config) {
        return fail(kUsage, config.error());
    }
    if (auto checked = check_root(config->root); !checked) {
        return fail(kFailed, checked.error());
    }
    if (auto checked = check_tables(); !checked) {
        return fail(kFailed, checked.error());
    }
    if (line.check) {
        std::puts("registryd: settings and root are good");
        return 0;
    }
    return run(*config);
}

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
    try {
        return longshore::start(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "registryd: %s\n", error.what());
        return longshore::kFailed;
    }
}
