#include "ngx_module/body.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "ngx_module/counters.hpp"

namespace longshore {
namespace {

// A chunked body never fills a buffer to the byte: framing takes room while
// it is parsed. With less than this left a new buffer is better.
constexpr std::size_t kLeastChunkedRoom = 1024;

// Bytes that an HTTP/2 client may send ahead of us. nginx opens its window
// anew only when all of it was taken, so a small one costs a round trip each.
constexpr std::size_t kHttp2Window = 1024 * 1024;

void on_no_memory(ngx_http_request_t* r) noexcept {
    r->write_event_handler = ngx_http_request_empty_handler;
    if (auto* ctx = find_ctx(r); ctx != nullptr && ctx->body != nullptr) {
        ctx->body->stop();
    }
    ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
}

}  // namespace

void end_without_memory(ngx_http_request_t* r) noexcept {
    r->write_event_handler = on_no_memory;
    ngx_post_event(r->connection->write, &ngx_posted_events);
}

ngx_int_t BodyReader::start(RequestCtx& ctx, BodySink& sink,
                            ngx_msec_t timeout_ms) noexcept {
    auto* r = ctx.r;
    auto* memory = ngx_palloc(r->pool, sizeof(BodyReader));
    if (memory == nullptr) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ctx.body = new (memory) BodyReader(ctx, sink, timeout_ms);
    count(&Counters::uploads_started);
    gauge(&Counters::uploads_active, 1);  // back in the log phase
    r->request_body_no_buffering = 1;
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    auto buffer_size = core->client_body_buffer_size;
    if (r->stream != nullptr) {
        // The client's window over HTTP/2, read by nginx within this call.
        core->client_body_buffer_size = std::max(buffer_size, kHttp2Window);
    }
    auto rc = ngx_http_read_client_request_body(r, on_body);
    core->client_body_buffer_size = buffer_size;
    if (rc < NGX_HTTP_SPECIAL_RESPONSE) {
        return NGX_DONE;
    }
    if (r->request_body == nullptr || r->request_body->bufs == nullptr) {
        return rc;
    }
    // The client left right behind bytes that came along with the header:
    // on_body was not called, but they count. nginx gave its reference back.
    r->main->count++;
    // As if reading had been going on: then stop() blocks it, and nginx
    // neither reads on by itself nor keeps the connection.
    r->reading_body = 1;
    ctx.body->fail_after_taking(rc);
    return NGX_DONE;
}

void BodyReader::start_detached(RequestCtx& ctx, BodySink& sink,
                                ngx_msec_t timeout_ms) noexcept {
    auto* r = ctx.r;
    auto rc = start(ctx, sink, timeout_ms);
    // Reading took a reference of its own; the one held so far goes.
    ngx_http_finalize_request(r, rc);
}

void BodyReader::on_body(ngx_http_request_t* r) noexcept {
    if (auto* ctx = find_ctx(r); ctx != nullptr && ctx->body != nullptr) {
        ctx->body->begin();
    }
}

void BodyReader::on_read(ngx_http_request_t* r) noexcept {
    if (auto* ctx = find_ctx(r); ctx != nullptr && ctx->body != nullptr) {
        ctx->body->pump();
    }
}

void BodyReader::begin() noexcept {
    if (r_->reading_body) {
        r_->read_event_handler = on_read;
    } else if (!own_buffered_body()) {
        fail(NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }
    pump();
}

// A body that is complete may be read by others too: take copies of nginx's
// buffers, not of their bytes, and use those up.
bool BodyReader::own_buffered_body() noexcept {
    was_buffered_ = true;
    auto** last = &buffered_;
    auto* body = r_->request_body;
    for (auto* link = body != nullptr ? body->bufs : nullptr; link != nullptr;
         link = link->next) {
        auto* copied = ngx_alloc_chain_link(r_->pool);
        auto* buffer =
            static_cast<ngx_buf_t*>(ngx_palloc(r_->pool, sizeof(ngx_buf_t)));
        if (copied == nullptr || buffer == nullptr) {
            return false;
        }
        *buffer = *link->buf;
        *copied = {buffer, nullptr};
        *last = copied;
        last = &copied->next;
    }
    return true;
}

void BodyReader::go_on() noexcept {
    pump();
}

void BodyReader::stop() noexcept {
    stopped_ = true;
    pause();
    if (r_->reading_body) {
        r_->read_event_handler = ngx_http_block_reading;
    }
}

// While the sink has no room the client's time does not run.
void BodyReader::pause() noexcept {
    auto* event = r_->connection->read;
    if (r_->reading_body && event->timer_set) {
        ngx_del_timer(event);
    }
}

void BodyReader::fail(ngx_int_t status) noexcept {
    stop();
    sink_.at_failure(status);
}

// What came before the failure counts.
void BodyReader::fail_after_taking(ngx_int_t status) noexcept {
    pumping_ = true;
    if (take() != Taken::stopped) {
        fail(status);
    }
}

ngx_chain_t*& BodyReader::pending() noexcept {
    return was_buffered_ ? buffered_ : r_->request_body->bufs;
}

BodyReader::Taken BodyReader::take() noexcept {
    auto result = Taken::none;
    auto*& chain = pending();
    while (chain != nullptr) {
        auto taken = take_buffer(*chain->buf);
        if (taken == Taken::some) {
            result = taken;
        } else if (taken != Taken::none) {
            return taken;
        }
        // Every link goes back, or a large body grows the pool by one per
        // read.
        auto* link = chain;
        chain = chain->next;
        ngx_free_chain(r_->pool, link);
    }
    return result;
}

BodyReader::Taken BodyReader::take_buffer(ngx_buf_t& buffer) noexcept {
    auto result = Taken::none;
    for (;;) {
        auto left = static_cast<std::size_t>(ngx_buf_size(&buffer));
        if (left == 0) {
            return result;
        }
        std::size_t size = 0;
        auto* room = sink_.room(size);
        if (room == nullptr) {
            return Taken::full;
        }
        size = std::min(size, left);
        if (ngx_buf_in_memory(&buffer)) {
            // Read straight to its place, unless framing lay before it.
            if (buffer.pos != room) {
                std::memmove(room, buffer.pos, size);
            }
            buffer.pos += size;
        } else {
            auto got = ::pread(buffer.file->fd, room, size, buffer.file_pos);
            if (got <= 0) {
                return Taken::failed;
            }
            size = static_cast<std::size_t>(got);
            buffer.file_pos += got;
        }
        if (!sink_.filled(size)) {
            return Taken::stopped;
        }
        result = Taken::some;
    }
}

// Makes nginx read the next bytes to where the sink wants them. All that it
// read before has been taken and parsed, so its buffer is free to move. Over
// HTTP/2 frames are copied by nginx: there its own buffer stays. False if the
// sink has no room.
bool BodyReader::aim_at_room() noexcept {
    std::size_t size = 0;
    auto* room = sink_.room(size);
    if (room != nullptr && r_->headers_in.chunked && size < kLeastChunkedRoom) {
        sink_.flush();
        room = sink_.room(size);
    }
    if (room == nullptr) {
        return false;
    }
    auto* buffer = r_->request_body->buf;
    if (r_->stream == nullptr && buffer != nullptr) {
        buffer->start = buffer->pos = buffer->last = room;
        buffer->end = room + size;
    }
    return true;
}

void BodyReader::pump() noexcept {
    // The sink's calls may lead back here.
    if (pumping_ || stopped_) {
        return;
    }
    pumping_ = true;
    auto* event = r_->connection->read;
    for (bool has_read = false;; has_read = true) {
        auto taken = take();
        if (taken == Taken::stopped) {
            return;  // nothing of this may be touched any more
        }
        if (taken == Taken::failed) {
            fail(NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }
        if (taken == Taken::full) {
            pause();
            break;
        }
        if (!r_->reading_body) {
            stopped_ = true;
            sink_.at_end();
            return;
        }
        // HTTP/2 gives the client more window only when asked again.
        if (has_read && (taken == Taken::none ||
                         (r_->stream == nullptr && !event->ready))) {
            // nginx takes the timer off when its buffer was just full.
            if (r_->stream == nullptr && !event->timer_set) {
                ngx_add_timer(event, timeout_ms_);
            }
            break;
        }
        if (!aim_at_room()) {
            pause();
            break;
        }
        auto rc = ngx_http_read_unbuffered_request_body(r_);
        if (rc == NGX_ERROR || rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            fail_after_taking(rc == NGX_ERROR ? NGX_HTTP_BAD_REQUEST : rc);
            return;
        }
        if (rc == NGX_AGAIN && event->timer_set) {
            ngx_add_timer(event, timeout_ms_);
        }
    }
    pumping_ = false;
}

}  // namespace longshore
