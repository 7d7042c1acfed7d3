#include "ngx_module/conf.hpp"

#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>

#include "common/layout.hpp"
#include "common/token.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/defaults.hpp"
#include "ngx_module/handlers.hpp"
#include "ngx_module/text.hpp"

namespace longshore {
namespace {

constexpr std::string_view kDefaultService = "registry";
constexpr std::string_view kDefaultRoot = "/var/lib/registryd";
constexpr ngx_msec_t kDefaultUploadTimeoutMs = 60000;
constexpr ngx_uint_t kDefaultUploadBuffers = 4;
constexpr size_t kDefaultUploadBuffer = 256 * 1024;
constexpr ngx_uint_t kDefaultMaxRanges = 1024;
constexpr ssize_t kMinZone = 256 * 1024;
constexpr time_t kDefaultValid = 10;
constexpr time_t kDefaultInactive = 60;

char* const kConfError = static_cast<char*>(NGX_CONF_ERROR);

ngx_str_t* arguments(ngx_conf_t* cf) noexcept {
    return static_cast<ngx_str_t*>(cf->args->elts);
}

// "name=" before the value of an option; the value, or null data.
std::string_view option(std::string_view word, std::string_view name) noexcept {
    if (word.size() > name.size() && word.starts_with(name) &&
        word[name.size()] == '=') {
        return word.substr(name.size() + 1);
    }
    return {};
}

char* bad_word(ngx_conf_t* cf, const ngx_str_t& word, const ngx_command_t* cmd,
               const char* allowed) noexcept {
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "invalid value \"%V\" in \"%V\" directive, it must be %s", &word,
        &cmd->name, allowed);
    return kConfError;
}

ngx_msec_t parse_msec(std::string_view text) noexcept {
    ngx_str_t loaned = loan(text);
    return static_cast<ngx_msec_t>(ngx_parse_time(&loaned, 0));
}

time_t parse_seconds(std::string_view text) noexcept {
    ngx_str_t loaned = loan(text);
    return ngx_parse_time(&loaned, 1);
}

char* set_auth(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    auto& location = *static_cast<LocationConf*>(conf);
    if (location.auth != NGX_CONF_UNSET) {
        return const_cast<char*>("is duplicate");
    }
    ngx_str_t* words = arguments(cf);
    if (view(words[1]) == "off") {
        if (cf->args->nelts != 2) {
            return bad_word(cf, words[2], cmd, "absent after \"off\"");
        }
        location.auth = 0;
        return NGX_CONF_OK;
    }
    if (view(words[1]) != "on") {
        return bad_word(cf, words[1], cmd, "\"on\" or \"off\"");
    }
    location.auth = 1;
    location.service = loan(kDefaultService);
    if (cf->args->nelts == 3) {
        auto service = option(view(words[2]), "service");
        if (service.empty() || service.size() > kMaxTokenText ||
            service.find_first_of("\"\\") != service.npos) {
            return bad_word(cf, words[2], cmd,
                            "\"service=NAME\", the \"token_service\" of "
                            "registryd");
        }
        location.service = loan(service);
    }
    return NGX_CONF_OK;
}

char* set_root(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    auto& location = *static_cast<LocationConf*>(conf);
    if (location.root.data != nullptr) {
        return const_cast<char*>("is duplicate");
    }
    const ngx_str_t& word = arguments(cf)[1];
    auto root = view(word);
    if (!root.starts_with('/')) {
        return bad_word(cf, word, cmd, "an absolute path");
    }
    while (root.size() > 1 && root.ends_with('/')) {
        root.remove_suffix(1);
    }
    if (root.size() > kMaxRoot) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the path in \"%V\" directive has %uz bytes, at "
                           "most %uz are allowed",
                           &cmd->name, root.size(), kMaxRoot);
        return kConfError;
    }
    location.root = copy(cf->pool, root);
    if (location.root.data == nullptr) {
        return kConfError;
    }
    struct stat info;
    if (::stat(reinterpret_cast<char*>(location.root.data), &info) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" in \"%V\" directive cannot be used, it must "
                           "be an existing directory",
                           &location.root, &cmd->name);
        return kConfError;
    }
    if (!S_ISDIR(info.st_mode)) {
        return bad_word(cf, word, cmd, "an existing directory");
    }
    return NGX_CONF_OK;
}

