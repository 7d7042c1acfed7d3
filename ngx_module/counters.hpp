// What registry_status shows: counters in the zone, added to by all workers
// of this nginx and kept across reloads. Any thread of any worker may count.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ngx_module/ngx.hpp"

namespace longshore {

using Counter = std::atomic<std::uint64_t>;
static_assert(Counter::is_always_lock_free, "shared between processes");

/// What a request was about, for its counter.
enum class Activity : std::uint8_t {
    ping,
    pull_blob,
    pull_manifest,
    push_manifest,
    upload,
    remove,
    list,
    other,
};
inline constexpr std::size_t kActivities = 8;

struct Counters {
    // [activity][status class 1xx … 5xx]
    std::array<std::array<Counter, 5>, kActivities> requests;
    std::array<Counter, kActivities> sent_bytes;
    std::array<Counter, kActivities> received_bytes;

    Counter cache_hits, cache_misses, cache_stale, cache_bypassed;
    Counter cache_inserts, cache_evictions, cache_drops, cache_flushes;
    Counter cache_entries;  // gauge

    Counter grants_found, grants_signed, grants_asked;

    Counter daemon_questions, daemon_answers, daemon_timeouts;
    Counter daemon_late, daemon_repeats, daemon_refused, daemon_downs;
    Counter daemon_wait_ms, tally_lost;
    Counter tls_requests, ktls_requests;

    Counter uploads_started, uploads_finished, uploads_aborted;
    // Gauges by nginx's process slot: the next process of a slot begins at
    // zero, so a killed worker leaves nothing behind.
    std::array<Counter, NGX_MAX_PROCESSES> uploads_active;
    std::array<Counter, NGX_MAX_PROCESSES> daemon_connected;
    std::array<Counter, NGX_MAX_PROCESSES> daemon_waiting;
};

/// The counters of this nginx; null while no zone is set up.
Counters* counters() noexcept;

inline void count(Counter Counters::*which, std::uint64_t by = 1) noexcept {
    if (Counters* all = counters()) {
        (all->*which).fetch_add(by, std::memory_order_relaxed);
    }
}

/// Adds to this process' part of a gauge.
inline void gauge(std::array<Counter, NGX_MAX_PROCESSES> Counters::*which,
                  std::int64_t by) noexcept {
    Counters* all = counters();
    if (all != nullptr && ngx_process_slot >= 0 &&
        ngx_process_slot < NGX_MAX_PROCESSES) {
        (all->*which)[static_cast<std::size_t>(ngx_process_slot)].fetch_add(
            static_cast<std::uint64_t>(by), std::memory_order_relaxed);
    }
}

}  // namespace longshore
