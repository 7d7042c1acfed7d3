#include "archive/budget.hpp"

#include <time.h>

#include <algorithm>
#include <string>

namespace longshore {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

std::chrono::nanoseconds thread_time() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) +
           std::chrono::nanoseconds(now.tv_nsec);
}

Error too_large(const std::string& what, std::uint64_t limit,
                const char* unit) {
    return {Code::too_large,
            "archive " + what + " " + std::to_string(limit) + unit};
}

}  // namespace

ArchiveBudget::ArchiveBudget(const ArchiveLimits& limits,
                             std::uint64_t source_size)
    : limits_(limits), source_size_(source_size), allowed_(limits.time) {
    // No more than a day, so that no product can overflow.
    auto mib = static_cast<std::int64_t>(
        std::min<std::uint64_t>(source_size / kMiB, 1U << 20));
    allowed_ += std::min<Time>(limits.time_per_mib, std::chrono::hours(1)) *
                std::min<std::int64_t>(mib, 1 << 20);
}

ArchiveBudget::Running::Running(ArchiveBudget& budget) : budget_(budget) {
    if (budget_.running_++ == 0) {
        budget_.started_ = thread_time();
    }
}

ArchiveBudget::Running::~Running() {
    if (--budget_.running_ == 0) {
        budget_.spent_ += thread_time() - budget_.started_;
    }
}

void ArchiveBudget::read_source(std::uint64_t bytes) {
    // Parts of a zip are read twice; that does not make it larger.
    source_read_ = std::min(source_read_ + bytes, source_size_);
}

Result<void> ArchiveBudget::decompressed(std::uint64_t bytes) {
    decompressed_ += bytes;
    return sane(decompressed_, source_read_);
}

Result<void> ArchiveBudget::promised(std::uint64_t bytes) const {
    return sane(bytes, source_size_);
}

Result<void> ArchiveBudget::sane(std::uint64_t bytes, std::uint64_t of) const {
    if (bytes > limits_.max_total_bytes) {
        return too_large("decompresses to more than", limits_.max_total_bytes,
                         " bytes");
    }
    if (bytes > limits_.ratio_floor_bytes && bytes / limits_.max_ratio > of) {
        return too_large("decompresses to more than", limits_.max_ratio,
                         " times its size");
    }
    return {};
}

Result<void> ArchiveBudget::entry() {
    if (++entries_ > limits_.max_entries) {
        return too_large("has more entries than", limits_.max_entries, "");
    }
    return {};
}

Result<void> ArchiveBudget::time() const {
    Time spent = spent_;
    if (running_ > 0) {
        spent += thread_time() - started_;
    }
    if (spent > allowed_) {
        auto allowed =
            std::chrono::duration_cast<std::chrono::milliseconds>(allowed_);
        return too_large("takes longer to read than",
                         static_cast<std::uint64_t>(allowed.count()), " ms");
    }
    return {};
}

}  // namespace longshore
