// What reading one archive has cost so far, nested archives included, against
// its limits. One object is used by one thread at a time.
// @errors of all functions here: too_large (the limit and its number)
#pragma once

#include <chrono>
#include <cstdint>

#include "archive/limits.hpp"
#include "common/result.hpp"

namespace longshore {

class ArchiveBudget {
public:
    ArchiveBudget(const ArchiveLimits& limits, std::uint64_t source_size);

    /// Time counts while one of these lives; they may be within each other.
    class Running {
    public:
        explicit Running(ArchiveBudget& budget);
        ~Running();
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

    private:
        ArchiveBudget& budget_;
    };

    /// Bytes of the source were read.
    void read_source(std::uint64_t bytes);

    /// Bytes came out of a decompressor.
    Result<void> decompressed(std::uint64_t bytes);

    /// A zip says that this is what it holds in all.
    Result<void> promised(std::uint64_t bytes) const;

    Result<void> entry();
    Result<void> time() const;

private:
    using Time = std::chrono::nanoseconds;

    Result<void> sane(std::uint64_t bytes, std::uint64_t of) const;

    ArchiveLimits limits_;
    std::uint64_t source_size_;
    Time allowed_;
    Time spent_{0};
    Time started_{0};
    unsigned running_ = 0;
    std::uint64_t source_read_ = 0;
    std::uint64_t decompressed_ = 0;
    std::uint64_t entries_ = 0;
};

}  // namespace longshore
