// Answers made in nginx. All of them set ctx.answered.
#pragma once

#include <span>
#include <string_view>

#include "ngx_module/request.hpp"

namespace longshore {

/// Seconds after which a client may come again.
inline constexpr std::string_view kRetryAfter = "2";

/// No filter may change the bytes: they are verified by digest and length.
void keep_exact(ngx_http_request_t* r) noexcept;

/// Adds a response header; both texts are copied into the pool.
/// Content-Type, Content-Length, ETag and Last-Modified go where nginx looks
/// for them; what nginx writes itself (Connection, Date, Server …) and texts
/// with control characters are left out. Location stays as it is, relative or
/// not. NGX_ERROR when memory is out.
ngx_int_t add_header(ngx_http_request_t* r, std::string_view name,
                     std::string_view value) noexcept;

/// The same for a header of the daemon's; notes the digest for the log.
ngx_int_t add_header(RequestCtx& ctx, std::string_view name,
                     std::string_view value) noexcept;

/// What add_header() would send; the rest it leaves out.
bool is_sendable(std::string_view name, std::string_view value) noexcept;

/// Headers that go where nginx, or the log, looks for them.
enum class HeaderKind : std::uint8_t {
    plain,
    content_type,
    content_length,
    etag,
    last_modified,
    www_authenticate,
    digest,  // Docker-Content-Digest
};
HeaderKind kind_of(std::string_view name) noexcept;

/// The same for texts that are known to be sendable and live as long as the
/// request: nothing is looked at twice or copied.
ngx_int_t put_sendable(ngx_http_request_t* r, HeaderKind kind,
                       std::string_view name, std::string_view value) noexcept;

/// A field with a name that nginx treats like any other. Texts as above; null
/// when memory is out.
ngx_table_elt_t* put_field(ngx_http_request_t* r, std::string_view name,
                           std::string_view value) noexcept;

/// True if the response has such a field by now.
bool has_field(ngx_http_request_t* r, std::string_view name) noexcept;

/// Status, headers set before, and `body`. It and the type are copied, unless
/// they lie `in_pool` of the request and are known to be sendable. HEAD gets no
/// body but its Content-Length. The return value is for
/// ngx_http_finalize_request or for a content handler.
ngx_int_t send_body(RequestCtx& ctx, ngx_uint_t status,
                    std::string_view media_type, std::string_view body,
                    bool in_pool = false) noexcept;

/// 201, 202, 204 …: header only, Content-Length: 0 (none on 204).
ngx_int_t send_empty(RequestCtx& ctx, ngx_uint_t status) noexcept;

/// The error document in the words of the target's protocol: OCI, packages or
/// the API of registryd. Sets $registry_error to `code`. When the request
/// body was not read it is discarded, or the connection closed if it is long.
ngx_int_t send_error(RequestCtx& ctx, ngx_uint_t status, std::string_view code,
                     std::string_view message,
                     std::string_view detail = {}) noexcept;

/// 503 with Retry-After and UNAVAILABLE.
ngx_int_t send_unavailable(RequestCtx& ctx, std::string_view message) noexcept;

}  // namespace longshore
