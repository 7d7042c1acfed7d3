// Reads a request's body unbuffered and hands it to a sink, whatever its
// form: Content-Length, chunked, HTTP/1.0, HTTP/2, read ahead by nginx, or
// buffered in memory or a file by another module. Over HTTP/1 the socket is
// read straight into the sink's memory.
#pragma once

#include <cstddef>

#include "ngx_module/request.hpp"

namespace longshore {

/// Takes a body. All calls come from the event loop.
class BodySink {
public:
    /// Memory for the next bytes, adjoining the last until that is full;
    /// null: none now. After null the reader stops until
    /// BodyReader::go_on().
    virtual u_char* room(std::size_t& size) noexcept = 0;

    /// So many bytes were put there. False ends the reading: the sink has
    /// seen to the answer, the request may be gone.
    virtual bool filled(std::size_t size) noexcept = 0;

    /// Room is short and the transfer is chunked: better start a new buffer.
    virtual void flush() noexcept {}

    /// The body is complete.
    virtual void at_end() noexcept = 0;

    /// It will not be: 400 (the client left, or sent nonsense), 408 (it went
    /// quiet), 500. c->error says whether anybody is there to hear an answer.
    virtual void at_failure(ngx_int_t status) noexcept = 0;

protected:
    ~BodySink() = default;
};

/// Lives in r->pool.
/// For a sink whose room() is null because memory is out and not because it
/// is full: the request ends with 500 in the next turn of the loop.
void end_without_memory(ngx_http_request_t* r) noexcept;

class BodyReader {
public:
    /// Begins. From a content handler return the value as it is; elsewhere
    /// use start_detached(). The sink may be called before it returns.
    static ngx_int_t start(RequestCtx& ctx, BodySink& sink,
                           ngx_msec_t timeout_ms) noexcept;

    /// The same outside the content handler, when the request is held once
    /// already: that reference is given back by the final answer.
    static void start_detached(RequestCtx& ctx, BodySink& sink,
                               ngx_msec_t timeout_ms) noexcept;

    /// Reads on after the sink had no room.
    void go_on() noexcept;

    /// No further calls to the sink; the rest of the body is left unread.
    void stop() noexcept;

    BodySink& sink() noexcept { return sink_; }

private:
    enum class Taken { none, some, full, failed, stopped };

    BodyReader(RequestCtx& ctx, BodySink& sink, ngx_msec_t timeout_ms) noexcept
        : r_(ctx.r), sink_(sink), timeout_ms_(timeout_ms) {}

    void begin() noexcept;
    void pump() noexcept;
    bool aim_at_room() noexcept;
    ngx_chain_t*& pending() noexcept;
    Taken take() noexcept;
    Taken take_buffer(ngx_buf_t& buffer) noexcept;
    bool own_buffered_body() noexcept;
    void pause() noexcept;
    void fail(ngx_int_t status) noexcept;
    void fail_after_taking(ngx_int_t status) noexcept;

    static void on_body(ngx_http_request_t* r) noexcept;
    static void on_read(ngx_http_request_t* r) noexcept;

    ngx_http_request_t* r_;
    BodySink& sink_;
    ngx_msec_t timeout_ms_;
    ngx_chain_t* buffered_ = nullptr;  // of a body that was there already
    bool was_buffered_ = false;
    bool pumping_ = false;
    bool stopped_ = false;
};

}  // namespace longshore
