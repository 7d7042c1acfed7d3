// Turns the errors that nginx makes by itself under /v2/ (a bad request line,
// a body over a limit, too many requests …) into OCI error documents, and
// those on targets of packages into theirs. Header and body filter, in front
// of all others.
//
// nginx shows an oversized header (its own status 494) as 400 and tells it
// apart only in the page, so the header of a 400 is held back until the page
// has been seen.
#include "common/oci_error.hpp"
#include "common/package_error.hpp"
#include "ngx_module/conf.hpp"
#include "ngx_module/handlers.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/route.hpp"
#include "ngx_module/text.hpp"

namespace longshore {
namespace {

constexpr std::string_view kHeaderTooLarge =
    "Request Header Or Cookie Too Large";
constexpr std::string_view kVersionName = "Docker-Distribution-API-Version";
constexpr std::string_view kVersion = "registry/2.0";
constexpr ngx_uint_t kHeaderFieldsTooLarge = 431;

ngx_http_output_header_filter_pt next_header = nullptr;
ngx_http_output_body_filter_pt next_body = nullptr;

enum class Scope : std::uint8_t { none, oci, package, unknown_path };

// Whether this answer belongs to the protocol. A request whose target could
// not be read does, if its server has a registry at all.
Scope scope_of(ngx_http_request_t* r) noexcept {
    auto* server = static_cast<ServerConf*>(
        ngx_http_get_module_srv_conf(r, ngx_http_registry_module));
    if (!server->any) {
        return Scope::none;
    }
    if (r->unparsed_uri.len == 0) {
        return Scope::unknown_path;
    }
    const LocationConf& location = location_conf(r);
    auto raw = view(r->unparsed_uri);
    if (is_oci_target(raw)) {
        return Scope::oci;
    }
    auto target = below_mount(raw, view(location.prefix));
    if (location.on && target && is_oci_target(*target)) {
        return Scope::oci;
    }
    return is_package_request(r) ? Scope::package : Scope::none;
}

bool is_json(ngx_http_request_t* r) noexcept {
    return view(r->headers_out.content_type).starts_with("application/json");
}

// err_status is set only where nginx answers by itself (or through
// error_page); a location of the operator may have made JSON of it.
bool is_own_error(ngx_http_request_t* r) noexcept {
    return r->err_status >= 400 && !is_json(r);
}

ngx_int_t prepare_error(RequestCtx& ctx, ngx_uint_t status) {
    ngx_http_request_t* r = ctx.r;
    auto number = static_cast<int>(status);
    auto code = oci_code_for_status(number);
    auto message = oci_message_for_status(number);
    auto body = ctx.is_package ? package_error_body(code, message)
                               : oci_error_body(code, message);
    ctx.error = code;
    ctx.error_page = keep(r->pool, body);
    if (ctx.error_page.empty()) {
        return NGX_ERROR;
    }
    if (status != r->headers_out.status) {
        r->err_status = status;
        r->headers_out.status = status;
        r->headers_out.status_line.len = 0;
    }
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);
    ngx_http_clear_content_length(r);
    keep_exact(r);
    r->headers_out.content_length_n = static_cast<off_t>(body.size());
    r->headers_out.charset.len = 0;
    ngx_int_t rc = add_header(r, "Content-Type", "application/json");
    if (rc == NGX_OK &&
        (status == NGX_HTTP_TOO_MANY_REQUESTS ||
         status == NGX_HTTP_SERVICE_UNAVAILABLE) &&
        !has_field(r, "Retry-After")) {
        rc = add_header(r, "Retry-After", kRetryAfter);
    }
    if (rc == NGX_OK && status == NGX_HTTP_NOT_ALLOWED && !ctx.is_package &&
        !has_field(r, "Allow")) {
        rc = add_header(r, "Allow", allowed_methods(ctx.path.route));
    }
    return rc;
}

// For Allow: a refusal before our handler has not looked at the path yet.
void read_path(RequestCtx& ctx) noexcept {
    ngx_http_request_t* r = ctx.r;
    if (ctx.path.route != OciRoute::unknown || r->unparsed_uri.len == 0) {
        return;
    }
    auto target =
        below_mount(view(r->unparsed_uri), view(location_conf(r).prefix));
    if (!target) {
        return;
    }
    auto* scratch = static_cast<char*>(ngx_pnalloc(r->pool, target->size()));
    if (scratch != nullptr) {
        ctx.path = parse_oci_path(*target, {scratch, target->size()});
    }
}

ngx_int_t send_error_header(RequestCtx& ctx, ngx_uint_t status) {
    if (prepare_error(ctx, status) != NGX_OK) {
        return NGX_ERROR;
    }
    return next_header(ctx.r);
}

ngx_int_t filter_header(ngx_http_request_t* r) {
    if (r != r->main) {
        return next_header(r);
    }
    Scope scope = scope_of(r);
    if (scope == Scope::none) {
        return next_header(r);
    }
    bool error = is_own_error(r);
    if (scope != Scope::oci && !error) {
        return next_header(r);
    }
    if (scope != Scope::package && !has_field(r, kVersionName) &&
        put_field(r, kVersionName, kVersion) == nullptr) {
        return NGX_ERROR;
    }
    if (!error) {
        return next_header(r);
    }
    RequestCtx* ctx = make_ctx(r);
    if (ctx == nullptr) {
        return NGX_ERROR;
    }
    if (scope == Scope::package) {
        ctx->is_package = true;
    } else {
        read_path(*ctx);
        ctx->format = "oci";
    }
    if (r->err_status == NGX_HTTP_BAD_REQUEST && !ctx->answered) {
        ctx->error_page = " ";  // not made yet
        ctx->error_header_held = true;
        return NGX_OK;
    }
    return send_error_header(*ctx, r->err_status);
}

bool chain_holds(ngx_chain_t* chain, std::string_view text) noexcept {
    for (; chain != nullptr; chain = chain->next) {
        ngx_buf_t* buffer = chain->buf;
        if (!ngx_buf_in_memory(buffer)) {
            continue;
        }
        std::string_view bytes(
            reinterpret_cast<char*>(buffer->pos),
            static_cast<std::size_t>(buffer->last - buffer->pos));
        if (bytes.find(text) != std::string_view::npos) {
            return true;
        }
    }
    return false;
}

void swallow(ngx_chain_t* chain) noexcept {
    for (; chain != nullptr; chain = chain->next) {
        chain->buf->pos = chain->buf->last;
        chain->buf->file_pos = chain->buf->file_last;
    }
}

ngx_int_t filter_body(ngx_http_request_t* r, ngx_chain_t* in) {
    auto* ctx = static_cast<RequestCtx*>(
        ngx_http_get_module_ctx(r, ngx_http_registry_module));
    if (ctx == nullptr || ctx->error_page.empty() || r != r->main ||
        in == nullptr) {
        return next_body(r, in);
    }
    if (ctx->error_header_held) {
        ctx->error_header_held = false;
        ngx_int_t rc = send_error_header(*ctx, chain_holds(in, kHeaderTooLarge)
                                                   ? kHeaderFieldsTooLarge
                                                   : NGX_HTTP_BAD_REQUEST);
        if (rc == NGX_ERROR || rc > NGX_OK) {
            return NGX_ERROR;
        }
    }
    swallow(in);
    if (ctx->error_sent || r->header_only) {
        return NGX_OK;
    }
    ctx->error_sent = true;
    auto* buffer = static_cast<ngx_buf_t*>(ngx_calloc_buf(r->pool));
    if (buffer == nullptr) {
        return NGX_ERROR;
    }
    ngx_str_t page = loan(ctx->error_page);
    buffer->start = buffer->pos = page.data;
    buffer->end = buffer->last = page.data + page.len;
    buffer->memory = 1;
    buffer->last_buf = 1;
    buffer->last_in_chain = 1;
    ngx_chain_t out = {buffer, nullptr};
    return next_body(r, &out);
}

ngx_int_t header_filter(ngx_http_request_t* r) noexcept {
    try {
        return filter_header(r);
    } catch (...) {
        return NGX_ERROR;
    }
}

ngx_int_t body_filter(ngx_http_request_t* r, ngx_chain_t* in) noexcept {
    try {
        return filter_body(r, in);
    } catch (...) {
        return NGX_ERROR;
    }
}

}  // namespace

void install_error_filter() noexcept {
    next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
    next_body = ngx_http_top_body_filter;
    ngx_http_top_body_filter = body_filter;
}

}  // namespace longshore
