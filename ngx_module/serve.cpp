#include "ngx_module/serve.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/layout.hpp"
#include "common/probe.hpp"
#include "common/range.hpp"
#include "ngx_module/byteranges.hpp"
#include "ngx_module/cache.hpp"
#include "ngx_module/conditions.hpp"
#include "ngx_module/file_io.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/text.hpp"
#include "ngx_module/worker.hpp"

namespace longshore {
namespace {

constexpr std::string_view kOctets = "application/octet-stream";
// Up to here a read and a writev cost less than corking the connection,
// writev, sendfile and uncorking it.
constexpr off_t kReadBytes = 32 * 1024;

// Seconds for which a link is as good as new: far less than any grace of the
// garbage collector.
constexpr time_t kNewFor = 60;

// Seconds for which this worker may rely on having seen a link of the
// repository: not since before its set of blobs last shrank.
time_t trusted_age(RequestCtx& ctx) noexcept {
    auto age = location_conf(ctx.r).open_files_valid;
    auto* cache = Cache::of(main_conf(ctx.r).zone);
    // The bytes of key::blobs(), without its allocation.
    std::array<char, 2 + 255> key;
    auto name = ctx.path.name;
    if (cache == nullptr || name.size() + 2 > key.size()) {
        return age;
    }
    key[0] = 'b';
    key[1] = ',';
    std::memcpy(key.data() + 2, name.data(), name.size());
    auto dropped_ms = cache->dropped_at_ms({key.data(), name.size() + 2});
    // A look is known by the whole second of this same clock, which never
    // runs ahead: one of a later second than the drop came after the link
    // file was gone.
    auto since = ngx_time() - static_cast<time_t>(dropped_ms / 1000);
    return std::clamp<time_t>(since, 0, age);
}

// Whoever is told by HEAD that a blob is there may leave it out of a push, so
// the garbage collector, which goes by the link's time, has to see that. False
// if the link is not there any more, or is somebody else's: then registryd
// does it.
bool keep_link(const Path& link, time_t changed_at, time_t now) noexcept {
    if (changed_at <= now && now - changed_at < kNewFor) {
        return true;
    }
    constexpr timespec kNow[] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    if (::utimensat(AT_FDCWD, link.c_str(), kNow, 0) == 0) {
        LS_PROBE(lease, touched);
        return true;
    }
    return errno != ENOENT && errno != ENOTDIR &&
           (errno == EROFS || worker() == nullptr ||
            worker()->daemon_is_gone());
}

// Seconds for which an open file may be sent without another look at the disk:
// not since before any file was last taken away for its bytes.
time_t trusted_open(ngx_http_request_t* r) noexcept {
    auto valid = location_conf(r).open_files_valid;
    auto* cache = Cache::of(main_conf(r).zone);
    if (cache == nullptr) {
        return valid;
    }
    auto dropped_ms = cache->dropped_at_ms(key::kStored);
    auto since = ngx_time() - static_cast<time_t>(dropped_ms / 1000);
    return std::clamp<time_t>(since, 0, valid);
}

// True if the repository has the blob, by its link file.
bool is_linked(RequestCtx& ctx, const Digest& digest) noexcept {
    auto& root = location_conf(ctx.r).root;
    auto name = ctx.path.name;
    auto now = ngx_time();
    auto look = ctx.r->method == NGX_HTTP_HEAD ? KnownLinks::Look::kept
                                               : KnownLinks::Look::seen;
    auto age = trusted_age(ctx);
    if (look == KnownLinks::Look::kept) {
        age = std::min(age, kNewFor);
    }
    auto* known = worker() != nullptr ? &worker()->known_links() : nullptr;
    if (known != nullptr &&
        known->has(root.data, name, digest, now, age, look)) {
        return true;
    }
    struct stat info;
    Path link = layout::layer_link(view(root), name, digest);
    if (::stat(link.c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
        (look == KnownLinks::Look::kept &&
         !keep_link(link, info.st_mtime, now))) {
        return false;
    }
    if (known != nullptr) {
        known->add(root.data, name, digest, now, look);
    }
    return true;
}

// What is sent.
struct Stored {
    const Digest& digest;
    Area area;
    std::string_view media_type;
    bool is_fresh;  // no header was set before, as on the hot path
};

void hide_fields(ngx_http_request_t* r, std::string_view name) noexcept {
    for (auto* part = &r->headers_out.headers.part; part != nullptr;
         part = part->next) {
        auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; ++i) {
            if (equal_nocase(view(headers[i].key), name)) {
                headers[i].hash = 0;
            }
        }
    }
}

ngx_int_t send_not_modified(RequestCtx& ctx) noexcept {
    auto* r = ctx.r;
    if (ctx.is_package) {
        hide_fields(r, "Content-Encoding");  // of a body that is not sent
    }
    r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
    r->headers_out.content_type.len = 0;
    r->headers_out.content_length_n = -1;
    ctx.answered = true;
    return ngx_http_send_header(r);
}

// What names the bytes; `etag` is of the request's pool.
bool put_digest_headers(ngx_http_request_t* r, std::string_view etag,
                        bool fresh) noexcept {
    r->headers_out.etag = put_field(r, "ETag", etag);
    if (r->headers_out.etag == nullptr) {
        return false;
    }
    auto digest = etag.substr(1, etag.size() - 2);
    if ((fresh || !has_field(r, "Docker-Content-Digest")) &&
        put_field(r, "Docker-Content-Digest", digest) == nullptr) {
        return false;
    }
    return !fresh ||
           put_field(r, "Cache-Control",
                     "private, max-age=31536000, immutable") != nullptr;
}

// The whole file as the body.
bool whole_file(ngx_http_request_t* r, ngx_file_t* file, off_t size,
                FileBody& out) noexcept {
    auto* buffer = static_cast<ngx_buf_t*>(ngx_calloc_buf(r->pool));
    auto* link = ngx_alloc_chain_link(r->pool);
    if (buffer == nullptr || link == nullptr) {
        return false;
    }
    buffer->file = file;
    buffer->file_last = size;
    buffer->in_file = size > 0;
    buffer->last_buf = r == r->main;
    buffer->last_in_chain = 1;
    *link = {buffer, nullptr};
    out.chain = link;
    out.size_bytes = size;
    return true;
}

enum class Chosen { whole, partial, unsatisfiable, too_many, no_memory };

Chosen choose_body(RequestCtx& ctx, std::string_view ranges, ngx_file_t* file,
                   std::uint64_t size, std::string_view media_type,
                   FileBody& out) noexcept {
    auto* r = ctx.r;
    auto max = location_conf(r).max_ranges;
    auto count = std::min(count_ranges(ranges), max);
    auto* list =
        static_cast<ByteRange*>(ngx_palloc(r->pool, count * sizeof(ByteRange)));
    if (list == nullptr) {
        return Chosen::no_memory;
    }
    auto found = parse_range(ranges, size, {list, count});
    switch (found.verdict) {
        case RangeVerdict::whole:
            return Chosen::whole;
        case RangeVerdict::unsatisfiable:
            return Chosen::unsatisfiable;
        case RangeVerdict::too_many:
            return Chosen::too_many;
        case RangeVerdict::partial:
            break;
    }
    ctx.is_from_start = list[0].first == 0;
    bool made = found.count == 1 ? single_range(r, file, list[0], size, out)
                                 : multiple_ranges(r, file, {list, found.count},
                                                   size, media_type, out);
    return made ? Chosen::partial : Chosen::no_memory;
}

// An error must not live as long as the file; and of a package there may be
// any header.
void forget_answer(RequestCtx& ctx) noexcept {
    if (ctx.is_package) {
        ngx_http_clean_header(ctx.r);
        return;
    }
    hide_fields(ctx.r, "Cache-Control");
    ngx_http_clear_etag(ctx.r);
}

ngx_int_t send_failed_condition(RequestCtx& ctx) noexcept {
    return send_error(ctx, NGX_HTTP_PRECONDITION_FAILED, "DENIED",
                      "the content does not meet a condition of the request");
}

ngx_int_t send_unsatisfiable(RequestCtx& ctx, std::uint64_t size) noexcept {
    auto text = unsatisfied_range(ctx.r, size);
    if (text.data == nullptr ||
        add_header(ctx.r, "Content-Range", view(text)) != NGX_OK) {
        return NGX_ERROR;
    }
    return send_error(ctx, NGX_HTTP_RANGE_NOT_SATISFIABLE, "RANGE_INVALID",
                      "no requested range lies within the content");
}

// NGX_DECLINED if it is not there, 503 if it may be readable later. Without
// `files`: a descriptor of this request's own.
ngx_int_t open_file(ngx_http_request_t* r, ngx_open_file_cache_t* files,
                    off_t directio, ngx_str_t& name,
                    ngx_open_file_info_t& info) noexcept {
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    ngx_memzero(&info, sizeof info);
    info.read_ahead = core->read_ahead;
    info.directio = directio;
    info.valid = trusted_open(r);
    info.min_uses = 1;
    if (ngx_open_cached_file(files, &name, &info, r->pool) != NGX_OK) {
        if (info.err == NGX_ENOENT || info.err == NGX_ENOTDIR) {
            return NGX_DECLINED;
        }
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, info.err,
                      "%s \"%V\" failed",
                      info.failed != nullptr ? info.failed : "open()", &name);
        return may_pass(info.err) ? NGX_HTTP_SERVICE_UNAVAILABLE : NGX_ERROR;
    }
    return info.is_file ? NGX_OK : NGX_DECLINED;
}

// Opens it through the cache; NGX_DECLINED if it is not there.
ngx_int_t open_stored(ngx_http_request_t* r, const Stored& stored,
                      ngx_str_t& name, ngx_open_file_info_t& info) noexcept {
    auto& conf = location_conf(r);
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    {
        Path path = stored.area == Area::blobs
                        ? layout::blob_data(view(conf.root), stored.digest)
                        : layout::document_data(view(conf.root), stored.digest);
        name = copy(r->pool, path.view());
    }
    if (name.data == nullptr) {
        return NGX_ERROR;
    }
    auto rc =
        open_file(r, conf.open_files, NGX_OPEN_FILE_DIRECTIO_OFF, name, info);
    if (rc == NGX_OK && info.size >= core->directio) {
        // For the ends of what it reads, which fill no block, nginx switches
        // the descriptor to buffered reading and back. With `aio threads` a
        // shared one would be switched under the read of another request.
        rc = open_file(r, nullptr, core->directio, name, info);
    }
    return rc;
}

// The digest in quotes; false without memory.
bool make_etag(ngx_pool_t* pool, const Digest& digest,
               ngx_str_t& etag) noexcept {
    auto text = digest.text();
    etag.len = text.size() + 2;
    etag.data = static_cast<u_char*>(ngx_pnalloc(pool, etag.len));
    if (etag.data == nullptr) {
        return false;
    }
    etag.data[0] = '"';
    std::memcpy(etag.data + 1, text.data(), text.size());
    etag.data[etag.len - 1] = '"';
    return true;
}

ngx_file_t* make_file(ngx_http_request_t* r, const ngx_str_t& name,
                      const ngx_open_file_info_t& info) noexcept {
    auto* file =
        static_cast<ngx_file_t*>(ngx_pcalloc(r->pool, sizeof(ngx_file_t)));
    if (file != nullptr) {
        file->fd = info.fd;
        file->name = name;
        file->log = r->connection->log;
        file->directio = info.is_directio;
    }
    return file;
}

// True if nginx is to read the body rather than to send it from the file: one
// that is small, and that no thread or direct I/O was ordered for.
bool is_read(ngx_http_request_t* r, const ngx_file_t& file,
             off_t size) noexcept {
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    return size <= kReadBytes && core->aio == NGX_HTTP_AIO_OFF &&
           file.directio == 0;
}

// Header and body of 200 or 206; nothing has been refused.
ngx_int_t send_file(RequestCtx& ctx, const ngx_file_t& file,
                    const FileBody& body) noexcept {
    auto* r = ctx.r;
    if (is_read(r, file, body.size_bytes)) {
        r->connection->sendfile = 0;  // until the next request
    }
    r->headers_out.accept_ranges = put_field(r, "Accept-Ranges", "bytes");
    if (r->headers_out.accept_ranges == nullptr) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    r->headers_out.content_type = body.content_type;
    r->headers_out.content_type_len = body.content_type.len;
    r->headers_out.content_length_n = body.size_bytes;
    r->connection->log->action =
        const_cast<char*>("sending a blob to the client");

    ctx.answered = true;
    auto rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }
    return ngx_http_output_filter(r, body.chain);
}

