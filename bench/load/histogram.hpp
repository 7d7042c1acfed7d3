// Latency histogram with a fixed relative error, small enough to keep one per
// thread and to merge afterwards. Values below 256 ns are exact, above that a
// bucket is at most 1/128 of its value wide. Not thread safe: one owner each.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace longshore::load {

class Histogram {
public:
    Histogram() : counts_(kBuckets, 0) {}

    /// Counts one value in nanoseconds.
    void add(std::uint64_t ns) {
        ++counts_[index(ns)];
        ++total_;
        if (ns > max_) {
            max_ = ns;
        }
    }

    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < kBuckets; ++i) {
            counts_[i] += other.counts_[i];
        }
        total_ += other.total_;
        if (other.max_ > max_) {
            max_ = other.max_;
        }
    }

    /// The smallest bucket bound that at least `percent` of all values do not
    /// exceed, in nanoseconds; 0 when nothing was counted.
    std::uint64_t percentile(double percent) const {
        const double wanted = static_cast<double>(total_) * percent / 100.0;
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < kBuckets; ++i) {
            seen += counts_[i];
            if (seen > 0 && static_cast<double>(seen) >= wanted) {
                const std::uint64_t bound = upper_bound(i);
                return bound < max_ ? bound : max_;
            }
        }
        return max_;
    }

    std::uint64_t total() const { return total_; }
    std::uint64_t max() const { return max_; }

private:
    // A value of bit width w >= 9 is shifted right by w - 8, which leaves its
    // top eight bits: 128 steps for every power of two.
    static constexpr std::size_t kBuckets = 256 + 56 * 128;

    static std::size_t index(std::uint64_t ns) {
        if (ns < 256) {
            return static_cast<std::size_t>(ns);
        }
        const auto shift = static_cast<std::size_t>(std::bit_width(ns)) - 8;
        const auto top = static_cast<std::size_t>(ns >> shift);
        return 256 + (shift - 1) * 128 + (top - 128);
    }

    static std::uint64_t upper_bound(std::size_t i) {
        if (i < 256) {
            return i;
        }
        const std::size_t shift = (i - 256) / 128 + 1;
        const std::uint64_t top = (i - 256) % 128 + 128;
        return ((top + 1) << shift) - 1;
    }

    std::vector<std::uint64_t> counts_;
    std::uint64_t total_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace longshore::load