char* set_daemon(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    auto& main = *static_cast<MainConf*>(conf);
    if (main.daemon.data != nullptr) {
        return const_cast<char*>("is duplicate");
    }
    ngx_str_t* words = arguments(cf);
    auto path = view(words[1]);
    if (path.starts_with("ipc:///")) {
        path.remove_prefix(6);
    } else if (path.starts_with("unix:/")) {
        path.remove_prefix(5);
    } else {
        return bad_word(cf, words[1], cmd, "\"ipc:///path\" or \"unix:/path\"");
    }
    // Beside it lies the socket of invalidations, ".pub" longer.
    constexpr std::size_t kMaxSocket = sizeof(sockaddr_un::sun_path) - 1 - 4;
    if (path.size() < 2 || path.size() > kMaxSocket) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the socket path \"%V\" in \"%V\" directive has "
                           "%uz bytes, it must have 2 to %uz",
                           &words[1], &cmd->name, path.size(), kMaxSocket);
        return kConfError;
    }
    for (ngx_uint_t i = 2; i < cf->args->nelts; ++i) {
        auto value = option(view(words[i]), "timeout");
        if (value.data() == nullptr) {
            return bad_word(cf, words[i], cmd, "\"timeout=TIME\"");
        }
        if (main.daemon_timeout != NGX_CONF_UNSET_MSEC) {
            return const_cast<char*>("has a duplicate \"timeout\"");
        }
        main.daemon_timeout = parse_msec(value);
        if (main.daemon_timeout == static_cast<ngx_msec_t>(NGX_ERROR) ||
            main.daemon_timeout < 10 || main.daemon_timeout > 600000) {
            return bad_word(cf, words[i], cmd, "\"timeout=10ms\" to \"600s\"");
        }
    }
    main.daemon = loan(join(cf->pool, {"ipc://", path}));
    return main.daemon.data != nullptr ? NGX_CONF_OK : kConfError;
}

char* set_zone(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    auto& main = *static_cast<MainConf*>(conf);
    if (main.zone != nullptr) {
        return const_cast<char*>("is duplicate");
    }
    const ngx_str_t& word = arguments(cf)[1];
    auto text = view(word);
    auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) {
        return bad_word(cf, word, cmd, "\"NAME:SIZE\"");
    }
    ngx_str_t size_text = loan(text.substr(colon + 1));
    ssize_t size = ngx_parse_size(&size_text);
    if (size == NGX_ERROR) {
        return bad_word(cf, word, cmd, "\"NAME:SIZE\", as in \"registry:16m\"");
    }
    if (size < kMinZone) {
        return bad_word(cf, word, cmd, "\"NAME:SIZE\" of at least 256k");
    }
    main.zone = make_zone(cf, text.substr(0, colon), static_cast<size_t>(size));
    return main.zone != nullptr ? NGX_CONF_OK : kConfError;
}

char* set_prefix(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    auto& location = *static_cast<LocationConf*>(conf);
    if (location.prefix.data != nullptr) {
        return const_cast<char*>("is duplicate");
    }
    const ngx_str_t& word = arguments(cf)[1];
    auto prefix = view(word);
    while (prefix.size() > 1 && prefix.ends_with('/')) {
        prefix.remove_suffix(1);
    }
    if (!prefix.starts_with('/') || prefix.find("//") != prefix.npos ||
        prefix.find_first_of("?#%\\") != prefix.npos) {
        return bad_word(cf, word, cmd,
                        "a path that starts with \"/\", without \"//\", \"%\", "
                        "\"?\", \"#\" and \"\\\"");
    }
    location.prefix = copy(cf->pool, prefix == "/" ? "" : prefix);
    return location.prefix.data != nullptr ? NGX_CONF_OK : kConfError;
}

