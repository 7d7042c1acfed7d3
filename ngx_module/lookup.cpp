#include "ngx_module/lookup.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "common/content_coding.hpp"
#include "common/hash.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/counters.hpp"
#include "ngx_module/guard.hpp"
#include "ngx_module/header_block.hpp"
#include "ngx_module/headers.hpp"
#include "ngx_module/question.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/serve.hpp"
#include "ngx_module/text.hpp"
#include "ngx_module/worker.hpp"

namespace longshore {
namespace {

constexpr std::string_view kStaleWarning =
    "299 - \"the registry's decision part is not available, this answer may "
    "be out of date\"";
constexpr std::size_t kMaxKey = 2048;
constexpr std::size_t kMaxAccept = 256;

// What the answer to a package manager depends on besides its target, in a
// form that no target and no credential has: three lines. nullopt: too much of
// it, or no memory.
std::optional<std::string_view> variation(RequestCtx& ctx) {
    if (!ctx.is_package) {
        return std::string_view();
    }
    std::string accept;
    ContentCodings codings;
    for_each_header(ctx.r, [&](std::string_view name, std::string_view value) {
        if (equal_nocase(name, "accept")) {
            accept.append(accept.empty() ? "" : ",").append(value);
        } else if (equal_nocase(name, "accept-encoding")) {
            auto more = accepted_codings(value);
            codings.gzip |= more.gzip;
            codings.zstd |= more.zstd;
        }
        return accept.size() <= kMaxAccept;
    });
    if (accept.size() > kMaxAccept) {
        return std::nullopt;
    }
    // Links in answers begin with the scheme and the host as they were asked
    // for, the port too.
    auto* host = ctx.r->headers_in.host;
    auto text = join(ctx.r->pool,
                     {"\n", is_tls(ctx.r) ? "s" : "", codings.gzip ? "g" : "",
                      codings.zstd ? "z" : "", "\n", accept, "\n",
                      host != nullptr ? view(host->value) : ""});
    return text.empty() ? std::nullopt : std::optional(text);
}

// With `registry_auth on` who asks has been looked at before, and all who may
// have an answer share it; unless it tells of what this one may see.
std::string_view guarded_key(RequestCtx& ctx, std::string_view varied) {
    ngx_http_request_t* r = ctx.r;
    auto who = ctx.personal ? asker(ctx) : std::string_view("*");
    if (who.empty()) {
        return {};
    }
    return join(r->pool, {view(r->headers_in.server), "\n", who, "\n",
                          view(location_conf(r).prefix), ctx.target, varied});
}

// Everything that an answer may depend on: the virtual host, the mount, the
// target with its query, what it varies by, and who asks (by hash: no secret in
// shared memory).
std::string_view cache_key(RequestCtx& ctx) {
    ngx_http_request_t* r = ctx.r;
    auto varied = variation(ctx);
    if (!varied) {
        return {};
    }
    if (ctx.guarded) {
        return guarded_key(ctx, *varied);
    }
    if (!client_cert(r).empty()) {
        return {};  // always ask, whatever else the request has
    }
    if (r->headers_in.authorization == nullptr) {
        return join(r->pool,
                    {view(r->headers_in.server), "\n",
                     view(location_conf(r).prefix), ctx.target, *varied});
    }
    auto secret = view(r->headers_in.authorization->value);
    auto hash = digest_of(Algorithm::sha256, secret);
    return join(r->pool, {view(r->headers_in.server), "\n",
                          view(location_conf(r).prefix), ctx.target, *varied,
                          "\n", hash.encoded()});
}

// NGX_DECLINED when the blob of the entry is not there (any more).
ngx_int_t send_cached(RequestCtx& ctx, const CachedReply& reply) {
    ngx_http_request_t* r = ctx.r;
    ctx.repository = reply.repository;
    ctx.reference = reply.reference;
    ctx.action = "pull";
    ctx.is_counted = reply.counted;
    if (!put_headers(ctx, reply.headers)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ngx_int_t rc = NGX_DECLINED;
    if (reply.digest.empty()) {
        r->headers_out.content_length_n = static_cast<off_t>(reply.body_bytes);
        rc = serve_bytes(ctx, reply.status, reply.media_type, reply.body, true);
    } else if (Digest digest; Digest::parse(reply.digest, digest)) {
        ctx.digest = reply.digest;
        rc = serve_stored(ctx, digest, reply.area, reply.media_type);
    }
    // HEAD too: who is told that a manifest is there may rely on it.
    if (!ctx.is_package && rc != NGX_DECLINED && worker() != nullptr &&
        !reply.repository.empty()) {
        worker()->tally().add(reply.repository, reply.reference);
    }
    return rc;
}

// False: this answer can neither be kept nor found.
bool choose_key(RequestCtx& ctx) {
    auto key = cache_key(ctx);
    if (key.empty() || key.size() > kMaxKey ||
        Cache::of(main_conf(ctx.r).zone) == nullptr) {
        ctx.cache = CacheStatus::bypass;
        count(&Counters::cache_bypassed);
        return false;
    }
    ctx.cache_key = key;
    return true;
}

bool is_linked_up() noexcept {
    Link* link = worker() != nullptr ? worker()->link() : nullptr;
    return link != nullptr && link->is_up();
}

// What was put into the header for an answer that then could not be sent.
void forget_headers(ngx_http_request_t* r) noexcept {
    ngx_http_clean_header(r);
}

}  // namespace

ngx_int_t answer_or_ask(RequestCtx& ctx) noexcept {
    try {
        ngx_http_request_t* r = ctx.r;
        Cache* cache = Cache::of(main_conf(r).zone);
        if (!choose_key(ctx)) {
            return ask(ctx);
        }
        CachedReply reply;
        if (cache->find({ctx.cache_key, r->method != NGX_HTTP_HEAD}, r->pool,
                        reply)) {
            ctx.cache = CacheStatus::hit;
            ngx_int_t rc = send_cached(ctx, reply);
            if (rc != NGX_DECLINED) {
                count(&Counters::cache_hits);
                return rc;
            }
            forget_headers(r);
        }
        ctx.cache = CacheStatus::miss;
        // What somebody may see is not for later, see below.
        if (!is_linked_up() && !ctx.personal) {
            ngx_int_t rc = answer_stale(ctx);
            if (rc != NGX_DECLINED) {
                return rc;
            }
        }
        count(&Counters::cache_misses);
        return ask(ctx);
    } catch (...) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

ngx_int_t ask_for_grant(RequestCtx& ctx, bool cacheable) noexcept {
    try {
        if (cacheable && choose_key(ctx)) {
            ctx.cache = CacheStatus::miss;
            count(&Counters::cache_misses);
        }
        if (!is_linked_up()) {
            ngx_int_t rc = answer_without_daemon(ctx);
            if (rc != NGX_DECLINED) {
                return rc;
            }
        }
        return ask(ctx);
    } catch (...) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

ngx_int_t answer_without_daemon(RequestCtx& ctx) noexcept {
    if (!ctx.permitted) {
        if (!was_granted(ctx)) {
            return NGX_DECLINED;
        }
        ctx.permitted = true;
    } else if (ctx.personal) {
        return NGX_DECLINED;  // what somebody may see is not for later
    }
    if (!ctx.guarded || ctx.path.route != OciRoute::blob) {
        return answer_stale(ctx);
    }
    if (add_header(ctx.r, "Warning", kStaleWarning) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ngx_int_t rc = serve_linked_blob(ctx);
    if (rc == NGX_DECLINED) {
        forget_headers(ctx.r);
    }
    return rc;
}

ngx_int_t answer_stale(RequestCtx& ctx) noexcept {
    try {
        ngx_http_request_t* r = ctx.r;
        Cache* cache = Cache::of(main_conf(r).zone);
        CachedReply reply;
        if (cache == nullptr || ctx.cache_key.empty() ||
            !cache->find({ctx.cache_key, r->method != NGX_HTTP_HEAD, true},
                         r->pool, reply)) {
            return NGX_DECLINED;
        }
        if (add_header(r, "Warning", kStaleWarning) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
        ngx_int_t rc = send_cached(ctx, reply);
        if (rc == NGX_DECLINED) {
            forget_headers(r);
            return rc;
        }
        ctx.cache = CacheStatus::stale;
        count(&Counters::cache_stale);
        return rc;
    } catch (...) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

void remember(RequestCtx& ctx, const Decision& decision) noexcept {
    try {
        ngx_http_request_t* r = ctx.r;
        Cache* cache = Cache::of(main_conf(r).zone);
        bool serve = decision.type == DecisionType::serve;
        if (cache == nullptr || ctx.cache_key.empty() || decision.ttl_ms == 0 ||
            (!serve && decision.type != DecisionType::reply)) {
            return;
        }
        if (!serve && decision.body.empty() && r->method == NGX_HTTP_HEAD) {
            return;  // no answer to a GET
        }
        if (!decision.media_type.empty() &&
            !is_sendable("Content-Type", decision.media_type)) {
            return;
        }
        CachedReply reply;
        std::string headers;
        for (const auto& header : decision.headers) {
            append_header(headers, header.name, header.value);
        }
        reply.status = serve ? NGX_HTTP_OK : decision.status;
        reply.media_type = decision.media_type;
        reply.headers = headers;
        reply.repository = ctx.repository;
        reply.reference = ctx.reference;
        reply.counted = decision.counted;
        if (serve) {
            reply.digest = decision.digest;
            reply.area = decision.area;
        } else {
            reply.body = decision.body;
        }
        if (!ctx.guarded || !ctx.personal) {
            cache->insert(ctx.cache_key, reply, decision.keys, decision.ttl_ms,
                          ctx.cache_clock);
            return;
        }
        // It has to end with what it was allowed by.
        const auto& keys = decision.keys;
        if (std::find(keys.begin(), keys.end(), key::kPolicy) != keys.end()) {
            cache->insert(ctx.cache_key, reply, keys, decision.ttl_ms,
                          ctx.cache_clock);
        }
    } catch (...) {
        // Not kept: the next read asks again.
    }
}

}  // namespace longshore
