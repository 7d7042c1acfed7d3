#include "ngx_module/route.hpp"

#include <array>

#include "common/package_path.hpp"
#include "common/problem.hpp"
#include "ngx_module/guard.hpp"
#include "ngx_module/lookup.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/serve.hpp"
#include "ngx_module/str.hpp"
#include "ngx_module/upload.hpp"

namespace longshore {
namespace {

constexpr ngx_uint_t kRead = NGX_HTTP_GET | NGX_HTTP_HEAD;

/// Where a request is answered once it may be.
enum class Walk : std::uint8_t {
    here,     // by the module alone
    cache,    // from the zone, else the daemon
    disk,     // from the store, else the daemon
    session,  // by the files of an upload
    daemon,   // by nobody else, who decides on the permission as well
};

/// What each method of each route needs. Nothing else is let through.
struct Rule {
    OciRoute route;
    ngx_uint_t methods;
    Action needs;
    Walk walk;
};
constexpr std::array kRules = {
    Rule{OciRoute::ping, kRead, Action::none, Walk::here},
    Rule{OciRoute::catalog, kRead, Action::none, Walk::cache},
    Rule{OciRoute::extensions, kRead, Action::none, Walk::cache},
    Rule{OciRoute::tags, kRead, Action::pull, Walk::cache},
    Rule{OciRoute::referrers, kRead, Action::pull, Walk::cache},
    Rule{OciRoute::manifest, kRead, Action::pull, Walk::cache},
    Rule{OciRoute::manifest, NGX_HTTP_PUT, Action::push, Walk::daemon},
    Rule{OciRoute::manifest, NGX_HTTP_DELETE, Action::remove, Walk::daemon},
    Rule{OciRoute::blob, kRead, Action::pull, Walk::disk},
    Rule{OciRoute::blob, NGX_HTTP_DELETE, Action::remove, Walk::daemon},
    Rule{OciRoute::uploads, NGX_HTTP_POST, Action::push, Walk::daemon},
    // To cancel is part of pushing.
    Rule{OciRoute::upload,
         kRead | NGX_HTTP_PATCH | NGX_HTTP_PUT | NGX_HTTP_DELETE, Action::push,
         Walk::session},
};

constexpr ngx_uint_t methods_of(OciRoute route) noexcept {
    ngx_uint_t methods = 0;
    for (const Rule& rule : kRules) {
        methods |= rule.route == route ? rule.methods : 0;
    }
    return methods;
}

constexpr const Rule* rule_of(OciRoute route, ngx_uint_t method) noexcept {
    for (const Rule& rule : kRules) {
        if (rule.route == route && (rule.methods & method) != 0) {
            return &rule;
        }
    }
    return nullptr;
}

// Every route has its rules, and a method only one.
constexpr bool is_unambiguous() noexcept {
    for (auto route :
         {OciRoute::ping, OciRoute::catalog, OciRoute::extensions,
          OciRoute::tags, OciRoute::manifest, OciRoute::blob, OciRoute::uploads,
          OciRoute::upload, OciRoute::referrers}) {
        ngx_uint_t sum = 0;
        for (const Rule& rule : kRules) {
            sum += rule.route == route ? rule.methods : 0;
        }
        if (sum == 0 || sum != methods_of(route)) {
            return false;
        }
    }
    return true;
}
static_assert(is_unambiguous());

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

// The one place where a request is let in: nothing before it looks anything
// up.
bool is_permitted(RequestCtx& ctx) noexcept {
    if (ctx.guarded) {
        ctx.permitted = is_granted(ctx);
    }
    return ctx.permitted;
}

ngx_int_t refuse_method(RequestCtx& ctx, OciRoute like) noexcept {
    if (add_header(ctx.r, "Allow", allowed_methods(like)) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return send_error(ctx, NGX_HTTP_NOT_ALLOWED, "UNSUPPORTED",
                      "the method is not allowed here");
}

// A session that the daemon has made is as that of a blob.
ngx_int_t route_session(RequestCtx& ctx, std::string_view id) noexcept {
    const Rule* rule = rule_of(OciRoute::upload, ctx.r->method);
    if (rule == nullptr) {
        return refuse_method(ctx, OciRoute::upload);
    }
    ctx.path.reference = ctx.reference = id;
    ctx.is_session = true;
    ctx.needs = rule->needs;
    return is_permitted(ctx) ? handle_upload(ctx) : ask_for_grant(ctx, false);
}

// Reads come from the cache; all else is the daemon's.
ngx_int_t route_package(RequestCtx& ctx, const PackagePath& package) noexcept {
    constexpr std::string_view kUploads = "/-/uploads/";
    ctx.is_package = true;
    ctx.path.name = ctx.repository = package.repository;
    ctx.path.problem = OciProblem::none;
    ctx.mount = ctx.format = package.mount;
    if (package.rest.starts_with(kUploads)) {
        auto id = package.rest.substr(kUploads.size());
        if (is_upload_id(id)) {
            return route_session(ctx, id);
        }
    }
    if ((ctx.r->method & kRead) == 0) {
        return ask(ctx);
    }
    ctx.needs = Action::pull;
    return is_permitted(ctx) ? answer_or_ask(ctx) : ask_for_grant(ctx, true);
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

bool is_package_request(ngx_http_request_t* r) noexcept {
    const LocationConf& location = location_conf(r);
    if (location.on != 1) {
        return false;
    }
    auto target = below_mount(view(r->unparsed_uri), view(location.prefix));
    return target && !is_oci_target(*target) && parse_package_path(*target);
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
    ctx.guarded = location_conf(r).auth == 1;
    ctx.permitted = !ctx.guarded;
    if (path.route == OciRoute::unknown && !is_oci_target(ctx.target)) {
        if (auto package = parse_package_path(ctx.target)) {
            return route_package(ctx, *package);
        }
    }
    if (is_api_target(ctx.target)) {
        return ask(ctx);  // whose segments may hold an escaped slash
    }
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
    const Rule* rule = rule_of(path.route, r->method);
    if (rule == nullptr) {
        return refuse_method(ctx, path.route);
    }
    ctx.repository = path.name;
    ctx.reference = path.reference;
    ctx.needs = rule->needs;
    ctx.is_session = rule->walk == Walk::session;
    if (ctx.guarded && rule->walk != Walk::daemon) {
        if (rule->needs == Action::none) {
            ctx.personal = true;
            return answer_or_ask(ctx);
        }
        if (!is_permitted(ctx)) {
            return ask_for_grant(ctx, rule->walk == Walk::cache);
        }
    }
    switch (rule->walk) {
        case Walk::here:
            return answer_ping(ctx);
        case Walk::cache:
            return answer_or_ask(ctx);
        case Walk::disk:
            return handle_blob(ctx);
        case Walk::session:
            return handle_upload(ctx);
        case Walk::daemon:
            break;
    }
    return ask(ctx);
}

}  // namespace longshore