char* set_upload_buffers(ngx_conf_t* cf, ngx_command_t* cmd,
                         void* conf) noexcept {
    auto& location = *static_cast<LocationConf*>(conf);
    if (location.upload_buffers != NGX_CONF_UNSET_UINT) {
        return const_cast<char*>("is duplicate");
    }
    ngx_str_t* words = arguments(cf);
    ngx_int_t count = ngx_atoi(words[1].data, words[1].len);
    if (count < 2 || count > 16) {
        return bad_word(cf, words[1], cmd, "a number from 2 to 16");
    }
    ssize_t size = ngx_parse_size(&words[2]);
    if (size < 16 * 1024 || size > 16 * 1024 * 1024) {
        return bad_word(cf, words[2], cmd, "a size from 16k to 16m");
    }
    location.upload_buffers = static_cast<ngx_uint_t>(count);
    location.upload_buffer = static_cast<size_t>(size);
    return NGX_CONF_OK;
}

char* set_upload_timeout(ngx_conf_t* cf, ngx_command_t* cmd,
                         void* conf) noexcept {
    auto& location = *static_cast<LocationConf*>(conf);
    if (location.upload_timeout != NGX_CONF_UNSET_MSEC) {
        return const_cast<char*>("is duplicate");
    }
    const ngx_str_t& word = arguments(cf)[1];
    auto time = parse_msec(view(word));
    if (time == static_cast<ngx_msec_t>(NGX_ERROR) || time == 0) {
        return bad_word(cf, word, cmd, "a time above 0, as in \"60s\"");
    }
    location.upload_timeout = time;
    return NGX_CONF_OK;
}

char* set_max_ranges(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    auto& location = *static_cast<LocationConf*>(conf);
    if (location.max_ranges != NGX_CONF_UNSET_UINT) {
        return const_cast<char*>("is duplicate");
    }
    const ngx_str_t& word = arguments(cf)[1];
    ngx_int_t count = ngx_atoi(word.data, word.len);
    if (count < 1 || count > 65536) {
        return bad_word(cf, word, cmd, "a number from 1 to 65536");
    }
    location.max_ranges = static_cast<ngx_uint_t>(count);
    return NGX_CONF_OK;
}

char* set_open_files(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    static constexpr char kAllowed[] =
        "\"max=N\", \"inactive=TIME\", \"valid=TIME\" or \"off\"";
    auto& location = *static_cast<LocationConf*>(conf);
    if (location.open_files != NGX_CONF_UNSET_PTR) {
        return const_cast<char*>("is duplicate");
    }
    ngx_str_t* words = arguments(cf);
    if (view(words[1]) == "off") {
        if (cf->args->nelts != 2) {
            return bad_word(cf, words[2], cmd, "absent after \"off\"");
        }
        location.open_files = nullptr;
        location.open_files_valid = 0;
        return NGX_CONF_OK;
    }
    ngx_int_t max = 0;
    time_t inactive = kDefaultInactive;
    time_t valid = kDefaultValid;
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        auto word = view(words[i]);
        if (auto value = option(word, "max"); value.data() != nullptr) {
            ngx_str_t text = loan(value);
            max = ngx_atoi(text.data, text.len);
            if (max <= 0) {
                return bad_word(cf, words[i], cmd, "\"max=N\" with N above 0");
            }
        } else if (value = option(word, "inactive"); value.data() != nullptr) {
            inactive = parse_seconds(value);
            if (inactive <= 0) {
                return bad_word(cf, words[i], cmd,
                                "\"inactive=TIME\" with a time above 0");
            }
        } else if (value = option(word, "valid"); value.data() != nullptr) {
            valid = parse_seconds(value);
            if (valid < 0) {
                return bad_word(cf, words[i], cmd, "\"valid=TIME\"");
            }
        } else {
            return bad_word(cf, words[i], cmd, kAllowed);
        }
    }
    if (max == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" must have the \"max\" parameter",
                           &cmd->name);
        return kConfError;
    }
    location.open_files = ngx_open_file_cache_init(
        cf->pool, static_cast<ngx_uint_t>(max), inactive);
    location.open_files_valid = valid;
    return location.open_files != nullptr ? NGX_CONF_OK : kConfError;
}

