#include "ngx_module/known_links.hpp"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>

namespace longshore {

void KnownLinks::Free::operator()(Entry* entries) const noexcept {
    std::free(entries);
}

KnownLinks::KnownLinks()
    // calloc takes zero pages from the kernel and leaves them alone.
    : entries_(static_cast<Entry*>(std::calloc(kEntries, sizeof(Entry)))) {
    if (entries_ == nullptr) {
        throw std::bad_alloc();
    }
}

std::size_t KnownLinks::slot_of(std::string_view name,
                                std::string_view encoded) noexcept {
    // A digest is as random as a hash; the name sets its repositories apart.
    std::uint64_t random = 0;
    std::memcpy(&random, encoded.data(), sizeof random);
    // Hex digits: the low bits of each byte say most.
    random *= 0x9e3779b97f4a7c15U;
    return (std::hash<std::string_view>()(name) ^ random >> 32) % kEntries;
}

bool KnownLinks::has(const void* root, std::string_view name,
                     const Digest& digest, time_t now, time_t age,
                     Look look) const noexcept {
    auto encoded = digest.encoded();
    const Entry& entry = entries_[slot_of(name, encoded)];
    // Unsigned: a clock that was set back makes a look of the future, which
    // says nothing.
    auto since = static_cast<std::uint64_t>(now - entry.seen_at);
    return entry.root == root && since < static_cast<std::uint64_t>(age) &&
           entry.look >= look && entry.name_size == name.size() &&
           entry.algorithm == digest.algorithm() &&
           std::memcmp(entry.key.data(), name.data(), name.size()) == 0 &&
           std::memcmp(entry.key.data() + name.size(), encoded.data(),
                       encoded.size()) == 0;
}

void KnownLinks::add(const void* root, std::string_view name,
                     const Digest& digest, time_t now, Look look) noexcept {
    if (name.size() > kMaxName) {
        return;
    }
    auto encoded = digest.encoded();
    Entry& entry = entries_[slot_of(name, encoded)];
    entry.root = root;
    entry.seen_at = now;
    entry.name_size = static_cast<std::uint8_t>(name.size());
    entry.algorithm = digest.algorithm();
    entry.look = look;
    std::memcpy(entry.key.data(), name.data(), name.size());
    std::memcpy(entry.key.data() + name.size(), encoded.data(), encoded.size());
}

}  // namespace longshore
