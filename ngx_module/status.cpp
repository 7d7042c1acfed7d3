// registry_status: the zone's counters as text, JSON or OpenMetrics; and the
// log phase that adds to them. Needs neither the daemon nor the disk.
#include <array>
#include <string>

#include "ngx_module/cache.hpp"
#include "ngx_module/counters.hpp"
#include "ngx_module/handlers.hpp"
#include "ngx_module/headers.hpp"
#include "ngx_module/request.hpp"
#include "ngx_module/text.hpp"
#include "ngx_module/worker.hpp"

namespace longshore {
namespace {

constexpr std::array<std::string_view, kActivities> kActivityNames = {
    "ping",   "pull_blob", "pull_manifest", "push_manifest",
    "upload", "delete",    "list",          "other"};

enum class Kind : std::uint8_t { counter, gauge };

struct Metric {
    std::string_view name;  // without "registry_"
    Kind kind;
    std::string_view help;
    Counter Counters::*value;
};

constexpr std::array kMetrics = {
    Metric{"cache_hits", Kind::counter, "Reads answered from the zone",
           &Counters::cache_hits},
    Metric{"cache_misses", Kind::counter, "Reads that the zone did not have",
           &Counters::cache_misses},
    Metric{"cache_stale", Kind::counter,
           "Reads answered past their time while the daemon was away",
           &Counters::cache_stale},
    Metric{"cache_bypassed", Kind::counter, "Reads that may not be kept",
           &Counters::cache_bypassed},
    Metric{"cache_inserts", Kind::counter, "Answers put into the zone",
           &Counters::cache_inserts},
    Metric{"cache_evictions", Kind::counter, "Answers put out for want of room",
           &Counters::cache_evictions},
    Metric{"cache_drops", Kind::counter, "Keys that became stale",
           &Counters::cache_drops},
    Metric{"cache_flushes", Kind::counter, "Times all answers became stale",
           &Counters::cache_flushes},
    Metric{"cache_entries", Kind::gauge, "Answers in the zone",
           &Counters::cache_entries},
    Metric{"grants_found", Kind::counter, "Permissions that were known",
           &Counters::grants_found},
    Metric{"grants_signed", Kind::counter,
           "Permissions read from an access token", &Counters::grants_signed},
    Metric{"grants_asked", Kind::counter, "Permissions that were asked for",
           &Counters::grants_asked},
    Metric{"daemon_questions", Kind::counter, "Questions to registryd",
           &Counters::daemon_questions},
    Metric{"daemon_answers", Kind::counter, "Answers that were waited for",
           &Counters::daemon_answers},
    Metric{"daemon_timeouts", Kind::counter, "Questions without answer in time",
           &Counters::daemon_timeouts},
    Metric{"daemon_late", Kind::counter, "Answers that nobody waited for",
           &Counters::daemon_late},
    Metric{"daemon_repeats", Kind::counter,
           "Questions asked again after a lost connection",
           &Counters::daemon_repeats},
    Metric{"daemon_refused", Kind::counter,
           "Requests refused because registryd was away or busy",
           &Counters::daemon_refused},
    Metric{"daemon_downs", Kind::counter, "Lost connections to registryd",
           &Counters::daemon_downs},
    Metric{"daemon_wait_milliseconds", Kind::counter,
           "Time that requests waited for answers", &Counters::daemon_wait_ms},
    Metric{"tally_lost", Kind::counter, "Downloads that could not be counted",
           &Counters::tally_lost},
    Metric{"tls_requests", Kind::counter, "Requests over TLS",
           &Counters::tls_requests},
    Metric{"ktls_requests", Kind::counter,
           "Of these, those whose answers the kernel encrypts",
           &Counters::ktls_requests},
    Metric{"uploads_started", Kind::counter, "Bodies begun to be received",
           &Counters::uploads_started},
    Metric{"uploads_finished", Kind::counter, "Bodies received completely",
           &Counters::uploads_finished},
    Metric{"uploads_aborted", Kind::counter, "Bodies that ended early",
           &Counters::uploads_aborted},
};

struct SlotMetric {
    std::string_view name;
    std::string_view help;
    std::array<Counter, NGX_MAX_PROCESSES> Counters::*value;
};

constexpr std::array kSlotMetrics = {
    SlotMetric{"uploads_active", "Bodies being received",
               &Counters::uploads_active},
    SlotMetric{"daemon_connected", "Workers connected to registryd",
               &Counters::daemon_connected},
    SlotMetric{"daemon_waiting", "Requests that wait for an answer",
               &Counters::daemon_waiting},
};

std::uint64_t sum(
    const std::array<Counter, NGX_MAX_PROCESSES>& slots) noexcept {
    std::uint64_t total = 0;
    for (const auto& slot : slots) {
        total += slot.load(std::memory_order_relaxed);
    }
    return total;
}

Activity activity_of(const RequestCtx& ctx) noexcept {
    ngx_uint_t method = ctx.r->method;
    bool read = (method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) != 0;
    switch (ctx.path.route) {
        case OciRoute::ping:
            return Activity::ping;
        case OciRoute::catalog:
        case OciRoute::extensions:
        case OciRoute::tags:
        case OciRoute::referrers:
            return Activity::list;
        case OciRoute::blob:
            return read ? Activity::pull_blob : Activity::remove;
        case OciRoute::manifest:
            return read                        ? Activity::pull_manifest
                   : method == NGX_HTTP_DELETE ? Activity::remove
                                               : Activity::push_manifest;
        case OciRoute::uploads:
        case OciRoute::upload:
            return Activity::upload;
        case OciRoute::unknown:
            break;
    }
    return ctx.is_session ? Activity::upload : Activity::other;
}

// One table of all values, walked by each of the three formats.
template <typename Visit>
void walk(const Counters& all, Visit&& visit) {
    for (const auto& metric : kMetrics) {
        visit(metric.name, metric.kind, metric.help,
              (all.*metric.value).load(std::memory_order_relaxed));
    }
    for (const auto& metric : kSlotMetrics) {
        visit(metric.name, Kind::gauge, metric.help, sum(all.*metric.value));
    }
}

std::string plain(const Counters& all) {
    std::string out;
    auto line = [&](std::string_view name, std::uint64_t value) {
        out.append(name).append(" ").append(std::to_string(value)).append("\n");
    };
    for (std::size_t a = 0; a < kActivities; ++a) {
        for (std::size_t c = 0; c < 5; ++c) {
            if (auto value = all.requests[a][c].load(); value != 0) {
                line("requests " + std::string(kActivityNames[a]) + " " +
                         std::to_string(c + 1) + "xx",
                     value);
            }
        }
        line("sent_bytes " + std::string(kActivityNames[a]),
             all.sent_bytes[a].load());
        line("received_bytes " + std::string(kActivityNames[a]),
             all.received_bytes[a].load());
    }
    walk(all, [&](std::string_view name, Kind, std::string_view,
                  std::uint64_t value) { line(name, value); });
    return out;
}

std::string json(const Counters& all) {
    std::string out = "{\"requests\":{";
    auto comma = [&] {
        if (out.back() != '{') {
            out += ',';
        }
    };
    auto field = [&](std::string_view name, std::uint64_t value) {
        comma();
        out.append("\"").append(name).append("\":");
        out.append(std::to_string(value));
    };
    for (std::size_t a = 0; a < kActivities; ++a) {
        comma();
        out.append("\"").append(kActivityNames[a]).append("\":{");
        for (std::size_t c = 0; c < 5; ++c) {
            field(std::to_string(c + 1) + "xx", all.requests[a][c].load());
        }
        field("sent_bytes", all.sent_bytes[a].load());
        field("received_bytes", all.received_bytes[a].load());
        out += '}';
    }
    out += '}';
    walk(all, [&](std::string_view name, Kind, std::string_view,
                  std::uint64_t value) { field(name, value); });
    out += "}\n";
    return out;
}

std::string openmetrics(const Counters& all) {
    std::string out;
    auto head = [&](std::string_view name, Kind kind, std::string_view help) {
        out.append("# TYPE registry_").append(name);
        out.append(kind == Kind::counter ? " counter\n" : " gauge\n");
        out.append("# HELP registry_").append(name).append(" ");
        out.append(help).append(".\n");
    };
    auto labelled = [&](std::string_view name, std::size_t activity,
                        std::string_view more, std::uint64_t value) {
        out.append("registry_").append(name).append("_total{action=\"");
        out.append(kActivityNames[activity]).append("\"").append(more);
        out.append("} ").append(std::to_string(value)).append("\n");
    };
    head("requests", Kind::counter, "Requests by action and status class");
    for (std::size_t a = 0; a < kActivities; ++a) {
        for (std::size_t c = 0; c < 5; ++c) {
            labelled("requests", a,
                     ",status=\"" + std::to_string(c + 1) + "xx\"",
                     all.requests[a][c].load());
        }
    }
    head("sent_bytes", Kind::counter, "Bytes of answers, headers included");
    for (std::size_t a = 0; a < kActivities; ++a) {
        labelled("sent_bytes", a, "", all.sent_bytes[a].load());
    }
    head("received_bytes", Kind::counter,
         "Bytes of requests, headers included");
    for (std::size_t a = 0; a < kActivities; ++a) {
        labelled("received_bytes", a, "", all.received_bytes[a].load());
    }
    walk(all, [&](std::string_view name, Kind kind, std::string_view help,
                  std::uint64_t value) {
        head(name, kind, help);
        out.append("registry_").append(name);
        out.append(kind == Kind::counter ? "_total " : " ");
        out.append(std::to_string(value)).append("\n");
    });
    out += "# EOF\n";
    return out;
}

StatusFormat negotiate(ngx_http_request_t* r) noexcept {
    auto accept = find_header(r, "accept");
    if (accept.find("openmetrics") != std::string_view::npos) {
        return StatusFormat::openmetrics;
    }
    if (accept.find("application/json") != std::string_view::npos) {
        return StatusFormat::json;
    }
    return StatusFormat::plain;
}

ngx_int_t send(ngx_http_request_t* r, std::string_view media_type,
               const std::string& body) {
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = static_cast<off_t>(body.size());
    r->headers_out.content_type = copy(r->pool, media_type);
    r->headers_out.content_type_len = media_type.size();
    r->headers_out.content_type_lowcase = nullptr;
    ngx_int_t rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }
    ngx_buf_t* buffer = ngx_create_temp_buf(r->pool, body.size());
    if (buffer == nullptr) {
        return NGX_ERROR;
    }
    buffer->last = ngx_cpymem(buffer->last, body.data(), body.size());
    buffer->last_buf = r == r->main ? 1 : 0;
    buffer->last_in_chain = 1;
    ngx_chain_t out = {buffer, nullptr};
    return ngx_http_output_filter(r, &out);
}

ngx_int_t show(ngx_http_request_t* r) {
    if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) {
        return NGX_HTTP_NOT_ALLOWED;
    }
    ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }
    Counters* all = counters();
    if (all == nullptr) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
    auto format = location_conf(r).status;
    if (format == StatusFormat::negotiated) {
        format = negotiate(r);
    }
    switch (format) {
        case StatusFormat::json:
            return send(r, "application/json", json(*all));
        case StatusFormat::openmetrics:
            return send(r,
                        "application/openmetrics-text; version=1.0.0; "
                        "charset=utf-8",
                        openmetrics(*all));
        default:
            return send(r, "text/plain", plain(*all));
    }
}

}  // namespace