// Answers with the parts of the file that the request wants.
ngx_int_t serve_file(RequestCtx& ctx, ngx_file_t* file, off_t size,
                     std::string_view media_type, ngx_str_t& etag) noexcept {
    auto* r = ctx.r;
    FileBody body;
    body.content_type = loan(media_type);
    r->headers_out.status = NGX_HTTP_OK;
    auto ranges = wanted_ranges(r, view(etag));
    auto chosen = ranges.empty() ? Chosen::whole
                                 : choose_body(ctx, ranges, file,
                                               static_cast<std::uint64_t>(size),
                                               media_type, body);
    switch (chosen) {
        case Chosen::whole:
            if (!whole_file(r, file, size, body)) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }
            break;
        case Chosen::partial:
            r->headers_out.status = NGX_HTTP_PARTIAL_CONTENT;
            if (body.content_range.len != 0) {
                r->headers_out.content_range =
                    put_field(r, "Content-Range", view(body.content_range));
            }
            break;
        case Chosen::unsatisfiable:
            forget_answer(ctx);
            return send_unsatisfiable(ctx, static_cast<std::uint64_t>(size));
        case Chosen::too_many:
            forget_answer(ctx);
            return send_error(ctx, NGX_HTTP_BAD_REQUEST, "RANGE_INVALID",
                              "too many ranges in one request");
        case Chosen::no_memory:
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return send_file(ctx, *file, body);
}

