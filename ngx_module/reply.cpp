#include "ngx_module/reply.hpp"

#include <array>
#include <utility>

#include "common/oci_error.hpp"
#include "common/package_error.hpp"
#include "common/problem.hpp"
#include "ngx_module/text.hpp"

namespace longshore {
namespace {

// A refused body longer than this is not read to its end for the sake of the
// connection.
constexpr off_t kMaxDiscard = 1024 * 1024;

bool is_field_text(std::string_view text) noexcept {
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

// What nginx writes itself; a second one would break the message.
bool is_owned_by_nginx(std::string_view name) noexcept {
    for (std::string_view own :
         {"connection", "keep-alive", "transfer-encoding", "date", "server"}) {
        if (equal_nocase(name, own)) {
            return true;
        }
    }
    return false;
}

// The rest of a request whose body nobody wants. Without 100-continue: the
// client is about to learn that it need not send anything.
void leave_body(ngx_http_request_t* r) noexcept {
    if (r != r->main || r->request_body != nullptr || r->discard_body) {
        return;
    }
    bool body = r->headers_in.content_length_n > 0 || r->headers_in.chunked;
    if (!body) {
        return;
    }
    if (r->headers_in.expect != nullptr && !r->expect_tested) {
        // It may send the body or not: the connection has no known state.
        r->keepalive = 0;
    }
    r->expect_tested = 1;
    if (r->headers_in.chunked || r->headers_in.content_length_n > kMaxDiscard) {
        r->keepalive = 0;
    }
    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }
}

void start(RequestCtx& ctx, ngx_uint_t status) noexcept {
    ngx_http_request_t* r = ctx.r;
    leave_body(r);
    if (r->reading_body) {
        r->keepalive = 0;  // nginx closes after such an answer: say so
    }
    // Of what was written nginx must not say afterwards that If-Match kept it
    // from being so.
    if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) {
        r->disable_not_modified = 1;
    }
    ctx.answered = true;
    r->headers_out.status = status;
    r->headers_out.status_line.len = 0;
    keep_exact(r);
}

// The words of registryd for what nginx refuses by itself.
std::string_view problem_code(ngx_uint_t status) noexcept {
    switch (status) {
        case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
            return "too_large";
        case NGX_HTTP_REQUEST_TIME_OUT:
            return "timeout";
        case NGX_HTTP_SERVICE_UNAVAILABLE:
            return "unavailable";
        default:
            return "malformed";
    }
}

}  // namespace

void keep_exact([[maybe_unused]] ngx_http_request_t* r) noexcept {
#if (NGX_HTTP_GZIP)
    // Clients verify lengths and digests; a strong ETag must stay strong.
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif
}

bool is_sendable(std::string_view name, std::string_view value) noexcept {
    return !name.empty() && is_field_text(name) && is_field_text(value) &&
           !is_owned_by_nginx(name);
}

ngx_table_elt_t* put_field(ngx_http_request_t* r, std::string_view name,
                           std::string_view value) noexcept {
    auto* field =
        static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (field == nullptr) {
        return nullptr;
    }
    field->hash = 1;
    field->key = loan(name);
    field->value = loan(value);
    field->lowcase_key = nullptr;
#if (nginx_version >= 1023000)
    field->next = nullptr;
#endif
    return field;
}

bool has_field(ngx_http_request_t* r, std::string_view name) noexcept {
    for (auto* part = &r->headers_out.headers.part; part != nullptr;
         part = part->next) {
        auto* fields = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; ++i) {
            auto key = view(fields[i].key);
            if (fields[i].hash != 0 &&
                (key == name || equal_nocase(key, name))) {
                return true;
            }
        }
    }
    return false;
}

HeaderKind kind_of(std::string_view name) noexcept {
    constexpr std::array kNamed = {
        std::pair{"content-type", HeaderKind::content_type},
        std::pair{"content-length", HeaderKind::content_length},
        std::pair{"etag", HeaderKind::etag},
        std::pair{"last-modified", HeaderKind::last_modified},
        std::pair{"www-authenticate", HeaderKind::www_authenticate},
        std::pair{"docker-content-digest", HeaderKind::digest},
    };
    for (const auto& [known, kind] : kNamed) {
        if (equal_nocase(name, known)) {
            return kind;
        }
    }
    return HeaderKind::plain;
}

