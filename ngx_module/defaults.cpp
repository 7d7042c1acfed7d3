#include "ngx_module/defaults.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <string>

#include "common/protocol.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/text.hpp"

namespace longshore {
namespace {

constexpr std::string_view kDefaultDaemon =
    "ipc:///run/registryd/registryd.sock";
constexpr ngx_msec_t kDefaultDaemonTimeoutMs = 2000;
constexpr std::string_view kDefaultZone = "registry";
constexpr size_t kDefaultZoneSize = 16 * 1024 * 1024;

// nginx's own defaults; a value that differs was set by the operator.
constexpr off_t kCoreMaxBody = 1024 * 1024;
constexpr ngx_int_t kCoreHeaderBuffers = 4;
constexpr size_t kCoreHeaderBuffer = 8192;
constexpr ngx_uint_t kCoreMaxRanges = NGX_MAX_INT32_VALUE;

// 1024 ranges in one request are up to 20 KB of one header.
constexpr size_t kHeaderBuffer = 32 * 1024;

ngx_module_t* find_module(const ngx_cycle_t* cycle, const char* name) noexcept {
    for (ngx_uint_t i = 0; cycle->modules[i] != nullptr; ++i) {
        if (ngx_strcmp(cycle->modules[i]->name, name) == 0) {
            return cycle->modules[i];
        }
    }
    return nullptr;
}

ngx_command_t* find_command(const ngx_module_t* module,
                            std::string_view name) noexcept {
    for (auto* command = module->commands;
         command != nullptr && command->name.len != 0; ++command) {
        if (view(command->name) == name) {
            return command;
        }
    }
    return nullptr;
}

// Runs another module's directive as if `words` stood in the file. Private
// structures stay private.
template <std::size_t N>
char* run_directive(ngx_conf_t* cf, ngx_command_t* command, void* conf,
                    std::array<ngx_str_t, N>& words) noexcept {
    ngx_array_t args = {words.data(), N, sizeof(ngx_str_t), N, cf->pool};
    ngx_array_t* saved = cf->args;
    ngx_uint_t saved_type = cf->cmd_type;
    cf->args = &args;
    cf->cmd_type = NGX_HTTP_MAIN_CONF;
    char* rc = command->set(cf, command, conf);
    cf->args = saved;
    cf->cmd_type = saved_type;
    return rc;
}

// Text with its own storage in the configuration's pool: nginx keeps it.
ngx_str_t word(ngx_conf_t* cf, std::string_view text) noexcept {
    return copy(cf->pool, text);
}

constexpr std::string_view kLogFormat =
    R"({"time":"$time_iso8601","request_id":"$request_id",)"
    R"("peer":"$remote_addr","method":"$request_method",)"
    R"("uri":"$request_uri","protocol":"$server_protocol",)"
    R"("status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,)"
    R"("agent":"$http_user_agent",)"
    R"("repository":"$registry_repository","format":"$registry_format",)"
    R"("action":"$registry_action","reference":"$registry_reference",)"
    R"("digest":"$registry_digest","upload":"$registry_upload_id",)"
    R"("range":"$registry_range","cache":"$registry_cache",)"
    R"("daemon_seconds":"$registry_daemon_time",)"
    R"("error":"$registry_error"})";

ngx_int_t add_log_format(ngx_conf_t* cf) noexcept {
    auto* module = find_module(cf->cycle, "ngx_http_log_module");
    auto* command =
        module != nullptr ? find_command(module, "log_format") : nullptr;
    if (command == nullptr) {
        return NGX_OK;
    }
    auto* ctx = static_cast<ngx_http_conf_ctx_t*>(cf->ctx);
    std::array<ngx_str_t, 4> words = {
        word(cf, "log_format"), word(cf, "registry_json"),
        word(cf, "escape=json"), word(cf, kLogFormat)};
    for (const auto& text : words) {
        if (text.data == nullptr) {
            return NGX_ERROR;
        }
    }
    return run_directive(cf, command, ctx->main_conf[module->ctx_index],
                         words) == NGX_CONF_OK
               ? NGX_OK
               : NGX_ERROR;
}

// As many threads as cores: more only pass the same work around.
ngx_int_t find_thread_pool(ngx_conf_t* cf, MainConf& main) noexcept {
    ngx_str_t name = word(cf, "registry");
    if (name.data == nullptr) {
        return NGX_ERROR;
    }
    main.threads = ngx_thread_pool_get(cf->cycle, &name);
    if (main.threads != nullptr) {
        return NGX_OK;
    }
    auto* module = find_module(cf->cycle, "ngx_thread_pool_module");
    auto* command =
        module != nullptr ? find_command(module, "thread_pool") : nullptr;
    if (command == nullptr) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry\" needs an nginx built with threads");
        return NGX_ERROR;
    }
    std::array<ngx_str_t, 3> words = {
        word(cf, "thread_pool"), name,
        loan(join(cf->pool, {"threads=", std::to_string(ngx_ncpu)}))};
    if (words[0].data == nullptr || words[2].data == nullptr) {
        return NGX_ERROR;
    }
    void* conf = cf->cycle->conf_ctx[module->index];
    if (run_directive(cf, command, conf, words) != NGX_CONF_OK) {
        return NGX_ERROR;
    }
    main.threads = ngx_thread_pool_get(cf->cycle, &name);
    return main.threads != nullptr ? NGX_OK : NGX_ERROR;
}

