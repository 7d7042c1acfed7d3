// Counters of the daemon, as OpenMetrics text. Every member may be called
// from any thread and never blocks.
// Specification: OpenMetrics 1.0.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace longshore {

class Metrics {
public:
    /// One answered question. `action` is an action_name() or "".
    void answered(std::string_view action, int status,
                  std::uint64_t duration_us) noexcept;

    /// Answers that nginx gave from its cache, as a Tally tells.
    void cached(std::uint64_t count) noexcept { add(cached_, count); }

    /// A message that does not decode: dropped.
    void bad_message() noexcept { add(bad_messages_, 1); }

    /// A question answered 503 because the queue is full.
    void overloaded() noexcept { add(overloaded_, 1); }

    /// An answer whose asker is gone.
    void lost_answer() noexcept { add(lost_answers_, 1); }

    /// Cache keys published as stale.
    void invalidated(std::uint64_t count) noexcept { add(invalidated_, count); }

    /// A run of the garbage collector that came to its end.
    void collected(std::uint64_t links, std::uint64_t blobs,
                   std::uint64_t bytes) noexcept {
        add(collections_, 1);
        add(collected_links_, links);
        add(collected_blobs_, blobs);
        add(collected_bytes_, bytes);
    }

    /// What may still be had back.
    void trash(std::uint64_t blobs, std::uint64_t bytes) noexcept {
        trash_blobs_.store(blobs, std::memory_order_relaxed);
        trash_bytes_.store(bytes, std::memory_order_relaxed);
    }

    /// What the scrubber has read.
    void scrubbed(std::uint64_t files, std::uint64_t bytes) noexcept {
        add(scrubbed_files_, files);
        add(scrubbed_bytes_, bytes);
    }

    /// What is damaged now; when a pass last came to its end.
    void damage(std::uint64_t files, bool database,
                std::int64_t last_pass_ms) noexcept {
        damaged_files_.store(files, std::memory_order_relaxed);
        damaged_database_.store(database ? 1 : 0, std::memory_order_relaxed);
        last_scrub_s_.store(static_cast<std::uint64_t>(last_pass_ms / 1000),
                            std::memory_order_relaxed);
    }

    /// A run of retention that came to its end.
    void retained(std::uint64_t tags, std::uint64_t manifests) noexcept {
        add(retention_runs_, 1);
        add(retention_tags_, tags);
        add(retention_manifests_, manifests);
    }

    void queue_length(std::size_t length) noexcept {
        queue_length_.store(length, std::memory_order_relaxed);
    }

    /// `more`: families of others, to go with ours.
    std::string open_metrics(std::string_view more = {}) const;

private:
    using Counter = std::atomic<std::uint64_t>;
    static constexpr std::size_t kActions = 5;   // see metrics.cpp
    static constexpr std::size_t kClasses = 6;   // status / 100
    static constexpr std::size_t kBuckets = 13;  // the last one: +Inf

    static void add(Counter& counter, std::uint64_t count) noexcept {
        counter.fetch_add(count, std::memory_order_relaxed);
    }

    std::array<std::array<Counter, kClasses>, kActions> answers_{};
    std::array<Counter, kBuckets> durations_{};
    Counter duration_sum_us_{0};
    Counter cached_{0};
    Counter bad_messages_{0};
    Counter overloaded_{0};
    Counter lost_answers_{0};
    Counter invalidated_{0};
    Counter collections_{0};
    Counter collected_links_{0};
    Counter collected_blobs_{0};
    Counter collected_bytes_{0};
    Counter trash_blobs_{0};
    Counter trash_bytes_{0};
    Counter scrubbed_files_{0};
    Counter scrubbed_bytes_{0};
    Counter damaged_files_{0};
    Counter damaged_database_{0};
    Counter last_scrub_s_{0};
    Counter retention_runs_{0};
    Counter retention_tags_{0};
    Counter retention_manifests_{0};
    Counter queue_length_{0};
};

}  // namespace longshore
