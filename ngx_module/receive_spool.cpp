// Receive{spool}: bodies of packages.
#include <algorithm>
#include <memory>
#include <new>

#include "ngx_module/removal.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/spool_file.hpp"
#include "ngx_module/str.hpp"
#include "ngx_module/strand_sink.hpp"
#include "ngx_module/upload.hpp"

namespace longshore {
namespace {

ngx_int_t send_too_large(RequestCtx& ctx) noexcept {
    return send_error(ctx, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "SIZE_INVALID",
                      "the file is larger than this repository takes");
}

class SpoolSink final : public StrandSink {
public:
    SpoolSink(RequestCtx& ctx, UploadStrand& strand, SpoolFile& file,
              std::uint64_t max, const Digest& expected,
              std::string_view ticket) noexcept
        : StrandSink(ctx, strand, max, false),
          file_(file),
          expected_(expected),
          ticket_(ticket) {}

    void at_end() noexcept override { end(Finish::commit, expected_); }

private:
    void answer() noexcept override {
        if (!is_whole()) {
            ngx_http_finalize_request(ctx().r, refuse());
            return;
        }
        ReceivedBody body;
        body.kind = BodyKind::spool;
        body.ticket = ticket_;
        body.size_bytes = file_.size_bytes();
        body.digest = file_.digest().text();
        body.digests = file_.texts();
        body.upload_id = file_.name();
        tell(ctx(), body);
    }

    ngx_int_t refuse() noexcept {
        if (is_too_long()) {
            return send_too_large(ctx());
        }
        switch (strand().result()) {
            case SessionResult::ok:
                return send_broken(ctx(), broken());
            case SessionResult::mismatch:
                return send_error(ctx(), NGX_HTTP_BAD_REQUEST, "DIGEST_INVALID",
                                  "the content does not have this digest");
            case SessionResult::no_storage:
                log_failure();
                return send_unavailable(ctx(), "the file cannot be stored now");
            default:
                break;
        }
        log_failure();
        return send_error(ctx(), NGX_HTTP_INTERNAL_SERVER_ERROR, "UNKNOWN",
                          "the file cannot be written");
    }

    void log_failure() noexcept {
        ngx_log_error(NGX_LOG_ERR, ctx().r->connection->log,
                      file_.error_number(), "spool file \"%s\" failed",
                      file_.path().c_str());
    }

    SpoolFile& file_;
    Digest expected_;
    std::string_view ticket_;
};

// The status to finalize with; NGX_DONE: the body is being read.
ngx_int_t start_spool(RequestCtx& ctx, const Decision& decision) {
    auto* r = ctx.r;
    auto max = most_bytes(ctx, decision);
    auto length = r->headers_in.content_length_n;
    if (length > 0 && static_cast<std::uint64_t>(length) > max) {
        return send_too_large(ctx);
    }
    Digest expected;
    if (!decision.digest.empty() && !Digest::parse(decision.digest, expected)) {
        return send_error(ctx, NGX_HTTP_BAD_REQUEST, "DIGEST_INVALID",
                          "not a supported digest");
    }
    auto owned = std::make_unique<SpoolFile>(view(location_conf(r).root),
                                             decision.algorithms);
    auto& file = *owned;
    auto ticket = copy(r->pool, decision.ticket);
    auto* memory = ngx_palloc(r->pool, sizeof(SpoolSink));
    // The file ends with the strand, so its removal is made known before.
    if (memory == nullptr || ticket.data == nullptr || !file.is_valid() ||
        !remove_spool_file_at_end(r, file.path())) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    auto* strand =
        UploadStrand::create(r, std::move(owned), SpoolSink::on_strand);
    if (strand == nullptr) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    auto* sink =
        new (memory) SpoolSink(ctx, *strand, file, max, expected, view(ticket));
    BodyReader::start_detached(ctx, *sink, location_conf(r).upload_timeout);
    return NGX_DONE;
}

}  // namespace

std::uint64_t most_bytes(RequestCtx& ctx, const Decision& decision) noexcept {
    auto max = decision.max_bytes > 0 ? decision.max_bytes : kNoLimit;
    auto most = location_conf(ctx.r).upload_max;
    return most > 0 ? std::min(max, static_cast<std::uint64_t>(most)) : max;
}

void receive_spool(RequestCtx& ctx, const Decision& decision) noexcept {
    ngx_int_t rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    try {
        rc = start_spool(ctx, decision);
    } catch (const std::exception&) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (rc != NGX_DONE) {
        ngx_http_finalize_request(ctx.r, rc);
    }
}

}  // namespace longshore
