// The shared-memory zone: cached answers with LRU, and what makes them stale.
//
// Staleness is by clock, not by search. The zone has one counter, `clock`,
// and a table of slots. Dropping a key writes ++clock into the key's slot. An
// answer remembers the clock at which its question left (`asked`) and the
// slots of its keys; it is valid as long as none of them holds a later time.
// So a drop costs one store, a write that overtakes a question in flight
// makes its answer uncacheable, and a colliding slot costs only a miss.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/protocol.hpp"
#include "ngx_module/counters.hpp"
#include "ngx_module/grants.hpp"
#include "ngx_module/ngx.hpp"

namespace longshore {

struct CachedReply {
    ngx_uint_t status = 0;
    std::string_view media_type;
    std::string_view body;     // inline, or empty when `digest` is set
    std::string_view digest;   // serve this of `area`, or empty
    std::string_view headers;  // as header_block.hpp writes them
    std::string_view repository, reference;
    std::size_t body_bytes = 0;  // found: of the body, copied or not
    Area area = Area::blobs;
    bool counted = false;  // as the decision said
};

/// What to look for.
struct CacheQuery {
    std::string_view key;
    bool body = true;    // false: its length is enough, as for HEAD
    bool stale = false;  // also an answer whose time to live is over, never
                         // one that was dropped
};

/// Holds the zone's mutex. The master gives it back for a worker that died.
class ZoneLock {
public:
    explicit ZoneLock(ngx_slab_pool_t* slab) noexcept : slab_(slab) {
        ngx_shmtx_lock(&slab_->mutex);
    }
    ~ZoneLock() { ngx_shmtx_unlock(&slab_->mutex); }
    ZoneLock(const ZoneLock&) = delete;
    ZoneLock& operator=(const ZoneLock&) = delete;

private:
    ngx_slab_pool_t* slab_;
};

class Cache {
public:
    /// The clock now; taken before a question leaves.
    std::uint64_t clock() const noexcept;

    /// Copies the answer into `pool`; false on a miss, or without memory.
    bool find(const CacheQuery& query, ngx_pool_t* pool,
              CachedReply& out) noexcept;

    /// Keeps an answer unless one of its keys was dropped since `asked`.
    void insert(std::string_view key, const CachedReply& reply,
                std::span<const std::string_view> depends, ngx_msec_t ttl,
                std::uint64_t asked) noexcept;

    void drop(std::string_view key) noexcept;
    void flush() noexcept;

    /// Applies an Invalidation once for all workers of this nginx; a gap in
    /// the sequence or a new epoch flushes.
    void apply(const Invalidation& invalidation) noexcept;

    /// Unix milliseconds of the last drop of `key`'s slot (0: never). Blob
    /// GET looks here before it trusts the per-worker open-file cache.
    std::uint64_t dropped_at_ms(std::string_view key) const noexcept;

    /// Number of the slot that holds a key's last drop.
    static std::uint16_t slot_number(std::string_view key) noexcept;

    /// True if none of these slots was dropped since `asked`, and nothing
    /// flushed.
    bool is_current(std::span<const std::uint16_t> slots,
                    std::uint64_t asked) const noexcept;

    /// dropped_at_ms() for what must not be older than the zone: the drops
    /// before its making are not known.
    std::uint64_t revoked_at_ms(std::string_view key) const noexcept;

    /// The cache in a zone; null when the zone is not set up.
    static Cache* of(ngx_shm_zone_t* zone) noexcept;

    /// ngx_shm_zone_t::init
    static ngx_int_t init_zone(ngx_shm_zone_t* zone, void* data) noexcept;

    Counters counters{};
    Grants grants{};

private:
    static constexpr std::size_t kSlots = 4096;
    // The keys of grants have slots of their own, key::kPolicy the first of
    // them: what ends every grant must not end with somebody's push.
    static constexpr std::size_t kGrantSlots = 1024;
    static constexpr std::size_t kMaxValue = 64 * 1024;  // whole entry
    static constexpr std::size_t kMaxDepends = 8;
    static constexpr int kMaxEvictions = 32;  // for one insert

    struct Slot {
        std::atomic<std::uint64_t> clock;
        std::atomic<std::uint64_t> at_ms;
    };
    struct Entry;

    explicit Cache(ngx_slab_pool_t* slab) noexcept;
    Slot& slot_of(std::string_view key) noexcept;
    const Slot& slot_of(std::string_view key) const noexcept;
    bool is_valid(const Entry& entry) const noexcept;
    bool open_grants(std::size_t zone_size) noexcept;
    Entry* find_locked(std::uint64_t hash, std::string_view key) noexcept;
    void remove_locked(Entry& entry) noexcept;
    Entry* allocate_locked(std::size_t size) noexcept;

    ngx_slab_pool_t* slab_;
    ngx_rbtree_t tree_;
    ngx_rbtree_node_t sentinel_;
    ngx_queue_t lru_;  // head: used last
    std::atomic<std::uint64_t> clock_{1};
    std::atomic<std::uint64_t> flushed_{0};  // clock of the last flush
    std::atomic<std::uint64_t> flushed_ms_{0};
    std::atomic<std::uint64_t> epoch_{0};     // under the mutex
    std::atomic<std::uint64_t> sequence_{0};  // under the mutex
    std::uint64_t made_ms_;
    std::array<Slot, kSlots + kGrantSlots> slots_{};
};

}  // namespace longshore
