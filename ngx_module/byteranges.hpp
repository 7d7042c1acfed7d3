// Bodies of 206 answers: one file buffer for a single range; for several, a
// multipart/byteranges document whose part headers lie between file buffers.
// One part per range, in the order asked, nothing merged: lazy pullers match
// parts to ranges by position. Specification: RFC 9110 section 14.6.
#pragma once

#include <span>
#include <string_view>

#include "common/range.hpp"
#include "ngx_module/ngx.hpp"

namespace longshore {

/// A response body that reads from one open file. `file` is shared by all of
/// its buffers and must live in the request's pool.
struct FileBody {
    ngx_chain_t* chain = nullptr;
    off_t size_bytes = 0;  // exact Content-Length
    ngx_str_t content_type = {0, nullptr};
    ngx_str_t content_range = {0, nullptr};  // empty for multipart
};

/// Body of one range; false when memory is out.
bool single_range(ngx_http_request_t* r, ngx_file_t* file, ByteRange range,
                  std::uint64_t size, FileBody& out) noexcept;

/// multipart/byteranges over at least two ranges; false when memory is out.
bool multiple_ranges(ngx_http_request_t* r, ngx_file_t* file,
                     std::span<const ByteRange> ranges, std::uint64_t size,
                     std::string_view media_type, FileBody& out) noexcept;

/// "bytes */<size>", what a 416 carries; in the pool, empty when memory is
/// out.
ngx_str_t unsatisfied_range(ngx_http_request_t* r, std::uint64_t size) noexcept;

}  // namespace longshore
