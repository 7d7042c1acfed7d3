#include "ngx_module/request.hpp"

#include "common/probe.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/counters.hpp"
#include "ngx_module/lookup.hpp"
#include "ngx_module/question.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/worker.hpp"

namespace longshore {
namespace {

constexpr std::string_view kGone =
    "the registry cannot decide on this request now, retry later";
constexpr std::string_view kBusy =
    "too many requests wait for the registry, retry later";

// Marks the context in the pool's list, where it outlives an internal
// redirect; the pool frees it.
void mark(void*) noexcept {}

void forget_question(void* data) noexcept {
    auto& ctx = *static_cast<RequestCtx*>(data);
    if (ctx.question_id != 0 && worker() != nullptr) {
        worker()->pending().cancel(ctx.question_id);
    }
}

// How long an answer may take. registryd reads through a long body that it was
// given, at worst more than once: a millisecond for each 64 KiB of it.
ngx_msec_t patience(const MainConf& conf, const ReceivedBody* received) {
    constexpr std::uint64_t kBytesEachMs = std::uint64_t{64} << 10;
    auto bytes = received == nullptr ? 0 : received->size_bytes;
    return conf.daemon_timeout + static_cast<ngx_msec_t>(bytes / kBytesEachMs);
}

// Sends the question; false when it cannot be kept.
bool pose(RequestCtx& ctx, const ReceivedBody* received) {
    ngx_http_request_t* r = ctx.r;
    Worker& self = *worker();
    bool read = (r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) != 0;
    MainConf& conf = main_conf(r);
    if (Cache* cache = Cache::of(conf.zone)) {
        ctx.cache_clock = cache->clock();
    }
    // Asking whether an upload may go on changes nothing either.
    bool repeatable = received == nullptr && (read || ctx.is_session);
    auto id = self.pending().add(ctx, repeatable, patience(conf, received));
    if (id == 0) {
        return false;
    }
    ctx.question_id = id;
    ctx.asked = true;
    ctx.asked_at = ngx_current_msec;
    try {
        return self.pending().submit(
            id, encode(make_question(ctx, id, received)), self.link());
    } catch (...) {
        self.pending().cancel(id);
        return false;
    }
}

// Notices a client that leaves while we wait.
void watch_client(ngx_http_request_t* r) noexcept {
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
}

}  // namespace

RequestCtx* make_ctx(ngx_http_request_t* r) noexcept {
    if (RequestCtx* ctx = find_ctx(r)) {
        return ctx;
    }
    auto* cleanup = ngx_pool_cleanup_add(r->pool, sizeof(RequestCtx));
    auto* cancel = ngx_http_cleanup_add(r, 0);
    if (cleanup == nullptr || cancel == nullptr) {
        return nullptr;
    }
    auto* ctx = new (cleanup->data) RequestCtx();
    ctx->r = r;
    cleanup->handler = mark;
    cancel->handler = forget_question;
    cancel->data = ctx;
    ngx_http_set_ctx(r, ctx, ngx_http_registry_module);
    return ctx;
}

RequestCtx* find_ctx(ngx_http_request_t* r) noexcept {
    auto* ctx = static_cast<RequestCtx*>(
        ngx_http_get_module_ctx(r, ngx_http_registry_module));
    if (ctx != nullptr || !main_conf(r).any) {
        return ctx;
    }
    for (auto* cleanup = r->pool->cleanup; cleanup != nullptr;
         cleanup = cleanup->next) {
        if (cleanup->handler == mark) {
            ctx = static_cast<RequestCtx*>(cleanup->data);
            ngx_http_set_ctx(r, ctx, ngx_http_registry_module);
            return ctx;
        }
    }
    return nullptr;
}

ngx_int_t ask(RequestCtx& ctx) noexcept {
    try {
        if (worker() == nullptr || worker()->daemon_is_gone()) {
            count(&Counters::daemon_refused);
            ngx_int_t rc = answer_without_daemon(ctx);
            return rc != NGX_DECLINED ? rc : send_unavailable(ctx, kGone);
        }
        if (!pose(ctx, nullptr)) {
            count(&Counters::daemon_refused);
            return send_unavailable(ctx, kBusy);
        }
    } catch (...) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ++ctx.r->main->count;
    watch_client(ctx.r);
    return NGX_DONE;
}

void tell(RequestCtx& ctx, const ReceivedBody& received) noexcept {
    ngx_int_t rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    try {
        if (worker() != nullptr && !worker()->daemon_is_gone() &&
            pose(ctx, &received)) {
            LS_PROBE(received, told);
            return watch_client(ctx.r);
        }
        count(&Counters::daemon_refused);
        rc = send_unavailable(ctx, kGone);
    } catch (...) {
    }
    ngx_http_finalize_request(ctx.r, rc);
}

void resume_without_answer(RequestCtx& ctx, Loss why) noexcept {
    ngx_http_request_t* r = ctx.r;
    ngx_connection_t* connection = r->connection;
    ngx_http_set_log_request(connection->log, r);
    ctx.daemon_ms += ngx_current_msec - ctx.asked_at;
    ngx_log_error(NGX_LOG_WARN, connection->log, 0, "registry: the daemon %s",
                  why == Loss::timeout ? "did not answer in time"
                                       : "went away before it answered");
    ngx_int_t rc = answer_without_daemon(ctx);
    if (rc == NGX_DECLINED) {
        rc = send_unavailable(ctx, kGone);
    }
    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(connection);
}

void resume(RequestCtx& ctx, const Decision& decision) noexcept {
    ngx_connection_t* connection = ctx.r->connection;
    ngx_http_set_log_request(connection->log, ctx.r);
    auto waited = ngx_current_msec - ctx.asked_at;
    ctx.daemon_ms += waited;
    count(&Counters::daemon_wait_ms, waited);
    enact(ctx, decision);
    ngx_http_run_posted_requests(connection);
}

}  // namespace longshore
