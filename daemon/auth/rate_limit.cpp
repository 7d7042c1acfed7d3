#include "auth/rate_limit.hpp"

#include <algorithm>
#include <cmath>

namespace longshore {
namespace {

constexpr double kMinuteMs = 60'000;
constexpr std::int64_t kSweepEveryMs = 1000;

}  // namespace

RateLimit::RateLimit(std::uint64_t per_minute, std::uint64_t burst,
                     std::size_t max_keys)
    : per_minute_(static_cast<double>(per_minute)),
      burst_(static_cast<double>(std::max<std::uint64_t>(burst, 1))),
      max_keys_(max_keys),
      shared_{burst_, 0} {}

// A clock that was set back gives nothing and takes nothing.
void RateLimit::fill(Bucket& bucket, std::int64_t now_ms) const {
    auto passed =
        static_cast<double>(std::max<std::int64_t>(0, now_ms - bucket.at_ms));
    bucket.left =
        std::min(burst_, bucket.left + passed * per_minute_ / kMinuteMs);
    bucket.at_ms = now_ms;
}

void RateLimit::forget_full(std::int64_t now_ms) {
    if (std::abs(now_ms - swept_at_ms_) < kSweepEveryMs) {
        return;
    }
    swept_at_ms_ = now_ms;
    std::erase_if(buckets_, [&](const auto& entry) {
        auto bucket = entry.second;
        fill(bucket, now_ms);
        return bucket.left >= burst_;
    });
}

RateLimit::Bucket& RateLimit::find(const std::string& key,
                                   std::int64_t now_ms) {
    auto found = buckets_.find(key);
    if (found == buckets_.end()) {
        if (buckets_.size() >= max_keys_) {
            forget_full(now_ms);
        }
        if (buckets_.size() >= max_keys_) {
            fill(shared_, now_ms);
            return shared_;
        }
        found = buckets_.emplace(key, Bucket{burst_, now_ms}).first;
    }
    fill(found->second, now_ms);
    return found->second;
}

std::int64_t RateLimit::seconds_until_one(const Bucket& bucket) const {
    auto minutes = (1 - bucket.left) / per_minute_;
    return std::max<std::int64_t>(
        1, static_cast<std::int64_t>(std::ceil(minutes * kMinuteMs / 1000)));
}

std::int64_t RateLimit::take(const std::string& key, std::int64_t now_ms) {
    if (!enabled()) {
        return 0;
    }
    std::lock_guard guard(mutex_);
    auto& bucket = find(key, now_ms);
    if (bucket.left < 1) {
        return seconds_until_one(bucket);
    }
    bucket.left -= 1;
    return 0;
}

std::int64_t RateLimit::wait(const std::string& key, std::int64_t now_ms) {
    if (!enabled()) {
        return 0;
    }
    std::lock_guard guard(mutex_);
    auto found = buckets_.find(key);
    if (found == buckets_.end() && buckets_.size() < max_keys_) {
        return 0;
    }
    auto& bucket = found == buckets_.end() ? shared_ : found->second;
    fill(bucket, now_ms);
    return bucket.left < 1 ? seconds_until_one(bucket) : 0;
}

std::size_t RateLimit::keys() const {
    std::lock_guard guard(mutex_);
    return buckets_.size();
}

}  // namespace longshore
