// $registry_… for log_format. None of them can hold a secret.
#include <array>

#include "ngx_module/handlers.hpp"
#include "ngx_module/headers.hpp"
#include "ngx_module/request.hpp"
#include "ngx_module/text.hpp"

namespace longshore {
namespace {

enum class Field : uintptr_t {
    repository,
    format,
    action,
    reference,
    digest,
    cache,
    daemon_time,
    error,
    upload_id,
    range,
    request_id,
};

std::string_view cache_text(CacheStatus status) noexcept {
    switch (status) {
        case CacheStatus::hit:
            return "HIT";
        case CacheStatus::miss:
            return "MISS";
        case CacheStatus::stale:
            return "STALE";
        case CacheStatus::bypass:
            return "BYPASS";
        case CacheStatus::none:
            break;
    }
    return {};
}

std::string_view daemon_time(const RequestCtx& ctx) noexcept {
    if (!ctx.asked) {
        return {};
    }
    ngx_msec_t ms = ctx.daemon_ms;
    if (ctx.question_id != 0) {
        ms += ngx_current_msec - ctx.asked_at;  // left while it waited
    }
    auto* data = static_cast<u_char*>(ngx_pnalloc(ctx.r->pool, 32));
    if (data == nullptr) {
        return {};
    }
    u_char* end =
        ngx_sprintf(data, "%T.%03M", static_cast<time_t>(ms / 1000), ms % 1000);
    return {reinterpret_cast<char*>(data),
            static_cast<std::size_t>(end - data)};
}

std::string_view digest_text(const RequestCtx& ctx) noexcept {
    if (!ctx.digest.empty()) {
        return ctx.digest;
    }
    return ctx.path.route == OciRoute::blob ||
                   ctx.path.route == OciRoute::referrers
               ? ctx.path.reference
               : std::string_view();
}

std::string_view range_text(ngx_http_request_t* r) noexcept {
    if (r->headers_in.range != nullptr) {
        return view(r->headers_in.range->value);
    }
    return find_header(r, "content-range");
}

std::string_view text_of(const RequestCtx& ctx, Field field) noexcept {
    switch (field) {
        case Field::repository:
            return ctx.repository;
        case Field::format:
            return ctx.format;
        case Field::action:
            return ctx.action;
        case Field::reference:
            return ctx.reference;
        case Field::digest:
            return digest_text(ctx);
        case Field::cache:
            return cache_text(ctx.cache);
        case Field::daemon_time:
            return daemon_time(ctx);
        case Field::error:
            return ctx.error;
        case Field::upload_id:
            return !ctx.upload_id.empty() ? ctx.upload_id
                   : ctx.is_session       ? ctx.path.reference
                                          : std::string_view();
        case Field::range:
            return range_text(ctx.r);
        case Field::request_id:
            break;
    }
    return {};
}

ngx_int_t get(ngx_http_request_t* r, ngx_http_variable_value_t* value,
              uintptr_t data) noexcept {
    RequestCtx* ctx = find_ctx(r->main);
    auto text = ctx != nullptr ? text_of(*ctx, static_cast<Field>(data))
                               : std::string_view();
    if (text.empty()) {
        value->not_found = 1;
        return NGX_OK;
    }
    value->data = loan(text).data;
    value->len = text.size() & 0xfffffff;  // 28 bits
    value->valid = 1;
    value->no_cacheable = 0;
    value->not_found = 0;
    return NGX_OK;
}

// The id that the daemon's log knows this request by: nginx's own.
ngx_int_t get_request_id(ngx_http_request_t* r,
                         ngx_http_variable_value_t* value, uintptr_t) noexcept {
    auto index = main_conf(r).request_id;
    auto* id = ngx_http_get_indexed_variable(r, static_cast<ngx_uint_t>(index));
    if (id == nullptr) {
        return NGX_ERROR;
    }
    *value = *id;
    return NGX_OK;
}

struct Row {
    std::string_view name;  // after "registry_"
    Field field;
};

constexpr Row kRows[] = {
    {"repository", Field::repository},   {"format", Field::format},
    {"action", Field::action},           {"reference", Field::reference},
    {"digest", Field::digest},           {"cache", Field::cache},
    {"daemon_time", Field::daemon_time}, {"error", Field::error},
    {"upload_id", Field::upload_id},     {"range", Field::range},
    {"request_id", Field::request_id},
};

}  // namespace

ngx_int_t add_variables(ngx_conf_t* cf) noexcept {
    for (const auto& row : kRows) {
        ngx_str_t name = loan(join(cf->pool, {"registry_", row.name}));
        if (name.data == nullptr) {
            return NGX_ERROR;
        }
        // They change while the request goes on: never cached.
        ngx_http_variable_t* variable =
            ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (variable == nullptr) {
            return NGX_ERROR;
        }
        variable->get_handler =
            row.field == Field::request_id ? get_request_id : get;
        variable->data = static_cast<uintptr_t>(row.field);
    }
    return NGX_OK;
}

}  // namespace longshore
