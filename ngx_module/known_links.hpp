// Which blobs this worker has seen linked to which repositories, and when: so
// that a warm blob GET costs one look-up in nginx's open-file cache, the
// blob's, and not two. A direct-mapped table; what does not fit is looked up
// on disk each time. One per worker, event loop only.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string_view>

#include "common/digest.hpp"

namespace longshore {

class KnownLinks {
public:
    /// The memory is touched only as links become known.
    KnownLinks();

    /// What was done when it was looked at.
    enum class Look : std::uint8_t {
        seen,
        kept,  // also made new, so that the garbage collector leaves it
    };

    /// True if the link of `digest` in repository `name` below `root` (told
    /// apart by address) was looked at so, or more, less than `age` seconds
    /// before `now`, and was there.
    bool has(const void* root, std::string_view name, const Digest& digest,
             time_t now, time_t age, Look look) const noexcept;

    /// It was looked at now.
    void add(const void* root, std::string_view name, const Digest& digest,
             time_t now, Look look) noexcept;

private:
    static constexpr std::size_t kEntries = 8192;
    static constexpr std::size_t kMaxName = 100;

    struct Entry {
        const void* root;
        time_t seen_at;
        std::uint8_t name_size;
        Algorithm algorithm;
        Look look;
        // The name, then the encoded digest.
        std::array<char, kMaxName + 128> key;
    };
    static std::size_t slot_of(std::string_view name,
                               std::string_view encoded) noexcept;

    struct Free {
        void operator()(Entry* entries) const noexcept;
    };
    std::unique_ptr<Entry[], Free> entries_;
};

}  // namespace longshore
