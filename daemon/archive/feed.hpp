// What libarchive reads: a stream in blocks of one size, counted, with a
// bound on what a header may take and with the bytes of the last header kept.
// Its calls come from C code, so an error is kept here and -1 is returned.
// One object is used by one thread at a time.
// @errors of all functions here: those of the stream
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/stream.hpp"

namespace longshore {

class Feed {
public:
    explicit Feed(std::unique_ptr<ByteStream> stream);

    /// The begin of what will be read, at most one block; before any read.
    Result<std::string_view> peek();

    /// Up to `size` bytes at `offset`, which is the place that was reached;
    /// fewer only at the end. At most one block.
    Result<std::string> at(std::uint64_t offset, std::size_t size);

    /// The next block, empty at the end. Valid until the next call.
    Result<std::string_view> read();

    /// Goes forward, if the stream can; how far.
    std::uint64_t skip(std::uint64_t bytes);

    /// A header begins at `offset`; from now on at most `max_bytes` are read.
    void begin_header(std::uint64_t offset, std::size_t max_bytes);

    /// The header's bytes, up to `offset`. Valid until the next call. From
    /// now on any number of bytes may be read.
    std::string_view end_header(std::uint64_t offset);

    /// True if all bytes from `offset` to the end are zero.
    Result<bool> only_zeros_from(std::uint64_t offset);

    /// True if nothing follows `offset`.
    Result<bool> ends_at(std::uint64_t offset);

private:
    Result<std::size_t> fill();
    Result<void> look_ahead();
    std::string_view block_from(std::uint64_t offset) const;

    std::unique_ptr<ByteStream> stream_;
    std::vector<char> block_;
    std::vector<char> ahead_;  // the block after it, where it was needed
    std::optional<std::size_t> ahead_size_;
    std::size_t size_ = 0;     // of the block that was read last
    std::uint64_t begin_ = 0;  // where that block begins
    bool peeked_ = false;
    bool ended_ = false;
    bool in_header_ = false;
    std::size_t header_left_ = 0;
    std::uint64_t header_begin_ = 0;
    std::string header_;
};

}  // namespace longshore
