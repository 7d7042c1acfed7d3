#include "archive/xz_blocks.hpp"

#include <lzma.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <new>

namespace longshore {
namespace {

constexpr std::uint32_t kLeastWindow = 64 * 1024;
constexpr auto kCheck = LZMA_CHECK_CRC64;

void must(lzma_ret answer) {
    // With sound parameters it fails for want of memory only.
    if (answer != LZMA_OK) {
        throw std::bad_alloc();
    }
}

std::uint8_t* bytes_of(std::string& text) {
    return reinterpret_cast<std::uint8_t*>(text.data());
}

}  // namespace

std::string xz_head() {
    lzma_stream_flags flags{};
    flags.check = kCheck;
    std::string out(LZMA_STREAM_HEADER_SIZE, '\0');
    must(::lzma_stream_header_encode(&flags, bytes_of(out)));
    return out;
}

XzBlock xz_block(std::string_view bytes, unsigned level) {
    lzma_options_lzma options{};
    // True for a level that there is none of.
    if (::lzma_lzma_preset(&options, level) != 0) {
        throw std::bad_alloc();
    }
    // A window beyond the text finds nothing more and costs its clearing.
    options.dict_size = std::max(
        kLeastWindow, static_cast<std::uint32_t>(std::min<std::uint64_t>(
                          options.dict_size, std::bit_ceil(bytes.size()))));
    lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options},
                             {LZMA_VLI_UNKNOWN, nullptr}};
    lzma_block block{};
    block.version = 1;
    block.check = kCheck;
    block.filters = filters;
    XzBlock out;
    out.bytes.resize(::lzma_block_buffer_bound(bytes.size()));
    std::size_t size = 0;
    must(::lzma_block_buffer_encode(
        &block, nullptr, reinterpret_cast<const std::uint8_t*>(bytes.data()),
        bytes.size(), bytes_of(out.bytes), &size, out.bytes.size()));
    out.bytes.resize(size);
    out.sizes = {::lzma_block_unpadded_size(&block), bytes.size()};
    return out;
}

std::string xz_end(std::span<const XzSizes> blocks) {
    auto end = [](lzma_index* index) { ::lzma_index_end(index, nullptr); };
    std::unique_ptr<lzma_index, decltype(end)> index(::lzma_index_init(nullptr),
                                                     end);
    if (!index) {
        throw std::bad_alloc();
    }
    for (const auto& one : blocks) {
        must(
            ::lzma_index_append(index.get(), nullptr, one.unpadded, one.plain));
    }
    lzma_stream_flags flags{};
    flags.check = kCheck;
    flags.backward_size = ::lzma_index_size(index.get());
    std::string out(flags.backward_size + LZMA_STREAM_HEADER_SIZE, '\0');
    std::size_t size = 0;
    must(::lzma_index_buffer_encode(index.get(), bytes_of(out), &size,
                                    out.size()));
    must(::lzma_stream_footer_encode(&flags, bytes_of(out) + size));
    return out;
}

}  // namespace longshore