bool has_registry(ngx_http_core_srv_conf_t* server) noexcept {
    return static_cast<ServerConf*>(
               server->ctx->srv_conf[ngx_http_registry_module.ctx_index])
               ->any != 0;
}

void raise_header_buffers(ngx_conf_t* cf,
                          ngx_http_core_srv_conf_t* server) noexcept {
    auto& buffers = server->large_client_header_buffers;
    if (buffers.num == kCoreHeaderBuffers &&
        buffers.size == kCoreHeaderBuffer) {
        buffers.size = kHeaderBuffer;
    } else if (buffers.size < kHeaderBuffer) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"large_client_header_buffers\" of %uz bytes is "
                           "less than the 32k that requests for many ranges "
                           "need",
                           buffers.size);
    }
}

// A request line is read with the buffers of the address' default server.
void raise_all_header_buffers(ngx_conf_t* cf) noexcept {
    auto* core = static_cast<ngx_http_core_main_conf_t*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    auto** servers =
        static_cast<ngx_http_core_srv_conf_t**>(core->servers.elts);
    for (ngx_uint_t i = 0; i < core->servers.nelts; ++i) {
        if (has_registry(servers[i])) {
            raise_header_buffers(cf, servers[i]);
        }
    }
    if (core->ports == nullptr) {
        return;
    }
    auto* ports = static_cast<ngx_http_conf_port_t*>(core->ports->elts);
    for (ngx_uint_t p = 0; p < core->ports->nelts; ++p) {
        auto* addrs = static_cast<ngx_http_conf_addr_t*>(ports[p].addrs.elts);
        for (ngx_uint_t a = 0; a < ports[p].addrs.nelts; ++a) {
            auto* first = addrs[a].default_server;
            auto** named =
                static_cast<ngx_http_core_srv_conf_t**>(addrs[a].servers.elts);
            for (ngx_uint_t i = 0; i < addrs[a].servers.nelts; ++i) {
                if (has_registry(named[i]) && !has_registry(first)) {
                    raise_header_buffers(cf, first);
                    break;
                }
            }
        }
    }
}

void warn_unreachable(ngx_conf_t* cf, const ngx_str_t& endpoint) noexcept {
    auto path = view(endpoint).substr(6);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
            0 &&
        ngx_errno != EAGAIN) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, ngx_errno,
                           "the registry daemon does not answer at \"%V\", "
                           "only what is on disk will be served until it does",
                           &endpoint);
    }
    ::close(fd);
}

void warn_connections(ngx_conf_t* cf) noexcept {
    auto* module = find_module(cf->cycle, "ngx_event_core_module");
    auto* command = module != nullptr
                        ? find_command(module, "worker_connections")
                        : nullptr;
    auto*** events = static_cast<void***>(
        ngx_get_conf(cf->cycle->conf_ctx, ngx_events_module));
    if (command == nullptr || events == nullptr) {
        return;  // the events block comes behind the http block
    }
    auto* conf = static_cast<ngx_event_conf_t*>((*events)[module->ctx_index]);
    auto connections = conf->connections;
    if (connections == NGX_CONF_UNSET_UINT) {
        return;
    }
    if (file_limit(cf->cycle) < connections) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "a worker may open %uz files, less than its %ui "
                           "\"worker_connections\": set "
                           "\"worker_rlimit_nofile\"",
                           static_cast<size_t>(file_limit(cf->cycle)),
                           connections);
    }
}

