// The module structure and the content handler: where every request enters.
#include "common/oci_error.hpp"
#include "ngx_module/conf.hpp"
#include "ngx_module/defaults.hpp"
#include "ngx_module/handlers.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/request.hpp"
#include "ngx_module/route.hpp"
#include "ngx_module/text.hpp"
#include "ngx_module/worker.hpp"

namespace longshore {
namespace {

ngx_int_t preconfiguration(ngx_conf_t* cf) noexcept {
    if (add_variables(cf) != NGX_OK) {
        return NGX_ERROR;
    }
    return prepare(cf);
}

ngx_int_t postconfiguration(ngx_conf_t* cf) noexcept {
    if (complete(cf) != NGX_OK) {
        return NGX_ERROR;
    }
    auto* core = static_cast<ngx_http_core_main_conf_t*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    auto* handler = static_cast<ngx_http_handler_pt*>(
        ngx_array_push(&core->phases[NGX_HTTP_LOG_PHASE].handlers));
    if (handler == nullptr) {
        return NGX_ERROR;
    }
    *handler = log_handler;
    install_error_filter();
    return NGX_OK;
}

// Fills what every request has; false when memory is out.
bool read_target(RequestCtx& ctx, std::string_view target) noexcept {
    ctx.target = target;
    std::span<char> scratch;
    if (target.find('%') != std::string_view::npos) {
        auto* data =
            static_cast<char*>(ngx_pnalloc(ctx.r->pool, target.size()));
        if (data == nullptr) {
            return false;
        }
        scratch = {data, target.size()};
    }
    ctx.path = parse_oci_path(target, scratch);
    ctx.format = is_oci_target(target) ? "oci" : "";
    return true;
}

ngx_int_t enter(ngx_http_request_t* r) {
    if (r != r->main) {
        return NGX_HTTP_NOT_FOUND;  // answers are for clients, not for parts
    }
    RequestCtx* ctx = make_ctx(r);
    if (ctx == nullptr) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (r->err_status != 0) {
        // error_page led here: the error is to be told, not the path to be
        // asked for again.
        ctx->is_package = is_package_request(r);
        auto status = static_cast<int>(r->err_status);
        return send_error(*ctx, r->err_status, oci_code_for_status(status),
                          oci_message_for_status(status));
    }
    auto target =
        below_mount(view(r->unparsed_uri), view(location_conf(r).prefix));
    if (!target) {
        return send_error(*ctx, NGX_HTTP_NOT_FOUND, "NAME_UNKNOWN",
                          "no such resource in this registry");
    }
    if (!read_target(*ctx, *target)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return route(*ctx);
}

ngx_http_module_t context = {
    preconfiguration,      // preconfiguration
    postconfiguration,     // postconfiguration
    create_main_conf,      // create main configuration
    nullptr,               // init main configuration
    create_server_conf,    // create server configuration
    merge_server_conf,     // merge server configuration
    create_location_conf,  // create location configuration
    merge_location_conf,   // merge location configuration
};

}  // namespace

ngx_int_t content_handler(ngx_http_request_t* r) noexcept {
    try {
        return enter(r);
    } catch (...) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

}  // namespace longshore

extern "C" {
__attribute__((visibility("default"))) ngx_module_t ngx_http_registry_module = {
    NGX_MODULE_V1,
    &longshore::context,      // module context
    longshore::commands,      // module directives
    NGX_HTTP_MODULE,          // module type
    nullptr,                  // init master
    nullptr,                  // init module
    longshore::start_worker,  // init process
    nullptr,                  // init thread
    nullptr,                  // exit thread
    longshore::stop_worker,   // exit process
    nullptr,                  // exit master
    NGX_MODULE_V1_PADDING,
};
}
