#include "ngx_module/grants.hpp"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "ngx_module/cache.hpp"

namespace longshore {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// Written no oftener: the line of an entry is shared by all workers.
constexpr std::uint32_t kUsedMs = 1000;

std::uint32_t age_ms(const std::atomic<std::uint32_t>& used_ms) noexcept {
    return static_cast<std::uint32_t>(ngx_current_msec) -
           used_ms.load(kRelaxed);
}

void touch(std::atomic<std::uint32_t>& used_ms) noexcept {
    used_ms.store(static_cast<std::uint32_t>(ngx_current_msec), kRelaxed);
}

}  // namespace

bool Grants::open(ngx_slab_pool_t* slab, const Cache& cache,
                  std::size_t bytes) noexcept {
    // So few bytes are never given in parts; getrandom(2).
    if (::getrandom(key_.data(), key_.size(), 0) !=
        static_cast<ssize_t>(key_.size())) {
        return false;
    }
    set_count_ = std::bit_floor(std::max(bytes / sizeof(Set), std::size_t{1}));
    // Whole pages, and so aligned.
    auto size = std::max(set_count_ * sizeof(Set),
                         static_cast<std::size_t>(ngx_pagesize));
    // The pages of a new zone are zero as the kernel gives them; to write that
    // over them would take all of their memory from the start.
    sets_ = static_cast<Set*>(ngx_slab_alloc(slab, size));
#if (NGX_DEBUG_MALLOC)
    if (sets_ != nullptr) {
        ngx_memzero(sets_, size);
    }
#endif
    slab_ = slab;
    cache_ = &cache;
    return sets_ != nullptr;
}

Grants::Set& Grants::set_of(const GrantName& name) const noexcept {
    return sets_[name.hash[1] & (set_count_ - 1)];
}

bool Grants::read(const Entry& entry, Facts& facts) noexcept {
    auto before = entry.sequence.load(std::memory_order_acquire);
    if (before % 2 != 0) {
        return false;
    }
    std::array<std::uint64_t, kWords> words;
    for (std::size_t i = 0; i < kWords; ++i) {
        words[i] = entry.words[i].load(kRelaxed);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (entry.sequence.load(kRelaxed) != before) {
        return false;
    }
    facts = std::bit_cast<Facts>(words);
    return true;
}

// A writer that died in the middle has left an odd number; it stays odd until
// the words are whole.
void Grants::write(Entry& entry, const Facts& facts) noexcept {
    auto words = std::bit_cast<std::array<std::uint64_t, kWords>>(facts);
    auto odd = entry.sequence.load(kRelaxed) | 1U;
    entry.sequence.store(odd, kRelaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (std::size_t i = 0; i < kWords; ++i) {
        entry.words[i].store(words[i], kRelaxed);
    }
    entry.sequence.store(odd + 1, std::memory_order_release);
}

GrantState Grants::state_of(const Facts& facts) const noexcept {
    std::span slots(facts.depends.data(),
                    std::min(facts.depend_count, std::uint64_t{kMaxDepends}));
    if (facts.expires == 0 || !cache_->is_current(slots, facts.asked)) {
        return GrantState::none;
    }
    auto left = static_cast<ngx_msec_int_t>(facts.expires - ngx_current_msec);
    if (left > 0) {
        return GrantState::valid;
    }
    return left > -static_cast<ngx_msec_int_t>(kStaleMs) ? GrantState::expired
                                                         : GrantState::none;
}

GrantState Grants::find(const GrantName& name) const noexcept {
    if (sets_ == nullptr) {
        return GrantState::none;
    }
    for (const Entry& entry : set_of(name)) {
        Facts facts;
        if (entry.words[0].load(kRelaxed) != name.hash[0] ||
            !read(entry, facts) || facts.name != name) {
            continue;
        }
        if (age_ms(entry.used_ms) >= kUsedMs) {
            touch(entry.used_ms);
        }
        return state_of(facts);
    }
    return GrantState::none;
}

// The entry of this name, else one that says nothing, else the one that was
// not needed for longest.
Grants::Entry& Grants::room_in(Set& set, const GrantName& name) const noexcept {
    Entry* best = nullptr;
    auto best_age = std::uint32_t{0};
    for (Entry& entry : set) {
        Facts facts;
        bool whole = read(entry, facts);
        if (whole && facts.name == name) {
            return entry;
        }
        auto age = age_ms(entry.used_ms);
        if (!whole || state_of(facts) == GrantState::none) {
            age = std::numeric_limits<std::uint32_t>::max();
        }
        if (best == nullptr || age > best_age) {
            best = &entry;
            best_age = age;
        }
    }
    return *best;
}

void Grants::insert(const GrantName& name,
                    std::span<const std::string_view> depends, ngx_msec_t ttl,
                    std::uint64_t asked) noexcept {
    if (sets_ == nullptr || depends.size() > kMaxDepends || ttl == 0) {
        return;
    }
    Facts facts;
    facts.name = name;
    facts.asked = asked;
    facts.expires = ngx_current_msec + std::min(ttl, kMaxMs);
    facts.depend_count = depends.size();
    std::transform(depends.begin(), depends.end(), facts.depends.begin(),
                   Cache::slot_number);
    ZoneLock lock(slab_);
    if (state_of(facts) != GrantState::valid) {
        return;
    }
    Entry& entry = room_in(set_of(name), name);
    write(entry, facts);
    touch(entry.used_ms);
}

void Grants::forget(const GrantName& name) noexcept {
    if (find(name) == GrantState::none) {
        return;
    }
    ZoneLock lock(slab_);
    for (Entry& entry : set_of(name)) {
        Facts facts;
        if (read(entry, facts) && facts.name == name) {
            write(entry, Facts{});
        }
    }
}

}  // namespace longshore
