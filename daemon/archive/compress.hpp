// Compression of what the registry makes itself (indexes, manifests of
// packages), the same bytes for the same input on every machine: gzip has no
// name and no time, nothing depends on threads or on how the input was cut.
// The compressed parts of a whole may be joined: members, streams and frames
// that follow one another decompress to the joined parts.
// One object is used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "archive/limits.hpp"
#include "common/byte_source.hpp"

namespace longshore {

enum class Encoding : std::uint8_t { gzip, bzip2, xz, zstd };

/// 6 for gzip, 9 for bzip2, 3 for xz, 9 for zstd: each within 40 MiB of
/// memory. xz ends at 6, which takes 94 MiB; its 9 would take 674.
constexpr int kDefaultLevel = -1;

class Compressor {
public:
    /// A `level` beyond those of the encoding is the nearest of them.
    Compressor(Encoding encoding, ByteSink sink, int level = kDefaultLevel);
    ~Compressor();
    Compressor(Compressor&& other) noexcept;
    Compressor& operator=(Compressor&& other) noexcept;

    /// @errors those of the sink
    Result<void> update(std::string_view bytes);

    /// Ends the member; the next update() begins another one.
    /// @errors those of the sink
    Result<void> finish();

    /// What a library does.
    class Codec;

private:
    Result<void> run(std::string_view bytes, bool last);

    std::unique_ptr<Codec> codec_;
    ByteSink sink_;
    std::vector<char> buffer_;
};

std::string compress(Encoding encoding, std::string_view bytes,
                     int level = kDefaultLevel);

/// All members of `bytes`.
/// @errors invalid_argument (damaged, cut short, followed by other data),
/// too_large (more than `max_bytes`, or its dictionary more than
/// `max_decoder_bytes` of ArchiveLimits)
Result<std::string> decompress(Encoding encoding, std::string_view bytes,
                               std::uint64_t max_bytes);

/// The same of a source, in pieces, within the limits on time, ratio and
/// size.
/// @errors invalid_argument, too_large, and those of source and sink
Result<void> decompress(Encoding encoding, const ByteSource& source,
                        const ArchiveLimits& limits, const ByteSink& sink);

/// Where the gzip members of a source end, in order: the last number is its
/// size, but for zeros that may follow. An apk package is three members whose
/// own digests count.
/// @errors invalid_argument, too_large, and those of the source
Result<std::vector<std::uint64_t>> gzip_members(const ByteSource& source,
                                                const ArchiveLimits& limits);

}  // namespace longshore
