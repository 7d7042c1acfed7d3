#include "ngx_module/lookup.hpp"

#include "common/hash.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/counters.hpp"
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
constexpr std::string_view kDigestName = "Docker-Content-Digest";

// Everything that an answer may depend on: the virtual host, the mount, the
// target with its query, and who asks (by hash: no secret in shared memory).
std::string_view cache_key(RequestCtx& ctx) {
    ngx_http_request_t* r = ctx.r;
    if (has_client_cert(r)) {
        return {};  // always ask, whatever else the request has
    }
    if (r->headers_in.authorization == nullptr) {
        return join(r->pool, {view(r->headers_in.server), "\n",
                              view(location_conf(r).prefix), ctx.target});
    }
    auto secret = view(r->headers_in.authorization->value);
    auto hash = digest_of(Algorithm::sha256, secret);
    return join(r->pool, {view(r->headers_in.server), "\n",
                          view(location_conf(r).prefix), ctx.target, "\n",
                          hash.encoded()});
}

// Of an entry: remember() wrote only what is sendable.
bool put_lines(RequestCtx& ctx, std::string_view lines) noexcept {
    while (!lines.empty()) {
        auto end = lines.find("\r\n");
        auto line = lines.substr(0, end);
        auto colon = line.find(": ");
        auto name = line.substr(0, colon);
        auto value = line.substr(colon + 2);
        if (ctx.digest.empty() && name == kDigestName) {
            ctx.digest = value;
        }
        if (put_sendable(ctx.r, name, value) != NGX_OK) {
            return false;
        }
        if (end == std::string_view::npos) {
            break;
        }
        lines.remove_prefix(end + 2);
    }
    return true;
}

// NGX_DECLINED when the blob of the entry is not there (any more).
ngx_int_t send_cached(RequestCtx& ctx, const CachedReply& reply) {
    ngx_http_request_t* r = ctx.r;
    ctx.repository = reply.repository;
    ctx.reference = reply.reference;
    ctx.action = "pull";
    if (!put_lines(ctx, reply.headers)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ngx_int_t rc = NGX_DECLINED;
    if (reply.digest.empty()) {
        rc = send_body(ctx, reply.status, reply.media_type, reply.body, true);
    } else if (Digest digest; Digest::parse(reply.digest, digest)) {
        ctx.digest = reply.digest;
        rc = serve_blob(ctx, digest, reply.media_type);
    }
    if (rc != NGX_DECLINED && r->method == NGX_HTTP_GET &&
        worker() != nullptr && !reply.repository.empty()) {
        worker()->tally().add(reply.repository, reply.reference);
    }
    return rc;
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
        auto key = cache_key(ctx);
        if (cache == nullptr || key.empty() || key.size() > kMaxKey) {
            ctx.cache = CacheStatus::bypass;
            count(&Counters::cache_bypassed);
            return ask(ctx);
        }
        ctx.cache_key = key;
        CachedReply reply;
        if (cache->find(key, r->pool, reply)) {
            ctx.cache = CacheStatus::hit;
            ngx_int_t rc = send_cached(ctx, reply);
            if (rc != NGX_DECLINED) {
                count(&Counters::cache_hits);
                return rc;
            }
            forget_headers(r);
        }
        ctx.cache = CacheStatus::miss;
        Link* link = worker() != nullptr ? worker()->link() : nullptr;
        if (link == nullptr || !link->is_up()) {
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

ngx_int_t answer_stale(RequestCtx& ctx) noexcept {
    try {
        ngx_http_request_t* r = ctx.r;
        Cache* cache = Cache::of(main_conf(r).zone);
        CachedReply reply;
        if (cache == nullptr || ctx.cache_key.empty() ||
            !cache->find(ctx.cache_key, r->pool, reply, true)) {
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
            if (!is_sendable(header.name, header.value)) {
                continue;
            }
            headers.append(header.name).append(": ");
            headers.append(header.value).append("\r\n");
        }
        reply.status = serve ? NGX_HTTP_OK : decision.status;
        reply.media_type = decision.media_type;
        reply.headers = headers;
        reply.repository = ctx.repository;
        reply.reference = ctx.reference;
        if (serve) {
            reply.digest = decision.digest;
        } else {
            reply.body = decision.body;
        }
        cache->insert(ctx.cache_key, reply, decision.keys, decision.ttl_ms,
                      ctx.cache_clock);
    } catch (...) {
        // Not kept: the next read asks again.
    }
}

}  // namespace longshore
