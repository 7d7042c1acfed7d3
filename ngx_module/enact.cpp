// Carries out what the daemon decided.
#include "common/oci_error.hpp"
#include "common/probe.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/guard.hpp"
#include "ngx_module/lookup.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/request.hpp"
#include "ngx_module/serve.hpp"
#include "ngx_module/text.hpp"
#include "ngx_module/upload.hpp"

namespace longshore {
namespace {

// The decision ends with its message; the log comes later.
void note(RequestCtx& ctx, const Decision& decision) noexcept {
    ngx_pool_t* pool = ctx.r->pool;
    auto take = [&](std::string_view& to, std::string_view from) {
        if (!from.empty()) {
            to = keep(pool, from);
        }
    };
    take(ctx.repository, decision.repository);
    take(ctx.format, decision.format);
    take(ctx.action, decision.action);
    take(ctx.reference, decision.reference);
    take(ctx.error, decision.error);
    take(ctx.digest, decision.digest);
    take(ctx.upload_id, decision.upload_id);
}

// Before the answer leaves: whoever saw it must not read the old state.
void drop_keys(RequestCtx& ctx, const Decision& decision) noexcept {
    if (Cache* cache = Cache::of(main_conf(ctx.r).zone)) {
        for (auto key : decision.drops) {
            cache->drop(key);
            LS_PROBE(answer, dropped);
        }
    }
}

ngx_int_t add_headers(RequestCtx& ctx, const Decision& decision) noexcept {
    for (const auto& header : decision.headers) {
        if (add_header(ctx, header.name, header.value) != NGX_OK) {
            return NGX_ERROR;
        }
    }
    return NGX_OK;
}

ngx_int_t serve(RequestCtx& ctx, const Decision& decision) noexcept {
    Digest digest;
    if (!Digest::parse(decision.digest, digest)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ngx_int_t rc =
        serve_stored(ctx, digest, decision.area, decision.media_type);
    if (rc != NGX_DECLINED) {
        return rc;
    }
    ngx_log_error(NGX_LOG_ERR, ctx.r->connection->log, 0,
                  "registry: the daemon knows a blob that is not in the "
                  "store");
    ngx_http_clean_header(ctx.r);
    return send_error(ctx, NGX_HTTP_NOT_FOUND, "BLOB_UNKNOWN",
                      "the blob is not in the store");
}

ngx_int_t answer(RequestCtx& ctx, const Decision& decision) noexcept {
    ngx_uint_t status = decision.status;
    if (status < 200 || status > 599) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (status == NGX_HTTP_NO_CONTENT || status == NGX_HTTP_NOT_MODIFIED) {
        return send_empty(ctx, status);
    }
    return serve_bytes(ctx, status, decision.media_type, decision.body);
}

ngx_int_t redirect(RequestCtx& ctx, const Decision& decision) noexcept {
    ngx_uint_t status = decision.status;
    if (status < 301 || status > 308) {
        status = NGX_HTTP_TEMPORARY_REDIRECT;
    }
    if (add_header(ctx.r, "Location", decision.location) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return send_empty(ctx, status);
}

// As from the content handler: a body takes a reference of its own.
ngx_int_t proceed(RequestCtx& ctx) noexcept {
    if (!ctx.guarded || !ctx.is_session) {
        ngx_log_error(NGX_LOG_ERR, ctx.r->connection->log, 0,
                      "registry: the daemon lets a request go on that only "
                      "it can answer");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ctx.permitted = true;
    return handle_upload(ctx);
}

void carry_out(RequestCtx& ctx, const Decision& decision) {
    ngx_http_request_t* r = ctx.r;
    note(ctx, decision);
    drop_keys(ctx, decision);
    remember_grant(ctx, decision);
    if (decision.type == DecisionType::receive) {
        switch (decision.into) {
            case ReceiveInto::upload:
                return receive_upload(ctx, decision);
            case ReceiveInto::spool:
                return receive_spool(ctx, decision);
            case ReceiveInto::memory:
                return receive_memory(ctx, decision);
        }
    }
    if (decision.type == DecisionType::proceed) {
        return ngx_http_finalize_request(r, proceed(ctx));
    }
    remember(ctx, decision);
    ctx.is_counted = decision.counted;
    ngx_int_t rc = add_headers(ctx, decision);
    if (rc == NGX_OK) {
        switch (decision.type) {
            case DecisionType::serve:
                rc = serve(ctx, decision);
                break;
            case DecisionType::redirect:
                rc = redirect(ctx, decision);
                break;
            default:
                rc = answer(ctx, decision);
                break;
        }
    }
    ngx_http_finalize_request(r, rc);
}

}  // namespace

void enact(RequestCtx& ctx, const Decision& decision) noexcept {
    ngx_http_request_t* r = ctx.r;
    LS_PROBE(answer, arrived);
    try {
        carry_out(ctx, decision);
    } catch (...) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}

}  // namespace longshore