ngx_int_t put_sendable(ngx_http_request_t* r, HeaderKind kind,
                       std::string_view name, std::string_view value) noexcept {
    if (kind == HeaderKind::content_type) {
        r->headers_out.content_type = loan(value);
        r->headers_out.content_type_len = value.size();
        r->headers_out.content_type_lowcase = nullptr;
        return NGX_OK;
    }
    if (kind == HeaderKind::content_length) {
        ngx_str_t text = loan(value);
        off_t size = ngx_atoof(text.data, text.len);
        if (size != NGX_ERROR) {
            r->headers_out.content_length_n = size;
        }
        return NGX_OK;
    }
    if (kind == HeaderKind::last_modified) {
        // nginx writes the field from it; -1, as for no date, writes none.
        ngx_str_t text = loan(value);
        r->headers_out.last_modified_time =
            ngx_parse_http_time(text.data, text.len);
        return NGX_OK;
    }
    auto* field = put_field(r, name, value);
    if (field == nullptr) {
        return NGX_ERROR;
    }
    if (kind == HeaderKind::etag) {
        r->headers_out.etag = field;
    } else if (kind == HeaderKind::www_authenticate) {
        r->headers_out.www_authenticate = field;
    }
    return NGX_OK;
}

ngx_int_t add_header(ngx_http_request_t* r, std::string_view name,
                     std::string_view value) noexcept {
    if (name.empty() || !is_field_text(name) || !is_field_text(value)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "registry: response header with control characters "
                      "left out");
        return NGX_OK;
    }
    if (is_owned_by_nginx(name)) {
        return NGX_OK;
    }
    auto key = copy(r->pool, name);
    auto text = copy(r->pool, value);
    if (key.data == nullptr || text.data == nullptr) {
        return NGX_ERROR;
    }
    return put_sendable(r, kind_of(name), view(key), view(text));
}

ngx_int_t add_header(RequestCtx& ctx, std::string_view name,
                     std::string_view value) noexcept {
    if (ctx.digest.empty() && kind_of(name) == HeaderKind::digest) {
        ctx.digest = keep(ctx.r->pool, value);
    }
    return add_header(ctx.r, name, value);
}

ngx_int_t send_body(RequestCtx& ctx, ngx_uint_t status,
                    std::string_view media_type, std::string_view body,
                    bool in_pool) noexcept {
    ngx_http_request_t* r = ctx.r;
    start(ctx, status);
    if (!media_type.empty()) {
        constexpr std::string_view kName = "Content-Type";
        ngx_int_t rc = in_pool ? put_sendable(r, HeaderKind::content_type,
                                              kName, media_type)
                               : add_header(r, kName, media_type);
        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    // A daemon that answers HEAD without the bytes may name their number.
    if (!body.empty() || r->method != NGX_HTTP_HEAD ||
        r->headers_out.content_length_n < 0) {
        r->headers_out.content_length_n = static_cast<off_t>(body.size());
    }
    if (body.empty() && r->method != NGX_HTTP_HEAD) {
        r->header_only = 1;
    }
    ngx_int_t rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only || body.empty()) {
        return rc;
    }
    ngx_str_t bytes = in_pool ? loan(body) : copy(r->pool, body);
    auto* buffer = static_cast<ngx_buf_t*>(ngx_calloc_buf(r->pool));
    if (buffer == nullptr || bytes.data == nullptr) {
        return NGX_ERROR;
    }
    buffer->start = buffer->pos = bytes.data;
    buffer->end = buffer->last = bytes.data + bytes.len;
    buffer->memory = 1;
    buffer->last_buf = r == r->main ? 1 : 0;
    buffer->last_in_chain = 1;
    ngx_chain_t out = {buffer, nullptr};
    return ngx_http_output_filter(r, &out);
}

ngx_int_t send_empty(RequestCtx& ctx, ngx_uint_t status) noexcept {
    ngx_http_request_t* r = ctx.r;
    start(ctx, status);
    r->header_only = 1;
    if (status == NGX_HTTP_NO_CONTENT) {
        ngx_http_clear_content_length(r);
    } else {
        r->headers_out.content_length_n = 0;
    }
    return ngx_http_send_header(r);
}

ngx_int_t send_error(RequestCtx& ctx, ngx_uint_t status, std::string_view code,
                     std::string_view message,
                     std::string_view detail) noexcept {
    ctx.error = keep(ctx.r->pool, code);
    try {
        if (is_api_target(ctx.target)) {
            return send_body(ctx, status, "application/problem+json",
                             problem_body(static_cast<int>(status),
                                          problem_code(status), message));
        }
        if (ctx.is_package) {
            return send_body(ctx, status, "application/json",
                             package_error_body(code, message));
        }
        return send_body(ctx, status, "application/json",
                         oci_error_body(code, message, detail));
    } catch (...) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

ngx_int_t send_unavailable(RequestCtx& ctx, std::string_view message) noexcept {
    if (add_header(ctx.r, "Retry-After", kRetryAfter) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return send_error(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "UNAVAILABLE",
                      message);
}

}  // namespace longshore
