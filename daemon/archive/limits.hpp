// What an archive may be and may cost. Every number that stops a hostile
// archive is here; docs and tests take them from this file. Pure values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace longshore {

/// Containers, and the compressions around them.
enum class Kind : std::uint16_t {
    tar = 1 << 0,
    zip = 1 << 1,
    ar = 1 << 2,
    /// A container without compression around it. A zip needs no such leave:
    /// it compresses its entries and is never compressed itself.
    plain = 1 << 3,
    gzip = 1 << 4,
    bzip2 = 1 << 5,
    xz = 1 << 6,
    zstd = 1 << 7,
    lzma = 1 << 8,
};

/// A set of them. `Kind::tar | Kind::gzip` is .tar.gz and nothing else.
class Kinds {
public:
    constexpr Kinds(Kind kind) noexcept
        : bits_(static_cast<std::uint16_t>(kind)) {}

    constexpr bool has(Kind kind) const noexcept {
        return (bits_ & static_cast<std::uint16_t>(kind)) != 0;
    }
    friend constexpr Kinds operator|(Kinds left, Kinds right) noexcept {
        left.bits_ = static_cast<std::uint16_t>(left.bits_ | right.bits_);
        return left;
    }

private:
    std::uint16_t bits_;
};

constexpr Kinds operator|(Kind left, Kind right) noexcept {
    return Kinds(left) | Kinds(right);
}

/// An entry whose name cannot be meant: absolute, with "..", with control
/// bytes or backslashes, not UTF-8. Too long or too deep is always refused.
enum class BadNames : std::uint8_t { refuse, skip };

/// A link whose target is absolute or leaves the archive. Packages of
/// operating systems have such links, and nothing is ever extracted here.
enum class FarLinks : std::uint8_t { refuse, allow };

/// The second entry of a name (two folders of one name are none).
enum class Duplicates : std::uint8_t { refuse, allow };

struct ArchiveLimits {
    std::uint64_t max_entries = 150'000;
    /// Decompressed bytes, those of nested archives included.
    std::uint64_t max_total_bytes = 8ULL << 30;
    /// Decompressed bytes for each byte of the source, once there are more
    /// than `ratio_floor_bytes`.
    std::uint64_t max_ratio = 200;
    std::uint64_t ratio_floor_bytes = 32U << 20;
    std::size_t max_path_bytes = 4096;
    std::size_t max_path_depth = 100;
    /// Headers of one entry (pax records, long names), ar's table of names.
    std::size_t max_header_bytes = 1U << 20;
    /// What read_entry() holds in memory, whatever its caller asks for.
    std::uint64_t max_memory_bytes = 16U << 20;
    /// What a decompressor may need: 32 MiB dictionaries fit, xz -9 does not.
    std::uint64_t max_decoder_bytes = 40U << 20;
    /// Processor time spent in reading, and more for each MiB of the source:
    /// a large archive is not a hostile one. Time in which the process was
    /// stopped or waited for the disk does not count.
    std::chrono::milliseconds time{2000};
    std::chrono::milliseconds time_per_mib{100};
    /// Archives within the archive; 0 means none.
    unsigned max_nesting = 2;

    BadNames bad_names = BadNames::refuse;
    FarLinks far_links = FarLinks::refuse;
    Duplicates duplicates = Duplicates::refuse;
};

}  // namespace longshore
