// What the module knows about one request. Lives in r->pool; trivially
// destructible. The walk: route.cpp finds the route, asks guard.cpp where
// `registry_auth` is on, then one of
//   blob GET/HEAD   serve.cpp  (disk), else ask()
//   upload PATCH/PUT/GET/DELETE   upload.cpp  (disk), then tell() for PUT
//   reads of packages    cache.cpp, else ask()
//   everything else   cache.cpp, else ask()
// and enact.cpp carries out what the daemon decided.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/action.hpp"
#include "common/oci_path.hpp"
#include "common/protocol.hpp"
#include "ngx_module/conf.hpp"
#include "ngx_module/ngx.hpp"

namespace longshore {

enum class CacheStatus : std::uint8_t { none, hit, miss, stale, bypass };

class BodyReader;

struct RequestCtx {
    ngx_http_request_t* r;
    OciPath path;             // below the mount; views into pool memory.
                              // Of a package: its repository is the name
    std::string_view target;  // raw, below the mount, with query

    // For log variables.
    std::string_view repository, format, action, reference, digest, error;
    CacheStatus cache;
    ngx_msec_t asked_at;   // ngx_current_msec of the last question
    ngx_msec_t daemon_ms;  // time spent waiting for the daemon
    bool asked;

    Action needs;            // of the route; none: of no repository
    bool guarded;            // `registry_auth on` here
    bool permitted;          // not guarded, or a grant is known
    bool personal;           // the answer depends on who asks
    bool is_package;         // the target is a PackagePath
    std::string_view mount;  // of a package
    bool is_session;         // served from the files of an upload
    bool is_counted;         // each sending of this answer is, see tally.hpp
    bool is_from_start;      // of a 206: its first range begins at byte 0

    bool answered;               // our own response: the error filter keeps off
    std::uint64_t cache_clock;   // Cache::clock() when the question left
    std::uint64_t question_id;   // pending slot, 0: none
    BodyReader* body;            // reads the request's body, or null
    std::string_view cache_key;  // of this read; empty: not cacheable
    std::string_view upload_id;  // for $registry_upload_id
    std::string_view error_page;  // replaces nginx's own, see errors.cpp
    bool error_header_held;       // its header has not been sent yet
    bool error_sent;
};
static_assert(std::is_trivially_destructible_v<RequestCtx>);

/// The context, or null for a request that never reached our handler. Finds
/// it again after an internal redirect.
RequestCtx* find_ctx(ngx_http_request_t* r) noexcept;

/// The context, made if there is none. Null when memory is out.
RequestCtx* make_ctx(ngx_http_request_t* r) noexcept;

/// A body that has been received, for tell().
struct ReceivedBody {
    BodyKind kind = BodyKind::none;
    std::string_view ticket;
    std::uint64_t size_bytes = 0;
    std::string_view digest;               // text
    std::span<const std::string> digests;  // spool
    std::string_view upload_id;
    std::string_view body;  // memory
};

/// Sends an Ask and suspends the request; enact() goes on with the decision.
/// Holds the request (count++): callers return NGX_DONE from the content
/// handler. Answers 503 + Retry-After itself when the daemon is known to be
/// gone or the queue is full.
/// @thread event loop
ngx_int_t ask(RequestCtx& ctx) noexcept;

/// Sends Received, likewise. For use outside the content handler (after a
/// body was read): the reference that ngx_http_read_client_request_body took
/// is kept and given back by the final answer.
void tell(RequestCtx& ctx, const ReceivedBody& received) noexcept;

/// Goes on with a request that waited: enacts the decision, or answers from
/// an old cache entry, or 503. For the worker, when answer or loss arrives.
enum class Loss : std::uint8_t;
void resume(RequestCtx& ctx, const Decision& decision) noexcept;
void resume_without_answer(RequestCtx& ctx, Loss why) noexcept;

/// Carries out a decision. Finalizes the request or starts receiving.
void enact(RequestCtx& ctx, const Decision& decision) noexcept;

}  // namespace longshore
