// Who was found to be allowed what, in the zone: so that a warm request asks
// nobody. A fixed table of sets, made with the zone; what is needed least
// makes room. A grant is named by a keyed hash of credential and resource and
// holds nothing of either. It ends by time, or when a key it depends on is
// dropped, by the cache's clock (cache.hpp).
//
// Reading takes no lock: an entry that is being written reads as absent, and
// absent only means a question. Writers hold the zone's mutex.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/siphash.hpp"
#include "ngx_module/ngx.hpp"

namespace longshore {

class Cache;

/// A keyed hash: credential, place, repository and action, with the
/// zone's key.
struct GrantName {
    std::array<std::uint64_t, 2> hash = {};
    bool operator==(const GrantName&) const = default;
};

enum class GrantState : std::uint8_t {
    none,     // or one of its keys was dropped
    expired,  // less than Grants::kStaleMs ago
    valid,
};

class Grants {
public:
    /// What names are made with.
    using Key = SipHash::Key;

    /// How long a grant that expired still says something while there is no
    /// daemon that could say it anew.
    static constexpr ngx_msec_t kStaleMs = 60 * 60 * 1000;
    static constexpr ngx_msec_t kMaxMs = 24 * 60 * 60 * 1000;
    static constexpr std::size_t kMaxDepends = 6;

    /// Takes `bytes` of the slab. False when they are not there, or there is
    /// no randomness.
    bool open(ngx_slab_pool_t* slab, const Cache& cache,
              std::size_t bytes) noexcept;

    const Key& key() const noexcept { return key_; }

    GrantState find(const GrantName& name) const noexcept;

    /// Keeps a grant for `ttl` (kMaxMs at most) unless one of `depends` was
    /// dropped since `asked`, or they are more than kMaxDepends.
    void insert(const GrantName& name,
                std::span<const std::string_view> depends, ngx_msec_t ttl,
                std::uint64_t asked) noexcept;

    void forget(const GrantName& name) noexcept;

private:
    static constexpr std::size_t kWays = 8;

    struct Facts {
        GrantName name;
        std::uint64_t asked = 0;
        std::uint64_t expires = 0;  // ngx_current_msec
        std::uint64_t depend_count = 0;
        std::array<std::uint16_t, 8> depends = {};  // slots of the cache
    };
    static constexpr std::size_t kWords = sizeof(Facts) / 8;
    // One cache line. `sequence` is odd while the words are written.
    struct alignas(64) Entry {
        std::atomic<std::uint32_t> sequence;
        mutable std::atomic<std::uint32_t> used_ms;  // ngx_current_msec
        std::array<std::atomic<std::uint64_t>, kWords> words;
    };
    using Set = std::array<Entry, kWays>;
    static_assert(sizeof(Entry) == 64);

    Set& set_of(const GrantName& name) const noexcept;
    static bool read(const Entry& entry, Facts& facts) noexcept;
    static void write(Entry& entry, const Facts& facts) noexcept;
    GrantState state_of(const Facts& facts) const noexcept;
    Entry& room_in(Set& set, const GrantName& name) const noexcept;

    ngx_slab_pool_t* slab_ = nullptr;
    const Cache* cache_ = nullptr;
    Set* sets_ = nullptr;
    std::size_t set_count_ = 0;  // a power of two
    Key key_ = {};
};

}  // namespace longshore
