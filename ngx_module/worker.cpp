#include "ngx_module/worker.hpp"

#include <algorithm>
#include <utility>

#include "ngx_module/cache.hpp"
#include "ngx_module/counters.hpp"
#include "ngx_module/request.hpp"
#include "ngx_module/str.hpp"

namespace longshore {
namespace {

// A daemon that is away for no longer is waited for. Of one that crashed that
// includes the second after which systemd starts it again.
constexpr ngx_msec_t kGraceMs = 2000;

// Made in init process: nothing here survives from the master.
Worker* the_worker = nullptr;
Counters* the_counters = nullptr;

// Workers find a daemon that is back one after the other: as soon as one has,
// the others are about to.
bool another_is_connected() noexcept {
    return the_counters != nullptr &&
           std::any_of(the_counters->daemon_connected.begin(),
                       the_counters->daemon_connected.end(),
                       [](const Counter& connected) {
                           return connected.load(std::memory_order_relaxed) > 0;
                       });
}

}  // namespace

Worker* worker() noexcept {
    return the_worker;
}

Counters* counters() noexcept {
    return the_counters;
}

Worker::Worker(MainConf& conf) : conf_(conf), pending_(resume_without_answer) {}

bool Worker::open(ngx_cycle_t* cycle) {
    link_ = Link::open(cycle, view(conf_.daemon), *this);
    tally_.set_link(link_.get());
    // After a reload others have listened meanwhile.
    missed_ = !another_is_connected();
    return link_ != nullptr;
}

bool Worker::daemon_is_gone() noexcept {
    if (link_ == nullptr) {
        return true;
    }
    if (link_->is_up()) {
        return false;
    }
    // One that had it may have lost it since, and have it again.
    auto downs =
        the_counters != nullptr ? the_counters->daemon_downs.load() : 0;
    bool is_same = std::exchange(downs_, downs) == downs;
    bool had_it =
        std::exchange(another_has_it_, another_is_connected()) && is_same;
    if (another_has_it_ && !had_it) {
        another_since_ = ngx_current_msec;
    }
    // Not for ever: a worker that was killed may have left its mark.
    return ngx_current_msec - link_->changed_at() > kGraceMs &&
           (!another_has_it_ || ngx_current_msec - another_since_ > kGraceMs);
}

void Worker::on_reply(std::string_view message) {
    auto decision = decode_decision(message);
    if (!decision) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "registry: an answer of %uz bytes is not of this "
                      "protocol version: restart nginx and registryd",
                      message.size());
        return;
    }
    RequestCtx* ctx = pending_.take(decision->id);
    if (ctx == nullptr) {
        // Nobody waits, but what a write made stale is stale.
        count(&Counters::daemon_late);
        if (Cache* cache = Cache::of(conf_.zone)) {
            for (auto key : decision->drops) {
                cache->drop(key);
            }
        }
        return;
    }
    count(&Counters::daemon_answers);
    resume(*ctx, *decision);
}

void Worker::on_invalidation(std::string_view message) {
    auto invalidation = decode_invalidation(message);
    Cache* cache = Cache::of(conf_.zone);
    if (cache == nullptr) {
        return;
    }
    if (!invalidation) {
        cache->flush();
        return;
    }
    cache->apply(*invalidation);
}

void Worker::on_writable() {
    if (!connected_) {
        connected_ = true;
        gauge(&Counters::daemon_connected, 1);
        forget_what_was_missed();
    }
    pending_.flush(*link_);
}

// A daemon may have died between a commit and its invalidation. The next one
// says so with its first heartbeat, but its answers may come before that, and
// would tell of a state that the cache does not have yet.
void Worker::forget_what_was_missed() {
    if (Cache* cache = Cache::of(conf_.zone); missed_ && cache != nullptr) {
        cache->flush();
    }
    missed_ = false;
}

void Worker::on_down() {
    another_has_it_ = false;  // that was another time
    if (connected_) {
        connected_ = false;
        missed_ = true;
        gauge(&Counters::daemon_connected, -1);
        count(&Counters::daemon_downs);
    }
    pending_.lose_sent();
}

namespace {

// The parts of the gauges that belong to this process.
void zero_gauges() noexcept {
    if (the_counters == nullptr || ngx_process_slot < 0 ||
        ngx_process_slot >= NGX_MAX_PROCESSES) {
        return;
    }
    auto slot = static_cast<std::size_t>(ngx_process_slot);
    the_counters->uploads_active[slot] = 0;
    the_counters->daemon_connected[slot] = 0;
    the_counters->daemon_waiting[slot] = 0;
}

}  // namespace

ngx_int_t start_worker(ngx_cycle_t* cycle) noexcept {
    if (ngx_process != NGX_PROCESS_WORKER &&
        ngx_process != NGX_PROCESS_SINGLE) {
        return NGX_OK;
    }
    auto* conf = static_cast<MainConf*>(
        ngx_http_cycle_get_module_main_conf(cycle, ngx_http_registry_module));
    if (conf == nullptr || conf->zone == nullptr) {
        return NGX_OK;
    }
    if (Cache* cache = Cache::of(conf->zone)) {
        the_counters = &cache->counters;
        zero_gauges();
    }
    if (!conf->any) {
        return NGX_OK;
    }
    try {
        auto made = std::make_unique<Worker>(*conf);
        if (!made->open(cycle)) {
            return NGX_ERROR;
        }
        the_worker = made.release();
    } catch (...) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "registry: the worker cannot start");
        return NGX_ERROR;
    }
    return NGX_OK;
}

void stop_worker(ngx_cycle_t*) noexcept {
    delete std::exchange(the_worker, nullptr);
    zero_gauges();
}

}  // namespace longshore
