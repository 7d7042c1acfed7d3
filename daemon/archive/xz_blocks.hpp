// One xz stream put together from blocks that were compressed apart. Clients
// that stop at the end of the first stream (apt) read such a file to its end,
// which they do not with streams that follow one another.
//
//     xz_head() block block … xz_end(sizes of the blocks)
//
// Pure functions, the same bytes for the same input on every machine.
// Specification: The .xz File Format 1.0.4.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace longshore {

/// What the end of the stream says of a block.
struct XzSizes {
    std::uint64_t unpadded = 0;
    std::uint64_t plain = 0;
};

struct XzBlock {
    std::string bytes;
    XzSizes sizes;
};

std::string xz_head();

/// `level` 0 to 9; 3 needs 32 MiB while it runs.
XzBlock xz_block(std::string_view bytes, unsigned level);

std::string xz_end(std::span<const XzSizes> blocks);

}  // namespace longshore
