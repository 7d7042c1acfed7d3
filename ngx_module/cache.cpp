#include "ngx_module/cache.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <functional>
#include <new>

#include "ngx_module/str.hpp"

namespace longshore {
namespace {

std::uint64_t hash_of(std::string_view text) noexcept {
    return std::hash<std::string_view>{}(text);
}

// The real time: nginx's cached one lags, and a drop must not look older than
// the open-file entries that were made before it.
std::uint64_t unix_ms() noexcept {
    timespec now = {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

void raise(std::atomic<std::uint64_t>& value, std::uint64_t to) noexcept {
    auto seen = value.load();
    while (seen < to && !value.compare_exchange_weak(seen, to)) {
    }
}

}  // namespace

// The texts follow the entry in this order: key, media type, digest, headers,
// repository, reference, body.
struct Cache::Entry {
    ngx_rbtree_node_t node;  // node.key: hash of the key
    ngx_queue_t lru;
    std::uint64_t asked;
    ngx_msec_t expires;
    ngx_uint_t status;
    Area area;
    bool counted;
    std::array<std::uint32_t, 7> sizes;
    std::array<std::uint16_t, kMaxDepends> depends;  // slots
    std::size_t depend_count;

    char* text() noexcept { return reinterpret_cast<char*>(this + 1); }
    std::size_t text_size() const noexcept {
        std::size_t size = 0;
        for (auto part : sizes) {
            size += part;
        }
        return size;
    }
    std::string_view key() noexcept { return {text(), sizes[0]}; }

    static Entry* of(ngx_queue_t* queue) noexcept {
        return ngx_queue_data(queue, Entry, lru);
    }
    static Entry* of(ngx_rbtree_node_t* tree_node) noexcept {
        return reinterpret_cast<Entry*>(tree_node);
    }
};

Cache::Cache(ngx_slab_pool_t* slab) noexcept
    : slab_(slab), made_ms_(unix_ms()) {
    ngx_rbtree_init(&tree_, &sentinel_, ngx_rbtree_insert_value);
    ngx_queue_init(&lru_);
}

std::uint64_t Cache::clock() const noexcept {
    return clock_.load();
}

Cache::Slot& Cache::slot_of(std::string_view key) noexcept {
    return slots_[slot_number(key)];
}

const Cache::Slot& Cache::slot_of(std::string_view key) const noexcept {
    return slots_[slot_number(key)];
}

std::uint16_t Cache::slot_number(std::string_view key) noexcept {
    if (!key.starts_with(key::kPolicy)) {
        return static_cast<std::uint16_t>(hash_of(key) % kSlots);
    }
    auto other = key.size() == 1 ? 0 : 1 + hash_of(key) % (kGrantSlots - 1);
    return static_cast<std::uint16_t>(kSlots + other);
}

bool Cache::is_current(std::span<const std::uint16_t> slots,
                       std::uint64_t asked) const noexcept {
    return flushed_.load() <= asked &&
           std::all_of(slots.begin(), slots.end(), [&](std::uint16_t slot) {
               return slots_[slot].clock.load() <= asked;
           });
}

bool Cache::is_valid(const Entry& entry) const noexcept {
    return is_current({entry.depends.data(), entry.depend_count}, entry.asked);
}

bool Cache::find(const CacheQuery& query, ngx_pool_t* pool,
                 CachedReply& out) noexcept {
    std::array<std::uint32_t, 7> sizes;
    const char* next = nullptr;
    auto hash = hash_of(query.key);
    {
        ZoneLock lock(slab_);
        Entry* entry = find_locked(hash, query.key);
        if (entry == nullptr) {
            return false;
        }
        if (!is_valid(*entry)) {
            remove_locked(*entry);
            return false;
        }
        bool expired =
            static_cast<ngx_msec_int_t>(ngx_current_msec - entry->expires) >= 0;
        if (expired && !query.stale) {
            return false;  // stays: it is better than nothing later
        }
        ngx_queue_remove(&entry->lru);
        ngx_queue_insert_head(&lru_, &entry->lru);
        sizes = entry->sizes;
        out.status = entry->status;
        out.area = entry->area;
        out.counted = entry->counted;
        out.body_bytes = sizes.back();
        // The key, which is first, is the asker's; the body is last.
        auto total = entry->text_size() - sizes.front();
        if (!query.body) {
            total -= sizes.back();
            sizes.back() = 0;
        }
        // Memory is taken inside, for its size is known here; to copy twice
        // costs more than what others may have to wait.
        auto* data = static_cast<char*>(ngx_pnalloc(pool, total));
        if (data == nullptr) {
            return false;
        }
        std::memcpy(data, entry->text() + sizes.front(), total);
        next = data;
    }
    std::size_t part = 1;
    for (auto* text : {&out.media_type, &out.digest, &out.headers,
                       &out.repository, &out.reference, &out.body}) {
        *text = {next, sizes[part]};
        next += sizes[part++];
    }
    return true;
}

void Cache::insert(std::string_view key, const CachedReply& reply,
                   std::span<const std::string_view> depends, ngx_msec_t ttl,
                   std::uint64_t asked) noexcept {
    const std::array parts = {key,           reply.media_type, reply.digest,
                              reply.headers, reply.repository, reply.reference,
                              reply.body};
    std::size_t size = sizeof(Entry);
    for (auto part : parts) {
        size += part.size();
    }
    if (size > kMaxValue || depends.size() > kMaxDepends) {
        return;
    }
    auto hash = hash_of(key);
    ZoneLock lock(slab_);
    // One entry per hash: a colliding key takes the place of the older one.
    ngx_rbtree_node_t* node = tree_.root;
    while (node != &sentinel_ && node->key != hash) {
        node = hash < node->key ? node->left : node->right;
    }
    if (node != &sentinel_) {
        remove_locked(*Entry::of(node));
    }
    Entry* entry = allocate_locked(size);
    if (entry == nullptr) {
        return;
    }
    entry->node.key = hash;
    entry->asked = asked;
    entry->expires = ngx_current_msec + ttl;
    entry->status = reply.status;
    entry->area = reply.area;
    entry->counted = reply.counted;
    entry->depend_count = depends.size();
    for (std::size_t i = 0; i < depends.size(); ++i) {
        entry->depends[i] = slot_number(depends[i]);
    }
    char* out = entry->text();
    for (std::size_t i = 0; i < parts.size(); ++i) {
        entry->sizes[i] = static_cast<std::uint32_t>(parts[i].size());
        if (!parts[i].empty()) {
            std::memcpy(out, parts[i].data(), parts[i].size());
            out += parts[i].size();
        }
    }
    if (!is_valid(*entry)) {
        ngx_slab_free_locked(slab_, entry);
        return;
    }
    ngx_rbtree_insert(&tree_, &entry->node);
    ngx_queue_insert_head(&lru_, &entry->lru);
    counters.cache_entries.fetch_add(1);
    counters.cache_inserts.fetch_add(1);
}

void Cache::drop(std::string_view dropped) noexcept {
    if (dropped == key::kEverything) {
        return flush();
    }
    Slot& slot = slot_of(dropped);
    // The time first: who has seen the new clock sees it too.
    raise(slot.at_ms, unix_ms());
    raise(slot.clock, clock_.fetch_add(1) + 1);
    counters.cache_drops.fetch_add(1);
}

void Cache::flush() noexcept {
    raise(flushed_ms_, unix_ms());
    raise(flushed_, clock_.fetch_add(1) + 1);
    counters.cache_flushes.fetch_add(1);
}

void Cache::apply(const Invalidation& invalidation) noexcept {
    bool gap = false;
    {
        ZoneLock lock(slab_);
        auto epoch = epoch_.load();
        auto sequence = sequence_.load();
        bool heartbeat = invalidation.keys.empty();
        if (invalidation.epoch == epoch) {
            if (invalidation.sequence <= sequence) {
                return;  // another worker was faster
            }
            gap = heartbeat || invalidation.sequence != sequence + 1;
        } else {
            gap = true;
        }
        if (gap) {
            flush();
        } else {
            for (auto key : invalidation.keys) {
                drop(key);
            }
        }
        // Last: another worker that sees it may rely on the drops.
        epoch_.store(invalidation.epoch);
        sequence_.store(invalidation.sequence);
    }
}

std::uint64_t Cache::dropped_at_ms(std::string_view key) const noexcept {
    return std::max(slot_of(key).at_ms.load(), flushed_ms_.load());
}

std::uint64_t Cache::revoked_at_ms(std::string_view key) const noexcept {
    return std::max(dropped_at_ms(key), made_ms_);
}

bool Cache::open_grants(std::size_t zone_size) noexcept {
    constexpr std::size_t kShare = 16;
    return grants.open(slab_, *this, zone_size / kShare);
}

Cache::Entry* Cache::find_locked(std::uint64_t hash,
                                 std::string_view key) noexcept {
    ngx_rbtree_node_t* node = tree_.root;
    while (node != &sentinel_) {
        if (node->key == hash) {
            Entry* entry = Entry::of(node);
            return entry->key() == key ? entry : nullptr;
        }
        node = hash < node->key ? node->left : node->right;
    }
    return nullptr;
}

void Cache::remove_locked(Entry& entry) noexcept {
    ngx_queue_remove(&entry.lru);
    ngx_rbtree_delete(&tree_, &entry.node);
    ngx_slab_free_locked(slab_, &entry);
    counters.cache_entries.fetch_sub(1);
}

Cache::Entry* Cache::allocate_locked(std::size_t size) noexcept {
    for (int i = 0; i <= kMaxEvictions; ++i) {
        if (void* memory = ngx_slab_alloc_locked(slab_, size)) {
            return static_cast<Entry*>(memory);
        }
        if (ngx_queue_empty(&lru_)) {
            return nullptr;
        }
        ngx_queue_t* oldest = ngx_queue_last(&lru_);
        remove_locked(*Entry::of(oldest));
        counters.cache_evictions.fetch_add(1);
    }
    return nullptr;
}

Cache* Cache::of(ngx_shm_zone_t* zone) noexcept {
    return zone != nullptr ? static_cast<Cache*>(zone->data) : nullptr;
}

ngx_int_t Cache::init_zone(ngx_shm_zone_t* zone, void* data) noexcept {
    if (data != nullptr) {
        zone->data = data;  // a reload keeps what is cached
        return NGX_OK;
    }
    auto* slab = reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr);
    if (zone->shm.exists) {
        zone->data = slab->data;
        return NGX_OK;
    }
    void* memory = ngx_slab_calloc(slab, sizeof(Cache));
    if (memory == nullptr) {
        return NGX_ERROR;
    }
    static u_char context[] = " in the zone of registry";
    slab->log_ctx = context;
    slab->log_nomem = 0;  // a full cache evicts
    auto* cache = new (memory) Cache(slab);
    if (!cache->open_grants(zone->shm.size)) {
        return NGX_ERROR;
    }
    zone->data = slab->data = cache;
    return NGX_OK;
}

}  // namespace longshore