bool gzip_is_on(ngx_conf_t* cf) noexcept {
    auto* module = find_module(cf->cycle, "ngx_http_gzip_filter_module");
    auto* command = module != nullptr ? find_command(module, "gzip") : nullptr;
    if (command == nullptr) {
        return false;
    }
    auto* ctx = static_cast<ngx_http_conf_ctx_t*>(cf->ctx);
    auto* conf = static_cast<char*>(ctx->loc_conf[module->ctx_index]);
    return *reinterpret_cast<ngx_flag_t*>(conf + command->offset) == 1;
}

// A folder that was made a mount of its own: a rename into the store would
// fail.
void warn_other_file_system(ngx_conf_t* cf, const ngx_str_t& root) noexcept {
    struct stat here;
    if (::stat(reinterpret_cast<char*>(root.data), &here) != 0) {
        return;
    }
    for (const char* below : {"/spool", "/docker/registry/v2/blobs",
                              "/docker/registry/v2/repositories"}) {
        auto path = join(cf->pool, {view(root), below});
        struct stat there;
        if (!path.empty() && ::stat(path.data(), &there) == 0 &&
            there.st_dev != here.st_dev) {
            ngx_str_t text = loan(path);
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "\"%V\" and \"%V\" are on different file "
                               "systems, uploads cannot be renamed into the "
                               "store",
                               &text, &root);
        }
    }
}

}  // namespace

rlim_t file_limit(const ngx_cycle_t* cycle) noexcept {
    auto* core = reinterpret_cast<ngx_core_conf_t*>(
        ngx_get_conf(cycle->conf_ctx, ngx_core_module));
    if (core->rlimit_nofile != NGX_CONF_UNSET) {
        return static_cast<rlim_t>(core->rlimit_nofile);
    }
    struct rlimit limit;
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    return limit.rlim_cur;
}

ngx_shm_zone_t* make_zone(ngx_conf_t* cf, std::string_view name,
                          size_t size) noexcept {
    ngx_str_t text = copy(cf->pool, name);
    if (text.data == nullptr) {
        return nullptr;
    }
    auto* zone =
        ngx_shared_memory_add(cf, &text, size, &ngx_http_registry_module);
    if (zone != nullptr) {
        zone->init = Cache::init_zone;
    }
    return zone;
}

void set_location_defaults(ngx_conf_t* cf, const LocationConf& conf,
                           ngx_http_core_loc_conf_t* core) noexcept {
    if (core->client_max_body_size == kCoreMaxBody) {
        core->client_max_body_size = 0;
    } else if (core->client_max_body_size != 0 &&
               (conf.upload_max == 0 ||
                core->client_max_body_size < conf.upload_max)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"client_max_body_size\" in location \"%V\" is "
                           "lower than \"registry_upload_max\" and refuses "
                           "larger blobs",
                           &core->name);
    }
    if (core->max_ranges == kCoreMaxRanges) {
        core->max_ranges = conf.max_ranges;
    }
    if (!core->sendfile && !core->noname) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"sendfile\" is off in location \"%V\" with "
                           "\"registry on\": blobs are copied through memory",
                           &core->name);
    }
    if (gzip_is_on(cf)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"gzip\" in location \"%V\" has no effect: what a "
                           "registry sends is verified byte by byte",
                           &core->name);
    }
    warn_other_file_system(cf, conf.root);
}

ngx_int_t prepare(ngx_conf_t* cf) noexcept {
    auto& main = *static_cast<MainConf*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module));
    ngx_str_t name = ngx_string("request_id");
    main.request_id = ngx_http_get_variable_index(cf, &name);
    if (main.request_id == NGX_ERROR) {
        return NGX_ERROR;
    }
    return add_log_format(cf);
}

ngx_int_t complete(ngx_conf_t* cf) noexcept {
    auto& main = *static_cast<MainConf*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module));
    ngx_conf_init_msec_value(main.daemon_timeout, kDefaultDaemonTimeoutMs);
    if (main.daemon.data == nullptr) {
        main.daemon = loan(kDefaultDaemon);
    }
    if (!main.any) {
        return NGX_OK;
    }
    if (main.zone == nullptr) {
        main.zone = make_zone(cf, kDefaultZone, kDefaultZoneSize);
        if (main.zone == nullptr) {
            return NGX_ERROR;
        }
    }
    if (find_thread_pool(cf, main) != NGX_OK) {
        return NGX_ERROR;
    }
    raise_all_header_buffers(cf);
    warn_connections(cf);
    warn_unreachable(cf, main.daemon);
    return NGX_OK;
}

}  // namespace longshore