ngx_int_t status_handler(ngx_http_request_t* r) noexcept {
    try {
        return show(r);
    } catch (...) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

namespace {

// Whether all of it has left.
bool is_sent(ngx_http_request_t* r) noexcept {
    auto* c = r->connection;
    auto body = c->sent - static_cast<off_t>(r->header_size);
    return c->error == 0 && c->timedout == 0 &&
           body >= r->headers_out.content_length_n;
}

void count_download(const RequestCtx& ctx) noexcept {
    auto* r = ctx.r;
    auto status = r->headers_out.status;
    bool is_download =
        status == NGX_HTTP_OK ||
        (status == NGX_HTTP_PARTIAL_CONTENT && ctx.is_from_start);
    if (!is_download || r->method != NGX_HTTP_GET || worker() == nullptr ||
        ctx.repository.empty() || !is_sent(r)) {
        return;
    }
    try {
        worker()->tally().add(ctx.repository, ctx.reference);
    } catch (...) {
        count(&Counters::tally_lost);
    }
}

}  // namespace

ngx_int_t log_handler(ngx_http_request_t* r) noexcept {
    RequestCtx* ctx = find_ctx(r);
    Counters* all = counters();
    if (ctx == nullptr || all == nullptr || r != r->main) {
        return NGX_OK;
    }
    if (ctx->is_counted) {
        count_download(*ctx);
    }
    ngx_uint_t status =
        r->err_status != 0 ? r->err_status : r->headers_out.status;
    if (status < 100) {
        status = NGX_HTTP_CLIENT_CLOSED_REQUEST;
    }
    auto activity = static_cast<std::size_t>(activity_of(*ctx));
    auto cls = std::min<std::size_t>(status / 100, 5) - 1;
    auto relaxed = std::memory_order_relaxed;
    all->requests[activity][cls].fetch_add(1, relaxed);
    all->sent_bytes[activity].fetch_add(
        static_cast<std::uint64_t>(r->connection->sent), relaxed);
    all->received_bytes[activity].fetch_add(
        static_cast<std::uint64_t>(r->request_length), relaxed);
#if (NGX_HTTP_SSL)
    if (r->connection->ssl != nullptr) {
        count(&Counters::tls_requests);
        // nginx's word for it: sendfile goes through TLS.
        if (r->connection->ssl->sendfile) {
            count(&Counters::ktls_requests);
        }
    }
#endif
    if (ctx->body != nullptr) {
        count(cls == 1 ? &Counters::uploads_finished
                       : &Counters::uploads_aborted);
        gauge(&Counters::uploads_active, -1);
    }
    return NGX_OK;
}

}  // namespace longshore
