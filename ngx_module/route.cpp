#include "ngx_module/route.hpp"

#include "ngx_module/lookup.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/serve.hpp"
#include "ngx_module/upload.hpp"

namespace longshore {
namespace {

constexpr ngx_uint_t kRead = NGX_HTTP_GET | NGX_HTTP_HEAD;

ngx_uint_t methods_of(OciRoute route) noexcept {
    switch (route) {
        case OciRoute::ping:
        case OciRoute::catalog:
        case OciRoute::extensions:
        case OciRoute::tags:
        case OciRoute::referrers:
            return kRead;
        case OciRoute::manifest:
            return kRead | NGX_HTTP_PUT | NGX_HTTP_DELETE;
        case OciRoute::blob:
            return kRead | NGX_HTTP_DELETE;
        case OciRoute::uploads:
            return NGX_HTTP_POST;
        case OciRoute::upload:
            return kRead | NGX_HTTP_PATCH | NGX_HTTP_PUT | NGX_HTTP_DELETE;
        case OciRoute::unknown:
            break;
    }
    return 0;
}

ngx_int_t refuse(RequestCtx& ctx) noexcept {
    const OciPath& path = ctx.path;
    switch (path.problem) {
        case OciProblem::bad_name:
            return send_error(ctx, NGX_HTTP_BAD_REQUEST, "NAME_INVALID",
                              "the repository name breaks the grammar of OCI "
                              "names");
        case OciProblem::bad_upload:
            return send_error(ctx, NGX_HTTP_NOT_FOUND, "BLOB_UPLOAD_UNKNOWN",
                              "no such upload session");
        case OciProblem::bad_reference:
            if (path.route != OciRoute::manifest ||
                path.reference.find(':') != std::string_view::npos) {
                return send_error(ctx, NGX_HTTP_BAD_REQUEST, "DIGEST_INVALID",
                                  "the reference is no digest of a supported "
                                  "algorithm");
            }
            if ((ctx.r->method & kRead) != 0) {
                // A tag that cannot exist does not exist.
                return send_error(ctx, NGX_HTTP_NOT_FOUND, "MANIFEST_UNKNOWN",
                                  "no manifest can have this tag");
            }
            return send_error(ctx, NGX_HTTP_BAD_REQUEST, "TAG_INVALID",
                              "the reference is neither a tag nor a digest");
        case OciProblem::bad_escape:
        case OciProblem::none:
            break;
    }
    return send_error(ctx, NGX_HTTP_BAD_REQUEST, "NAME_INVALID",
                      "the path holds an escape or a segment that is not "
                      "allowed");
}

ngx_int_t answer_ping(RequestCtx& ctx) noexcept {
    ctx.action = "ping";
    return send_body(ctx, NGX_HTTP_OK, "application/json", "{}");
}

}  // namespace

std::optional<std::string_view> below_mount(std::string_view raw,
                                            std::string_view prefix) noexcept {
    if (!raw.starts_with(prefix)) {
        return std::nullopt;
    }
    raw.remove_prefix(prefix.size());
    if (!raw.starts_with('/')) {
        return std::nullopt;
    }
    return raw;
}

bool is_oci_target(std::string_view target) noexcept {
    return target == "/v2" || target.starts_with("/v2/") ||
           target.starts_with("/v2?");
}

std::string_view allowed_methods(OciRoute route) noexcept {
    switch (methods_of(route)) {
        case kRead | NGX_HTTP_PUT | NGX_HTTP_DELETE:
            return "GET, HEAD, PUT, DELETE";
        case kRead | NGX_HTTP_DELETE:
            return "GET, HEAD, DELETE";
        case NGX_HTTP_POST:
            return "POST";
        case kRead | NGX_HTTP_PATCH | NGX_HTTP_PUT | NGX_HTTP_DELETE:
            return "GET, HEAD, PATCH, PUT, DELETE";
        default:
            return "GET, HEAD";
    }
}

ngx_int_t route(RequestCtx& ctx) noexcept {
    ngx_http_request_t* r = ctx.r;
    const OciPath& path = ctx.path;
    if (path.problem != OciProblem::none) {
        return refuse(ctx);
    }
    if (path.route == OciRoute::unknown) {
        if (is_oci_target(ctx.target)) {
            return send_error(ctx, NGX_HTTP_NOT_FOUND, "NAME_UNKNOWN",
                              "no such resource in this registry");
        }
        return ask(ctx);
    }
    if ((r->method & methods_of(path.route)) == 0) {
        if (add_header(r, "Allow", allowed_methods(path.route)) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
        return send_error(ctx, NGX_HTTP_NOT_ALLOWED, "UNSUPPORTED",
                          "the method is not allowed here");
    }
    ctx.repository = path.name;
    ctx.reference = path.reference;
    switch (path.route) {
        case OciRoute::ping:
            return answer_ping(ctx);
        case OciRoute::blob:
            return (r->method & kRead) != 0 ? handle_blob(ctx) : ask(ctx);
        case OciRoute::upload:
            return handle_upload(ctx);
        default:
            return (r->method & kRead) != 0 ? answer_or_ask(ctx) : ask(ctx);
    }
}

}  // namespace longshore
