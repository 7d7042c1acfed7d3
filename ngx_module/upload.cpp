#include "ngx_module/upload.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "common/encoding.hpp"
#include "common/layout.hpp"
#include "common/range.hpp"
#include "ngx_module/body.hpp"
#include "ngx_module/headers.hpp"
#include "ngx_module/removal.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/session.hpp"
#include "ngx_module/spool_file.hpp"
#include "ngx_module/strand_sink.hpp"
#include "ngx_module/text.hpp"

namespace longshore {
namespace {

ngx_int_t send_unknown(RequestCtx& ctx) noexcept {
    return send_error(ctx, NGX_HTTP_NOT_FOUND, "BLOB_UPLOAD_UNKNOWN",
                      "upload session is not known");
}

ngx_int_t send_too_large(RequestCtx& ctx) noexcept {
    return send_error(ctx, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "SIZE_INVALID",
                      "the upload is larger than this registry takes");
}

ngx_int_t send_digest_invalid(RequestCtx& ctx,
                              std::string_view message) noexcept {
    return send_error(ctx, NGX_HTTP_BAD_REQUEST, "DIGEST_INVALID", message);
}

// Location, Range and Docker-Upload-UUID of a session. The offset in the
// Location makes a replayed request fail instead of being appended.
bool add_session_headers(RequestCtx& ctx, std::string_view id,
                         std::uint64_t offset) noexcept {
    auto* r = ctx.r;
    std::array<char, 24> digits;
    auto number = [&digits](std::uint64_t value) {
        auto* end =
            std::to_chars(digits.data(), digits.data() + digits.size(), value)
                .ptr;
        return std::string_view(digits.data(),
                                static_cast<std::size_t>(end - digits.data()));
    };
    Path range{"0-", number(offset == 0 ? 0 : offset - 1)};
    Path location{view(location_conf(r).prefix),
                  "/",
                  ctx.is_package ? ctx.mount : "v2",
                  "/",
                  ctx.path.name,
                  ctx.is_package ? "/-/uploads/" : "/blobs/uploads/",
                  id,
                  "?offset=",
                  number(offset)};
    return add_header(r, "Location", location.view()) == NGX_OK &&
           add_header(r, "Range", range.view()) == NGX_OK &&
           (ctx.is_package ||
            add_header(r, "Docker-Upload-UUID", id) == NGX_OK);
}

ngx_int_t send_session(RequestCtx& ctx, ngx_uint_t status,
                       std::uint64_t offset) noexcept {
    if (!add_session_headers(ctx, ctx.path.reference, offset)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return send_empty(ctx, status);
}

// 416 tells the client where to go on.
ngx_int_t send_out_of_order(RequestCtx& ctx, std::uint64_t offset,
                            std::string_view message) noexcept {
    if (!add_session_headers(ctx, ctx.path.reference, offset)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return send_error(ctx, NGX_HTTP_RANGE_NOT_SATISFIABLE, "RANGE_INVALID",
                      message);
}

void log_failure(RequestCtx& ctx, const Session& session) noexcept {
    ngx_log_error(NGX_LOG_ERR, ctx.r->connection->log, session.error_number(),
                  "upload \"%s\" failed", session.folder().c_str());
}

ngx_int_t send_failure(RequestCtx& ctx, SessionResult result,
                       const Session& session) noexcept {
    switch (result) {
        case SessionResult::unknown:
        case SessionResult::committed:
            return send_unknown(ctx);
        case SessionResult::busy:
            return send_out_of_order(ctx, session.offset(),
                                     "another request writes to this upload");
        case SessionResult::mismatch:
            return send_digest_invalid(ctx,
                                       "the content does not have this digest");
        case SessionResult::no_storage:
            log_failure(ctx, session);
            return send_unavailable(ctx, "the upload cannot be stored now");
        case SessionResult::ok:
        case SessionResult::failed:
            break;
    }
    log_failure(ctx, session);
    return send_error(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR, "UNKNOWN",
                      "the upload cannot be written");
}

// What a request says about the bytes it carries.
struct Claim {
    bool has_body = false;
    bool has_range = false;
    std::uint64_t max = kNoLimit;  // most bytes the body may have
    std::uint64_t exact = 0;       // with has_range: bytes it must have
};

// Why a request is turned away before its body is read.
struct Refusal {
    enum Kind : std::uint8_t { out_of_order, malformed, too_large } kind;
    std::string_view message;
};

ngx_int_t send_refusal(RequestCtx& ctx, const Refusal& refusal,
                       std::uint64_t offset) noexcept {
    switch (refusal.kind) {
        case Refusal::out_of_order:
            return send_out_of_order(ctx, offset, refusal.message);
        case Refusal::malformed:
            return send_error(ctx, NGX_HTTP_BAD_REQUEST, "BLOB_UPLOAD_INVALID",
                              refusal.message);
        case Refusal::too_large:
            break;
    }
    return send_too_large(ctx);
}

// Checks what a PATCH or PUT claims against the session. nullopt: go on.
std::optional<Refusal> check_claim(RequestCtx& ctx, std::uint64_t offset,
                                   Claim& claim) noexcept {
    auto* r = ctx.r;
    auto length = r->headers_in.content_length_n;
    claim.has_body = r->headers_in.chunked || length > 0;
    bool is_put = r->method == NGX_HTTP_PUT;

    // A closing PUT without bytes is checked by its digest alone.
    if (claim.has_body || !is_put) {
        std::string_view query = ctx.path.query;
        auto argument = query.find("offset=");
        if (argument != std::string_view::npos &&
            (argument == 0 || query[argument - 1] == '&')) {
            auto text = query.substr(argument + 7);
            auto wanted = parse_decimal(text.substr(0, text.find('&')));
            if (!wanted || *wanted != offset) {
                return Refusal{Refusal::out_of_order,
                               "the upload has moved on from this location"};
            }
        }
    }
    auto header = find_header(r, "Content-Range");
    if (header.data() != nullptr && (claim.has_body || !is_put)) {
        auto range = parse_content_range(header);
        if (!range) {
            return Refusal{Refusal::malformed,
                           "Content-Range is not \"<first>-<last>\""};
        }
        if (range->first != offset) {
            return Refusal{Refusal::out_of_order, "the chunk is out of order"};
        }
        if (!r->headers_in.chunked &&
            static_cast<std::uint64_t>(length < 0 ? 0 : length) !=
                range->size()) {
            return Refusal{Refusal::out_of_order,
                           "Content-Range and Content-Length disagree"};
        }
        claim.has_range = true;
        claim.exact = claim.max = range->size();
    }
    if (auto most = location_conf(r).upload_max; most > 0) {
        auto limit = static_cast<std::uint64_t>(most);
        auto left = limit > offset ? limit - offset : 0;
        if ((length > 0 && static_cast<std::uint64_t>(length) > left) ||
            (claim.has_range && claim.exact > left)) {
            return Refusal{Refusal::too_large, {}};
        }
        claim.max = std::min(claim.max, left);
    }
    return std::nullopt;
}

enum class Kind : std::uint8_t {
    patch,   // append, answer 202
    put,     // append, finish, tell the daemon
    single,  // the same in one POST; on failure nothing is left
};

// Where the session `id` of the target's repository lies.
struct Place {
    Path top;
    Path folder;
};

Place place_of(RequestCtx& ctx, std::string_view id) noexcept {
    auto root = view(location_conf(ctx.r).root);
    if (ctx.is_package) {
        return {layout::package_uploads(root),
                layout::package_upload_folder(root, ctx.path.name, id)};
    }
    return {layout::repositories(root),
            layout::upload_folder(root, ctx.path.name, id)};
}

// A strand that writes to the session; `session` is that of its file. `spool`:
// the name of the file that the bytes of a package become. Null when memory is
// out.
UploadStrand* make_strand(RequestCtx& ctx, std::string_view id,
                          std::string_view spool, Session*& session) {
    auto root = view(location_conf(ctx.r).root);
    auto place = place_of(ctx, id);
    auto path = spool.empty() ? Path() : layout::spool_file(root, spool);
    auto file = std::make_unique<Session>(
        SessionPlace{root, place.top.view(), place.folder.view(), path.view()});
    session = file.get();
    return UploadStrand::create(ctx.r, std::move(file), StrandSink::on_strand);
}

// The bytes are where the daemon finds them: as a blob, or under the name `id`
// in the spool.
void tell_committed(RequestCtx& ctx, const Session& session,
                    std::string_view id, std::string_view ticket) noexcept {
    ReceivedBody body;
    body.kind = ctx.is_package ? BodyKind::spool : BodyKind::blob;
    body.ticket = ticket;
    body.size_bytes = session.committed_size();
    body.digest = session.committed_digest();
    body.upload_id = id;
    tell(ctx, body);
}

// A body on its way into a session.
class Upload final : public StrandSink {
public:
    Upload(RequestCtx& ctx, UploadStrand& strand, Session& session, Kind kind,
           const Claim& claim, const Digest& digest, std::string_view id,
           std::string_view ticket) noexcept
        : StrandSink(ctx, strand, claim.max, kind != Kind::single),
          session_(session),
          kind_(kind),
          claim_(claim),
          digest_(digest),
          id_(id),
          ticket_(ticket) {}

    void at_end() noexcept override {
        if (claim_.has_range && received() != claim_.exact) {
            is_short_ = true;
            end(Finish::revert);
        } else {
            end(kind_ == Kind::patch ? Finish::keep : Finish::commit, digest_);
        }
    }

private:
    void answer() noexcept override {
        if (is_whole() && !is_short_ && kind_ != Kind::patch) {
            tell_committed(ctx(), session_, id_, ticket_);
            return;
        }
        ngx_http_finalize_request(ctx().r, refusal_or_ok());
    }

    ngx_int_t refusal_or_ok() noexcept {
        if (is_too_long() && claim_.has_range) {
            return send_out_of_order(ctx(), session_.offset(),
                                     "more bytes than Content-Range says");
        }
        if (is_too_long()) {
            return send_too_large(ctx());
        }
        if (is_short_) {
            return send_out_of_order(ctx(), session_.offset(),
                                     "fewer bytes than Content-Range says");
        }
        if (strand().result() != SessionResult::ok) {
            return send_failure(ctx(), strand().result(), session_);
        }
        if (broken() != 0) {
            return send_broken(ctx(), broken());
        }
        return send_session(ctx(), NGX_HTTP_ACCEPTED, session_.offset());
    }

    Session& session_;
    Kind kind_;
    Claim claim_;
    Digest digest_;
    std::string_view id_;
    std::string_view ticket_;
    bool is_short_ = false;
};

// Removes the session once the request is over. That of a PUT only if the
// daemon took the blob, so that the client can repeat it; that of a single
// POST, which nobody else knows, whatever became of it.
struct AfterUpload {
    ngx_http_request_t* r;
    ngx_str_t folder;
    Kind kind;
};

void on_upload_over(void* data) noexcept {
    auto* after = static_cast<AfterUpload*>(data);
    auto status = after->r->headers_out.status;
    if (after->kind != Kind::single && (status < 200 || status > 299)) {
        return;
    }
    remove_session_later(main_conf(after->r).threads, view(after->folder));
}

bool remove_at_end(RequestCtx& ctx, std::string_view id, Kind kind) noexcept {
    auto* cleanup = ngx_pool_cleanup_add(ctx.r->pool, sizeof(AfterUpload));
    auto folder = copy(ctx.r->pool, place_of(ctx, id).folder.view());
    if (cleanup == nullptr || folder.data == nullptr) {
        return false;
    }
    cleanup->handler = on_upload_over;
    *static_cast<AfterUpload*>(cleanup->data) = {ctx.r, folder, kind};
    return true;
}

// Reads and forgets the body of a PUT whose bytes were committed before, by a
// request whose answer the client did not get. That may have died before the
// blob was durable, so the strand sees to it.
class Repeat final : public BodySink {
public:
    Repeat(RequestCtx& ctx, UploadStrand& strand, Session& session,
           std::string_view id) noexcept
        : ctx_(ctx), strand_(strand), session_(session), id_(id) {}

    u_char* room(std::size_t& size) noexcept override {
        size = kScratch;
        if (scratch_ == nullptr) {
            scratch_ = static_cast<u_char*>(ngx_palloc(ctx_.r->pool, kScratch));
        }
        if (scratch_ == nullptr) {
            end_without_memory(ctx_.r);
        }
        return scratch_;
    }
    bool filled(std::size_t) noexcept override { return true; }
    void at_end() noexcept override {
        strand_.resume_with(on_strand);
        strand_.finish(Finish::confirm);
    }
    void at_failure(ngx_int_t status) noexcept override {
        ngx_http_finalize_request(ctx_.r, status);
    }

private:
    static constexpr std::size_t kScratch = 65536;

    static void on_strand(ngx_http_request_t* r) noexcept {
        auto* ctx = find_ctx(r);
        if (ctx == nullptr || ctx->body == nullptr) {
            return;
        }
        auto& self = static_cast<Repeat&>(ctx->body->sink());
        if (self.strand_.is_finished()) {
            self.answer();
        }
    }

    void answer() noexcept {
        auto* r = ctx_.r;
        r->write_event_handler = ngx_http_request_empty_handler;
        if (r->connection->error) {
            ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        } else if (strand_.result() != SessionResult::ok) {
            ngx_http_finalize_request(
                r, send_failure(ctx_, strand_.result(), session_));
        } else {
            tell_committed(ctx_, session_, id_, {});
        }
    }

    RequestCtx& ctx_;
    UploadStrand& strand_;
    Session& session_;
    std::string_view id_;
    u_char* scratch_ = nullptr;
};

ngx_int_t start_body(RequestCtx& ctx, BodySink& sink) noexcept {
    return BodyReader::start(ctx, sink, location_conf(ctx.r).upload_timeout);
}

ngx_int_t repeat_put(RequestCtx& ctx, UploadStrand& strand, Session& session,
                     const Digest& digest, std::string_view id) noexcept {
    bool has_digest = !digest.encoded().empty();
    if (has_digest && session.committed_digest() != digest.text()) {
        return send_unknown(ctx);
    }
    auto* memory = ngx_palloc(ctx.r->pool, sizeof(Repeat));
    if (memory == nullptr) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return start_body(ctx, *new (memory) Repeat(ctx, strand, session, id));
}

// What a PUT says its bytes are; that of a package need not. NGX_OK: go on.
ngx_int_t read_digest(RequestCtx& ctx, Digest& digest) {
    auto text = query_argument(ctx.path.query, "digest");
    if (!text) {
        return ctx.is_package
                   ? NGX_OK
                   : send_digest_invalid(ctx, "the digest argument is missing");
    }
    if (!Digest::parse(*text, digest)) {
        return send_digest_invalid(ctx, "not a supported digest");
    }
    ctx.digest = keep(ctx.r->pool, digest.text());
    return NGX_OK;
}

// A name in the spool for the bytes of a package, in the pool, and its removal
// when the request is over. Empty: not made.
std::string_view prepare_spool(RequestCtx& ctx) {
    auto name = keep(ctx.r->pool, new_spool_name());
    if (name.empty()) {
        return {};
    }
    auto path = layout::spool_file(view(location_conf(ctx.r).root), name);
    return remove_spool_file_at_end(ctx.r, path.view()) ? name
                                                        : std::string_view();
}

// PATCH and PUT.
ngx_int_t handle_bytes(RequestCtx& ctx) {
    auto* r = ctx.r;
    bool is_put = r->method == NGX_HTTP_PUT;
    Digest digest;
    if (is_put) {
        auto rc = read_digest(ctx, digest);
        if (rc != NGX_OK || ctx.answered) {
            return rc;
        }
    }
    auto id = ctx.path.reference;
    std::string_view spool;
    if (ctx.is_package) {
        spool = prepare_spool(ctx);
        if (spool.empty()) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    Session* file = nullptr;
    auto* strand = make_strand(ctx, id, spool, file);
    if (strand == nullptr || (is_put && !remove_at_end(ctx, id, Kind::put))) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    auto told = ctx.is_package ? spool : id;
    auto& session = *file;
    auto opened = session.open();
    if (opened == SessionResult::committed && is_put) {
        return repeat_put(ctx, *strand, session, digest, told);
    }
    // The lock goes before the answer: who has read that may come at once.
    if (opened != SessionResult::ok) {
        session.close();
        return send_failure(ctx, opened, session);
    }
    Claim claim;
    if (auto refused = check_claim(ctx, session.offset(), claim)) {
        session.close();
        return send_refusal(ctx, *refused, session.offset());
    }
    auto* memory = ngx_palloc(r->pool, sizeof(Upload));
    if (memory == nullptr) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    auto* upload = new (memory)
        Upload(ctx, *strand, session, is_put ? Kind::put : Kind::patch, claim,
               digest, told, {});
    return start_body(ctx, *upload);
}

ngx_int_t handle_status(RequestCtx& ctx) {
    std::uint64_t offset = 0;
    auto place = place_of(ctx, ctx.path.reference);
    auto result = Session::peek(place.folder.view(), offset);
    if (result != SessionResult::ok) {
        return send_unknown(ctx);
    }
    if (auto rc = ngx_http_discard_request_body(ctx.r); rc != NGX_OK) {
        return rc;
    }
    return send_session(ctx, NGX_HTTP_NO_CONTENT, offset);
}

ngx_int_t handle_cancel(RequestCtx& ctx) {
    auto place = place_of(ctx, ctx.path.reference);
    if (Session::forget(place.folder.view()) != SessionResult::ok) {
        return send_unknown(ctx);
    }
    remove_session_later(main_conf(ctx.r).threads, place.folder.view());
    if (auto rc = ngx_http_discard_request_body(ctx.r); rc != NGX_OK) {
        return rc;
    }
    return send_empty(ctx, NGX_HTTP_NO_CONTENT);
}

ngx_int_t dispatch(RequestCtx& ctx) {
    switch (ctx.r->method) {
        case NGX_HTTP_PATCH:
        case NGX_HTTP_PUT:
            return handle_bytes(ctx);
        case NGX_HTTP_GET:
        case NGX_HTTP_HEAD:
            return handle_status(ctx);
        case NGX_HTTP_DELETE:
            return handle_cancel(ctx);
        default:
            return NGX_HTTP_NOT_ALLOWED;
    }
}

}  // namespace

ngx_int_t handle_upload(RequestCtx& ctx) noexcept {
    ctx.repository = ctx.path.name;
    ctx.format = ctx.is_package ? ctx.mount : "oci";
    ctx.action = "push";
    ctx.reference = ctx.path.reference;
    try {
        return dispatch(ctx);
    } catch (const std::exception& error) {
        ngx_log_error(NGX_LOG_ERR, ctx.r->connection->log, 0,
                      "upload failed: %s", error.what());
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

namespace {

void start_upload(RequestCtx& ctx, const Decision& decision) {
    auto* r = ctx.r;
    // The decision's bytes go when this returns.
    auto id = copy(r->pool, decision.upload_id);
    auto ticket = copy(r->pool, decision.ticket);
    auto* memory = ngx_palloc(r->pool, sizeof(Upload));
    Session* file = nullptr;
    auto* strand =
        id.data == nullptr ? nullptr : make_strand(ctx, view(id), {}, file);
    if (strand == nullptr || memory == nullptr || ticket.data == nullptr ||
        !remove_at_end(ctx, view(id), Kind::single)) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }
    Digest digest;
    if (!Digest::parse(decision.digest, digest)) {
        ngx_http_finalize_request(
            r, send_digest_invalid(ctx, "not a supported digest"));
        return;
    }
    auto& session = *file;
    auto opened = session.open();
    if (opened != SessionResult::ok) {
        session.close();
        ngx_http_finalize_request(r, send_failure(ctx, opened, session));
        return;
    }
    Claim claim;
    claim.max = most_bytes(ctx, decision);
    auto* upload = new (memory) Upload(ctx, *strand, session, Kind::single,
                                       claim, digest, view(id), view(ticket));
    if (r->headers_in.content_length_n > 0 &&
        static_cast<std::uint64_t>(r->headers_in.content_length_n) >
            claim.max) {
        session.close();
        ngx_http_finalize_request(r, send_too_large(ctx));
        return;
    }
    BodyReader::start_detached(ctx, *upload, location_conf(r).upload_timeout);
}

}  // namespace

void receive_upload(RequestCtx& ctx, const Decision& decision) noexcept {
    try {
        start_upload(ctx, decision);
    } catch (const std::exception&) {
        ngx_http_finalize_request(ctx.r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}

}  // namespace longshore
