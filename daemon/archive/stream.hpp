// Bytes that come one after the other: a source from its begin, what a
// decompressor gives, an entry of an archive. Used by one thread at a time.
// @errors of all functions here: those of the source, invalid_argument (the
// bytes are not what they should be), too_large (a limit)
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "archive/budget.hpp"
#include "common/byte_source.hpp"

namespace longshore {

class ByteStream {
public:
    ByteStream() = default;
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;
    virtual ~ByteStream() = default;

    /// At least one byte, or 0 at the end.
    virtual Result<std::size_t> read(std::span<char> into) = 0;

    /// Goes forward without reading; how far, 0 where that is not possible.
    virtual std::uint64_t skip(std::uint64_t bytes) = 0;
};

/// A source from its begin. Source and budget outlive the stream.
class SourceStream final : public ByteStream {
public:
    SourceStream(const ByteSource& source, ArchiveBudget* budget) noexcept
        : source_(source), budget_(budget) {}

    Result<std::size_t> read(std::span<char> into) override;
    std::uint64_t skip(std::uint64_t bytes) override;

private:
    const ByteSource& source_;
    ArchiveBudget* budget_;
    std::uint64_t offset_ = 0;
};

/// Fills `into` as far as the stream goes.
Result<std::size_t> read_full(ByteStream& stream, std::span<char> into);

}  // namespace longshore