char* set_status(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept {
    auto& location = *static_cast<LocationConf*>(conf);
    if (location.status != static_cast<StatusFormat>(NGX_CONF_UNSET_UINT)) {
        return const_cast<char*>("is duplicate");
    }
    location.status = StatusFormat::negotiated;
    if (cf->args->nelts == 2) {
        const ngx_str_t& word = arguments(cf)[1];
        if (view(word) == "plain") {
            location.status = StatusFormat::plain;
        } else if (view(word) == "json") {
            location.status = StatusFormat::json;
        } else if (view(word) == "openmetrics") {
            location.status = StatusFormat::openmetrics;
        } else {
            return bad_word(cf, word, cmd,
                            "\"plain\", \"json\" or \"openmetrics\"");
        }
    }
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    core->handler = status_handler;
    return NGX_CONF_OK;
}

// One cache for all locations that do not ask for their own. It may hold a
// quarter of the descriptors that a worker has.
ngx_open_file_cache_t* shared_open_files(ngx_conf_t* cf,
                                         MainConf& main) noexcept {
    if (main.open_files == nullptr) {
        rlim_t files = file_limit(cf->cycle);
        auto max =
            static_cast<ngx_uint_t>(std::clamp<rlim_t>(files / 4, 16, 10000));
        main.open_files =
            ngx_open_file_cache_init(cf->pool, max, kDefaultInactive);
    }
    return main.open_files;
}

ngx_int_t merge_open_files(ngx_conf_t* cf, const LocationConf& parent,
                           LocationConf& conf,
                           ngx_http_core_loc_conf_t* core) noexcept {
    if (conf.open_files != NGX_CONF_UNSET_PTR) {
        return NGX_OK;
    }
    if (parent.open_files != NGX_CONF_UNSET_PTR) {
        conf.open_files = parent.open_files;
        conf.open_files_valid = parent.open_files_valid;
        return NGX_OK;
    }
    if (!conf.on) {
        return NGX_OK;  // stays unset, for the locations below
    }
    if (core->open_file_cache != nullptr) {
        conf.open_files = core->open_file_cache;
        conf.open_files_valid = core->open_file_cache_valid;
        return NGX_OK;
    }
    auto& main = *static_cast<MainConf*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module));
    conf.open_files = shared_open_files(cf, main);
    conf.open_files_valid = kDefaultValid;
    return conf.open_files != nullptr ? NGX_OK : NGX_ERROR;
}

}  // namespace

void* create_main_conf(ngx_conf_t* cf) noexcept {
    void* memory = ngx_pcalloc(cf->pool, sizeof(MainConf));
    return memory != nullptr ? new (memory) MainConf() : nullptr;
}

void* create_server_conf(ngx_conf_t* cf) noexcept {
    void* memory = ngx_pcalloc(cf->pool, sizeof(ServerConf));
    return memory != nullptr ? new (memory) ServerConf() : nullptr;
}

char* merge_server_conf(ngx_conf_t*, void*, void*) noexcept {
    return NGX_CONF_OK;
}

void* create_location_conf(ngx_conf_t* cf) noexcept {
    auto* conf =
        static_cast<LocationConf*>(ngx_pcalloc(cf->pool, sizeof(LocationConf)));
    if (conf == nullptr) {
        return nullptr;
    }
    conf->on = NGX_CONF_UNSET;
    conf->auth = NGX_CONF_UNSET;
    conf->status = static_cast<StatusFormat>(NGX_CONF_UNSET_UINT);
    conf->upload_max = NGX_CONF_UNSET;
    conf->upload_buffer = NGX_CONF_UNSET_SIZE;
    conf->upload_buffers = NGX_CONF_UNSET_UINT;
    conf->upload_timeout = NGX_CONF_UNSET_MSEC;
    conf->open_files = static_cast<ngx_open_file_cache_t*>(NGX_CONF_UNSET_PTR);
    conf->max_ranges = NGX_CONF_UNSET_UINT;
    return conf;
}

