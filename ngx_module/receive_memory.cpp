// Receive{memory}: bodies that the daemon wants to see, such as manifests.
#include <algorithm>
#include <cstring>
#include <new>

#include "common/hash.hpp"
#include "ngx_module/body.hpp"
#include "ngx_module/reply.hpp"
#include "ngx_module/str.hpp"
#include "ngx_module/upload.hpp"

namespace longshore {
namespace {

constexpr std::size_t kFirstBuffer = 16384;

// A growing buffer in r->pool.
class MemoryBody final : public BodySink {
public:
    MemoryBody(RequestCtx& ctx, std::size_t max, std::size_t first,
               Algorithm algorithm, std::string_view ticket) noexcept
        : ctx_(ctx),
          max_(max),
          first_(first),
          algorithm_(algorithm),
          ticket_(ticket) {}

    u_char* room(std::size_t& size) noexcept override {
        if (used_ == capacity_ && !grow()) {
            end_without_memory(ctx_.r);
            return nullptr;
        }
        size = capacity_ - used_;
        return bytes_ + used_;
    }

    bool filled(std::size_t size) noexcept override {
        used_ += size;
        if (used_ <= max_) {
            return true;
        }
        ctx_.body->stop();
        ngx_http_finalize_request(
            ctx_.r, send_error(ctx_, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                               "SIZE_INVALID", "the document is too large"));
        return false;
    }

    void at_end() noexcept override {
        std::string_view bytes(reinterpret_cast<char*>(bytes_), used_);
        auto digest = digest_of(algorithm_, bytes);
        ReceivedBody body;
        body.kind = BodyKind::memory;
        body.ticket = ticket_;
        body.size_bytes = used_;
        body.digest = digest.text();
        body.body = bytes;
        tell(ctx_, body);
    }

    void at_failure(ngx_int_t status) noexcept override {
        auto* r = ctx_.r;
        if (r->connection->error) {
            ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        } else if (status == NGX_HTTP_REQUEST_TIME_OUT) {
            ngx_http_finalize_request(
                r, send_error(ctx_, NGX_HTTP_REQUEST_TIME_OUT, "SIZE_INVALID",
                              "the body came too slowly"));
        } else {
            ngx_http_finalize_request(
                r, send_error(ctx_, NGX_HTTP_BAD_REQUEST, "SIZE_INVALID",
                              "the body is not well formed"));
        }
    }

private:
    bool grow() noexcept {
        // One byte beyond the limit is enough to see that it is broken.
        auto wanted = std::min(std::max(first_, 2 * capacity_), max_ + 1);
        auto* bytes = static_cast<u_char*>(ngx_pnalloc(ctx_.r->pool, wanted));
        if (bytes == nullptr || wanted <= used_) {
            return false;
        }
        if (used_ > 0) {
            std::memcpy(bytes, bytes_, used_);
            (void)ngx_pfree(ctx_.r->pool, bytes_);
        }
        bytes_ = bytes;
        capacity_ = wanted;
        return true;
    }

    RequestCtx& ctx_;
    std::size_t max_;
    std::size_t first_;
    Algorithm algorithm_;
    std::string_view ticket_;
    u_char* bytes_ = nullptr;
    std::size_t used_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace

void receive_memory(RequestCtx& ctx, const Decision& decision) noexcept {
    auto* r = ctx.r;
    auto max = static_cast<std::size_t>(decision.max_bytes);
    auto length = r->headers_in.content_length_n;
    if (length > 0 && static_cast<std::uint64_t>(length) > max) {
        ngx_http_finalize_request(
            r, send_error(ctx, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                          "SIZE_INVALID", "the document is too large"));
        return;
    }
    Digest expected;
    auto algorithm = Digest::parse(decision.digest, expected)
                         ? expected.algorithm()
                         : Algorithm::sha256;
    auto first =
        length > 0 ? static_cast<std::size_t>(length) + 1 : kFirstBuffer;
    auto ticket = copy(r->pool, decision.ticket);
    auto* memory = ngx_palloc(r->pool, sizeof(MemoryBody));
    if (memory == nullptr || ticket.data == nullptr) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }
    auto* body =
        new (memory) MemoryBody(ctx, max, first, algorithm, view(ticket));
    BodyReader::start_detached(ctx, *body, location_conf(r).upload_timeout);
}

}  // namespace longshore
