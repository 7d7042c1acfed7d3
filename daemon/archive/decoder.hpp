// Decompressors as streams, each with a bound on its memory and with its
// checksums verified, which libarchive's own do not all do. Members that
// follow one another (gzip members, bzip2 and xz streams, zstd frames) are one
// stream of bytes; zeros may follow the last gzip member or xz stream, nothing
// else may.
// One object is used by one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "archive/limits.hpp"
#include "archive/stream.hpp"

namespace longshore {

class Decoder final : public ByteStream {
public:
    /// What a library does with the bytes of one member.
    class Codec;

    /// `kind` is one of the compressions. `budget` may be null, and outlives
    /// the decoder.
    Decoder(std::unique_ptr<ByteStream> in, Kind kind,
            std::uint64_t max_memory_bytes, ArchiveBudget* budget);
    ~Decoder() override;

    Result<std::size_t> read(std::span<char> into) override;
    std::uint64_t skip(std::uint64_t bytes) override;

    /// Called at the end of each member with the place in the compressed
    /// bytes where it ended.
    void on_member(std::function<void(std::uint64_t)> told);

private:
    Result<void> refill();
    Result<bool> begin_member();
    Error broken(std::string_view how) const;

    std::unique_ptr<ByteStream> in_;
    Kind kind_;
    std::uint64_t max_memory_bytes_;
    ArchiveBudget* budget_;
    std::unique_ptr<Codec> codec_;
    std::function<void(std::uint64_t)> told_;
    std::vector<char> buffer_;
    const char* next_ = nullptr;
    std::size_t left_ = 0;
    std::uint64_t read_ = 0;
    std::uint64_t members_ = 0;
    bool in_ended_ = false;
    bool between_ = true;
    bool ended_ = false;
};

/// The compression that bytes begin with; Kind::plain if none. lzma, which
/// has no magic number, is never the answer.
Kind compression_of(std::string_view begin) noexcept;

/// "gzip", "tar".
std::string_view kind_name(Kind kind) noexcept;

}  // namespace longshore
