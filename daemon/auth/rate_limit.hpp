// RateLimit: token buckets by key, in bounded memory. A bucket that is full
// again is forgotten; while more keys than there is room for are busy, those
// that came last share one. Thread-safe; never blocks for long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace longshore {

class RateLimit {
public:
    /// `per_minute` events of one key in the long run, `burst` at once; 0 for
    /// per_minute: no limit.
    RateLimit(std::uint64_t per_minute, std::uint64_t burst,
              std::size_t max_keys = 65'536);

    bool enabled() const noexcept { return per_minute_ > 0; }

    /// Takes one; 0 if there was one, else the seconds until there is.
    std::int64_t take(const std::string& key, std::int64_t now_ms);

    /// The same without taking it.
    std::int64_t wait(const std::string& key, std::int64_t now_ms);

    std::size_t keys() const;

private:
    struct Bucket {
        double left;
        std::int64_t at_ms;
    };
    Bucket& find(const std::string& key, std::int64_t now_ms);
    void fill(Bucket& bucket, std::int64_t now_ms) const;
    void forget_full(std::int64_t now_ms);
    std::int64_t seconds_until_one(const Bucket& bucket) const;

    const double per_minute_;
    const double burst_;
    const std::size_t max_keys_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Bucket> buckets_;
    Bucket shared_;
    std::int64_t swept_at_ms_ = 0;
};

}  // namespace longshore
