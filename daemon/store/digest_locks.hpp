// DigestLocks: keeps the garbage collector from a digest while somebody makes
// a new reference to it. Whoever relies on bytes or a link that are there
// already shares the digest's stripe from the look at the disk until the
// commit that refers to them; the collector has a stripe alone from its last
// look at the references until the file is out of the way. So neither sees
// the other half done, and only digests of one stripe in 256 wait.
//
// A thread may share any number of stripes, the same ones too; the collector
// has one at a time and holds nothing else, so nobody waits in a circle.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>

#include "common/digest.hpp"

namespace longshore {

class DigestLocks {
public:
    static constexpr std::size_t kStripes = 256;

    DigestLocks() = default;
    DigestLocks(const DigestLocks&) = delete;
    DigestLocks& operator=(const DigestLocks&) = delete;

    static std::size_t stripe_of(const Digest& digest) noexcept;

    /// Until it is destroyed. Any thread may destroy it.
    class Held {
    public:
        Held() = default;
        Held(Held&& other) noexcept;
        Held& operator=(Held&& other) noexcept;
        ~Held();

    private:
        friend class DigestLocks;
        Held(DigestLocks& locks, std::size_t stripe, bool alone) noexcept
            : locks_(&locks), stripe_(stripe), alone_(alone) {}
        void release() noexcept;

        DigestLocks* locks_ = nullptr;
        std::size_t stripe_ = 0;
        bool alone_ = false;
    };

    /// Waits while the collector has the stripe, which is milliseconds.
    Held share(const Digest& digest);

    /// The collector's; nullopt if others still share the stripe when
    /// `patience` is over. It never makes those that come meanwhile wait.
    std::optional<Held> try_alone(std::size_t stripe,
                                  std::chrono::milliseconds patience);

private:
    struct Stripe {
        std::mutex mutex;
        std::condition_variable changed;
        std::size_t sharers = 0;
        bool alone = false;
    };
    std::array<Stripe, kStripes> stripes_;
};

}  // namespace longshore
