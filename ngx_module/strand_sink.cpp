#include "ngx_module/strand_sink.hpp"

#include "ngx_module/reply.hpp"

namespace longshore {

u_char* StrandSink::room(std::size_t& size) noexcept {
    auto* memory = strand_.room(size);
    // False alarm if room came free just now: ask again.
    while (memory == nullptr && !strand_.has_failed() &&
           !strand_.wait_for_room()) {
        memory = strand_.room(size);
    }
    if (memory == nullptr && strand_.has_failed()) {
        // Nobody may be at work who would call on_strand().
        ctx_.r->write_event_handler = on_strand;
        ngx_post_event(ctx_.r->connection->write, &ngx_posted_events);
    }
    return memory;
}

bool StrandSink::filled(std::size_t size) noexcept {
    received_ += size;
    is_too_long_ = received_ > max_;
    if (is_too_long_ || strand_.has_failed()) {
        end(Finish::revert);
        return false;
    }
    strand_.filled(size);
    return true;
}

void StrandSink::at_failure(ngx_int_t status) noexcept {
    broken_ = status;
    end(Finish::keep);
}

void StrandSink::on_strand(ngx_http_request_t* r) noexcept {
    auto* ctx = find_ctx(r);
    if (ctx == nullptr || ctx->body == nullptr) {
        return;
    }
    auto& self = static_cast<StrandSink&>(ctx->body->sink());
    if (self.strand_.is_finished()) {
        r->write_event_handler = ngx_http_request_empty_handler;
        if (r->connection->error) {
            ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        } else {
            self.answer();
        }
    } else if (self.strand_.is_finishing()) {
        return;
    } else if (self.strand_.has_failed()) {
        self.end(Finish::revert);
    } else {
        ctx->body->go_on();
    }
}

void StrandSink::end(Finish finish, const Digest& digest) noexcept {
    if (ctx_.body != nullptr) {
        ctx_.body->stop();
    }
    if (!is_kept_ && finish != Finish::commit) {
        finish = Finish::discard;
    }
    if (!strand_.is_finishing()) {
        strand_.finish(finish, digest);
    }
}

ngx_int_t send_broken(RequestCtx& ctx, ngx_int_t broken) noexcept {
    switch (broken) {
        case NGX_HTTP_REQUEST_TIME_OUT:
            return send_error(ctx, NGX_HTTP_REQUEST_TIME_OUT,
                              "BLOB_UPLOAD_INVALID",
                              "the body came too slowly");
        case NGX_HTTP_BAD_REQUEST:
            return send_error(ctx, NGX_HTTP_BAD_REQUEST, "BLOB_UPLOAD_INVALID",
                              "the body is not well formed");
        default:
            return send_error(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR, "UNKNOWN",
                              "the body cannot be read");
    }
}

}  // namespace longshore
