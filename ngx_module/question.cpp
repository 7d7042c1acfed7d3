#include "ngx_module/question.hpp"

#include <algorithm>
#include <array>

#include "common/hash.hpp"
#include "ngx_module/headers.hpp"
#include "ngx_module/text.hpp"

namespace longshore {
namespace {

// What a decision may need, lower case, sorted. Bodies, cookies and hop-by-hop
// headers stay here.
constexpr std::array<std::string_view, 28> kForwarded = {
    "accept",
    "accept-encoding",
    "authorization",
    "content-encoding",
    "content-md5",
    "content-range",
    "content-type",
    "digest",
    "forwarded",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "oci-chunk-min-length",
    "oci-tag",
    "origin",
    "range",
    "sec-fetch-site",
    "user-agent",
    "x-checksum-deploy",
    "x-checksum-md5",
    "x-checksum-sha1",
    "x-checksum-sha256",
    "x-checksum-sha512",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-nuget-apikey",
    "x-registry-auth",
};
static_assert(std::is_sorted(kForwarded.begin(), kForwarded.end()));

// Those of them that may say who asks: what is granted or kept for one value
// is so for no other.
constexpr std::array<std::string_view, 3> kCredentials = {
    "authorization",
    "x-nuget-apikey",
    "x-registry-auth",
};
static_assert(std::all_of(kCredentials.begin(), kCredentials.end(),
                          [](std::string_view name) {
                              return std::binary_search(kForwarded.begin(),
                                                        kForwarded.end(), name);
                          }),
              "what the daemon does not see is no credential");

constexpr std::size_t kMaxName = 32;
constexpr std::size_t kMaxHeaders = 256;

// The name in lower case if it is one of ours, else empty.
std::string_view forwarded_name(std::string_view name) noexcept {
    if (name.size() > kMaxName) {
        return {};
    }
    char lower[kMaxName];
    for (std::size_t i = 0; i < name.size(); ++i) {
        lower[i] = static_cast<char>(ngx_tolower(name[i]));
    }
    std::string_view key(lower, name.size());
    auto* found = std::lower_bound(kForwarded.begin(), kForwarded.end(), key);
    return found != kForwarded.end() && *found == key ? *found
                                                      : std::string_view();
}

std::string_view variable(ngx_http_request_t* r,
                          std::string_view name) noexcept {
    std::string_view kept = keep(r->pool, name);
    if (kept.empty()) {
        return {};
    }
    ngx_str_t text = loan(kept);
    ngx_uint_t hash = ngx_hash_key(text.data, text.len);
    ngx_http_variable_value_t* value = ngx_http_get_variable(r, &text, hash);
    if (value == nullptr || value->not_found || !value->valid) {
        return {};
    }
    return {reinterpret_cast<char*>(value->data), value->len};
}

std::string_view request_id(ngx_http_request_t* r) noexcept {
    auto index = main_conf(r).request_id;
    ngx_http_variable_value_t* value =
        ngx_http_get_indexed_variable(r, static_cast<ngx_uint_t>(index));
    if (value == nullptr || value->not_found) {
        return {};
    }
    return {reinterpret_cast<char*>(value->data), value->len};
}

}  // namespace

bool is_tls([[maybe_unused]] ngx_http_request_t* r) noexcept {
#if (NGX_HTTP_SSL)
    return r->connection->ssl != nullptr;
#else
    return false;
#endif
}

#if (NGX_HTTP_SSL)
// nginx offers the SHA-1 of a client's certificate; ours is SHA-256, and only
// of one that nginx has verified.
std::string_view client_cert(ngx_http_request_t* r) noexcept {
    if (r->connection->ssl == nullptr ||
        variable(r, "ssl_client_verify") != "SUCCESS") {
        return {};
    }
    auto pem = variable(r, "ssl_client_raw_cert");
    if (pem.empty()) {
        return {};
    }
    // The fingerprint is that of the certificate itself, which PEM holds in
    // base64 between its two marks.
    constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
    constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
    auto begin = pem.find(kBegin);
    auto end = pem.find(kEnd);
    if (begin == pem.npos || end == pem.npos || end < begin) {
        return {};
    }
    pem = pem.substr(begin + kBegin.size(), end - begin - kBegin.size());
    ngx_str_t text = {
        0, static_cast<u_char*>(ngx_pnalloc(r->pool, pem.size() + 1))};
    ngx_str_t raw = {
        0, static_cast<u_char*>(ngx_pnalloc(r->pool, pem.size() + 1))};
    if (text.data == nullptr || raw.data == nullptr) {
        return {};
    }
    for (char c : pem) {
        if (c != '\n' && c != '\r') {
            text.data[text.len++] = static_cast<u_char>(c);
        }
    }
    if (ngx_decode_base64(&raw, &text) != NGX_OK) {
        return {};
    }
    auto digest = digest_of(Algorithm::sha256, view(raw));
    return keep(r->pool, digest.encoded());
}
#else
std::string_view client_cert(ngx_http_request_t*) noexcept {
    return {};
}
#endif

Question make_question(RequestCtx& ctx, std::uint64_t id,
                       const ReceivedBody* received) {
    ngx_http_request_t* r = ctx.r;
    Question question;
    question.id = id;
    question.method = view(r->method_name);
    question.target = ctx.target;
    question.prefix = view(location_conf(r).prefix);
    question.scheme = is_tls(r) ? "https" : "http";
    question.host = r->headers_in.host != nullptr
                        ? view(r->headers_in.host->value)
                        : view(r->headers_in.server);
    question.peer = view(r->connection->addr_text);
    question.request_id = request_id(r);
    question.client_cert = client_cert(r);
    question.guarded = ctx.guarded;
    for_each_header(r, [&](std::string_view name, std::string_view value) {
        auto known = forwarded_name(name);
        if (!known.empty()) {
            question.headers.push_back({known, value});
        }
        return question.headers.size() < kMaxHeaders;
    });
    if (r->headers_in.content_length_n >= 0) {
        question.body_bytes = r->headers_in.content_length_n;
    } else {
        question.body_bytes = r->headers_in.chunked ? -1 : 0;
    }
    if (received != nullptr) {
        question.type = QuestionType::received;
        question.ticket = received->ticket;
        question.body_kind = received->kind;
        question.size_bytes = received->size_bytes;
        question.digest = received->digest;
        question.digests.assign(received->digests.begin(),
                                received->digests.end());
        question.upload_id = received->upload_id;
        question.body = received->body;
    }
    return question;
}

bool is_credential(std::string_view name) noexcept {
    return std::any_of(
        kCredentials.begin(), kCredentials.end(),
        [&](std::string_view known) { return equal_nocase(name, known); });
}

}  // namespace longshore
