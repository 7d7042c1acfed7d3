// Configuration of the module at its three levels. Standard layout, because
// nginx writes members by offset.
#pragma once

#include "ngx_module/ngx.hpp"

extern "C" ngx_module_t ngx_http_registry_module;

namespace longshore {

struct MainConf {
    ngx_shm_zone_t* zone = nullptr;   // registry_zone
    ngx_str_t daemon = {0, nullptr};  // registry_daemon: "ipc:///path"
    ngx_msec_t daemon_timeout = NGX_CONF_UNSET_MSEC;
    ngx_flag_t any = 0;                    // some location has `registry on`
    ngx_thread_pool_t* threads = nullptr;  // of uploads
    ngx_open_file_cache_t* open_files = nullptr;  // of locations without own
    ngx_int_t request_id = NGX_ERROR;             // index of $request_id
};

struct ServerConf {
    ngx_flag_t any = 0;  // some location of this server has `registry on`
};

enum class StatusFormat : ngx_uint_t { negotiated, plain, json, openmetrics };

struct LocationConf {
    ngx_flag_t on;              // registry on|off
    ngx_flag_t auth;            // registry_auth on|off
    ngx_str_t service;          // its service=, "registry"
    StatusFormat status;        // registry_status; its own content handler
    ngx_str_t root;             // registry_root, no trailing slash
    ngx_str_t prefix;           // registry_prefix, no trailing slash, or ""
    off_t upload_max;           // registry_upload_max, 0: no limit
    size_t upload_buffer;       // size of one ring buffer, bytes
    ngx_uint_t upload_buffers;  // ring buffers of one upload
    ngx_msec_t upload_timeout;  // between two reads of a body
    ngx_open_file_cache_t* open_files;  // own cache unless configured
    time_t open_files_valid;            // seconds an entry is trusted
    ngx_uint_t max_ranges;              // registry_max_ranges
};

extern ngx_command_t commands[];

void* create_main_conf(ngx_conf_t* cf) noexcept;
void* create_server_conf(ngx_conf_t* cf) noexcept;
char* merge_server_conf(ngx_conf_t* cf, void* parent, void* child) noexcept;
void* create_location_conf(ngx_conf_t* cf) noexcept;
char* merge_location_conf(ngx_conf_t* cf, void* parent, void* child) noexcept;

inline MainConf& main_conf(ngx_http_request_t* r) noexcept {
    return *static_cast<MainConf*>(
        ngx_http_get_module_main_conf(r, ngx_http_registry_module));
}
inline LocationConf& location_conf(ngx_http_request_t* r) noexcept {
    return *static_cast<LocationConf*>(
        ngx_http_get_module_loc_conf(r, ngx_http_registry_module));
}

}  // namespace longshore