ngx_int_t serve(RequestCtx& ctx, const Stored& stored) noexcept {
    auto* r = ctx.r;
    ngx_str_t name;
    ngx_open_file_info_t info;
    auto rc = open_stored(r, stored, name, info);
    if (rc == NGX_DECLINED) {
        return rc;
    }
    if (rc == NGX_HTTP_SERVICE_UNAVAILABLE) {
        return send_unavailable(ctx, "the content cannot be read now");
    }
    if (rc != NGX_OK) {
        return send_error(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR, "UNKNOWN",
                          "the content cannot be read");
    }
    if (rc = ngx_http_discard_request_body(r); rc != NGX_OK) {
        return rc;
    }

    ngx_str_t etag;
    // A package's own one is that of the decision, if there is any.
    bool has_etag = ctx.is_package && r->headers_out.etag != nullptr;
    if (has_etag) {
        etag = r->headers_out.etag->value;
    } else if (!make_etag(r->pool, stored.digest, etag)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    auto condition = test_conditions(r, view(etag));
    if (condition == Condition::failed) {
        if (ctx.is_package) {
            forget_answer(ctx);
        }
        return send_failed_condition(ctx);
    }
    // nginx's own filters for both must not look again.
    r->disable_not_modified = 1;
    r->allow_ranges = 0;
    r->gzip_tested = 1;
    r->gzip_ok = 0;
    if (ctx.is_package) {
        if (!has_etag) {
            r->headers_out.etag = put_field(r, "ETag", view(etag));
        }
        if (r->headers_out.etag == nullptr) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    } else if (!put_digest_headers(r, view(etag), stored.is_fresh)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (condition == Condition::not_modified) {
        return send_not_modified(ctx);
    }
    auto* file = make_file(r, name, info);
    if (file == nullptr) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return serve_file(ctx, file, info.size, stored.media_type, etag);
}

}  // namespace

namespace {

// NGX_DECLINED when the blob is not there.
ngx_int_t serve_linked(RequestCtx& ctx, bool fresh) noexcept {
    Digest digest;
    if (!Digest::parse(ctx.path.reference, digest)) {
        return send_error(ctx, NGX_HTTP_BAD_REQUEST, "DIGEST_INVALID",
                          "not a supported digest");
    }
    ctx.repository = ctx.path.name;
    ctx.format = "oci";
    ctx.action = "pull";
    ctx.reference = ctx.digest = ctx.path.reference;
    if (!is_linked(ctx, digest)) {
        return NGX_DECLINED;
    }
    return serve(ctx, {digest, Area::blobs, kOctets, fresh});
}

}  // namespace

ngx_int_t serve_linked_blob(RequestCtx& ctx) noexcept {
    return serve_linked(ctx, false);
}

ngx_int_t handle_blob(RequestCtx& ctx) noexcept {
    auto rc = serve_linked(ctx, true);
    return rc == NGX_DECLINED ? ask(ctx) : rc;
}

ngx_int_t serve_stored(RequestCtx& ctx, const Digest& digest, Area area,
                       std::string_view media_type) noexcept {
    if (media_type.empty() || !is_sendable("Content-Type", media_type)) {
        media_type = kOctets;
    }
    // It comes out of a message that does not live as long.
    auto type = copy(ctx.r->pool, media_type);
    if (type.data == nullptr) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return serve(ctx, {digest, area, view(type), false});
}

ngx_int_t serve_bytes(RequestCtx& ctx, ngx_uint_t status,
                      std::string_view media_type, std::string_view body,
                      bool in_pool) noexcept {
    auto* r = ctx.r;
    if (!ctx.is_package || status != NGX_HTTP_OK ||
        (r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) {
        return send_body(ctx, status, media_type, body, in_pool);
    }
    if (auto rc = ngx_http_discard_request_body(r); rc != NGX_OK) {
        return rc;
    }
    auto* etag = r->headers_out.etag;
    switch (test_conditions(
        r, etag != nullptr ? view(etag->value) : std::string_view())) {
        case Condition::failed:
            forget_answer(ctx);
            return send_failed_condition(ctx);
        case Condition::not_modified:
            r->disable_not_modified = 1;
            return send_not_modified(ctx);
        case Condition::go_on:
            break;
    }
    r->disable_not_modified = 1;
    return send_body(ctx, status, media_type, body, in_pool);
}

}  // namespace longshore