char* merge_location_conf(ngx_conf_t* cf, void* parent_conf,
                          void* child_conf) noexcept {
    auto& parent = *static_cast<LocationConf*>(parent_conf);
    auto& conf = *static_cast<LocationConf*>(child_conf);
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    bool own = conf.on == 1;
    bool status = conf.status != static_cast<StatusFormat>(NGX_CONF_UNSET_UINT);

    ngx_conf_merge_value(conf.on, parent.on, 0);
    // Whoever forgets the line must not have opened a registry.
    ngx_conf_merge_value(conf.auth, parent.auth, 1);
    if (conf.service.data == nullptr) {
        conf.service = parent.service.data != nullptr ? parent.service
                                                      : loan(kDefaultService);
    }
    if (conf.root.data == nullptr) {
        conf.root =
            parent.root.data != nullptr ? parent.root : loan(kDefaultRoot);
    }
    if (conf.prefix.data == nullptr) {
        conf.prefix = parent.prefix.data != nullptr ? parent.prefix : loan("");
    }
    ngx_conf_merge_off_value(conf.upload_max, parent.upload_max, 0);
    ngx_conf_merge_size_value(conf.upload_buffer, parent.upload_buffer,
                              kDefaultUploadBuffer);
    ngx_conf_merge_uint_value(conf.upload_buffers, parent.upload_buffers,
                              kDefaultUploadBuffers);
    ngx_conf_merge_msec_value(conf.upload_timeout, parent.upload_timeout,
                              kDefaultUploadTimeoutMs);
    ngx_conf_merge_uint_value(conf.max_ranges, parent.max_ranges,
                              kDefaultMaxRanges);
    if (status && own) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry on\" and \"registry_status\" are in one "
                           "location, each needs its own");
        return kConfError;
    }
    if (conf.on && core->handler != nullptr) {
        if (own) {
            ngx_conf_log_error(
                NGX_LOG_WARN, cf, 0,
                "\"registry on\" in location \"%V\" replaces what another "
                "directive of it, such as \"proxy_pass\", would do",
                &core->name);
        } else {
            conf.on = 0;  // inherited: the location's own handler wins
        }
    }
    if (merge_open_files(cf, parent, conf, core) != NGX_OK) {
        return kConfError;
    }
    if (!conf.on) {
        return NGX_CONF_OK;
    }
    struct stat info;
    if (::stat(reinterpret_cast<char*>(conf.root.data), &info) != 0 ||
        !S_ISDIR(info.st_mode)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"registry on\" in location \"%V\" needs a "
                           "\"registry_root\", its default \"%V\" is not an "
                           "existing directory",
                           &core->name, &conf.root);
        return kConfError;
    }
    static_cast<MainConf*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_registry_module))
        ->any = 1;
    static_cast<ServerConf*>(
        ngx_http_conf_get_module_srv_conf(cf, ngx_http_registry_module))
        ->any = 1;
    core->handler = content_handler;
    set_location_defaults(cf, conf, core);
    return NGX_CONF_OK;
}

ngx_command_t commands[] = {
    {ngx_string("registry"),
     NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_FLAG,
     ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocationConf, on), nullptr},

    {ngx_string("registry_auth"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
         NGX_CONF_TAKE12,
     set_auth, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_root"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
         NGX_CONF_TAKE1,
     set_root, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_daemon"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE12,
     set_daemon, NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_zone,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_prefix"),
     NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1, set_prefix,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_upload_max"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
         NGX_CONF_TAKE1,
     ngx_conf_set_off_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocationConf, upload_max), nullptr},

    {ngx_string("registry_upload_timeout"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
         NGX_CONF_TAKE1,
     set_upload_timeout, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_upload_buffers"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
         NGX_CONF_TAKE2,
     set_upload_buffers, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_max_ranges"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
         NGX_CONF_TAKE1,
     set_max_ranges, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_open_files"),
     NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
         NGX_CONF_TAKE123,
     set_open_files, NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},

    {ngx_string("registry_status"),
     NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE1, set_status,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},

    ngx_null_command,
};

}  // namespace longshore
