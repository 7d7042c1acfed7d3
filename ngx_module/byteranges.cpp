#include "ngx_module/byteranges.hpp"

#include <sys/random.h>

#include <array>
#include <charconv>
#include <cstring>

#include "common/encoding.hpp"
#include "ngx_module/str.hpp"

namespace longshore {
namespace {

// "-", "/" and three numbers of at most 20 digits.
constexpr std::size_t kMaxRangeText = 80;

// Appends text to memory that was sized for it.
class Writer {
public:
    explicit Writer(u_char* out) noexcept : start_(out), out_(out) {}

    Writer& text(std::string_view bytes) noexcept {
        std::memcpy(out_, bytes.data(), bytes.size());
        out_ += bytes.size();
        return *this;
    }
    Writer& number(std::uint64_t value) noexcept {
        std::array<char, 20> digits;
        auto end =
            std::to_chars(digits.data(), digits.data() + digits.size(), value)
                .ptr;
        return text(
            {digits.data(), static_cast<std::size_t>(end - digits.data())});
    }
    /// "<first>-<last>/<size>"
    Writer& range(ByteRange range, std::uint64_t size) noexcept {
        return number(range.first)
            .text("-")
            .number(range.last)
            .text("/")
            .number(size);
    }

    u_char* end() const noexcept { return out_; }
    ngx_str_t str() const noexcept {
        return {static_cast<std::size_t>(out_ - start_), start_};
    }

private:
    u_char* start_;
    u_char* out_;
};

void fill_file_buffer(ngx_buf_t& buffer, ngx_file_t* file,
                      ByteRange range) noexcept {
    buffer.file = file;
    buffer.file_pos = static_cast<off_t>(range.first);
    buffer.file_last = static_cast<off_t>(range.last) + 1;
    buffer.in_file = 1;
}

void fill_memory_buffer(ngx_buf_t& buffer, u_char* first,
                        u_char* last) noexcept {
    buffer.pos = buffer.start = first;
    buffer.last = buffer.end = last;
    buffer.memory = 1;
}

}  // namespace

bool single_range(ngx_http_request_t* r, ngx_file_t* file, ByteRange range,
                  std::uint64_t size, FileBody& out) noexcept {
    auto* buffer = static_cast<ngx_buf_t*>(ngx_calloc_buf(r->pool));
    auto* link = ngx_alloc_chain_link(r->pool);
    auto* text = static_cast<u_char*>(ngx_pnalloc(r->pool, kMaxRangeText));
    if (buffer == nullptr || link == nullptr || text == nullptr) {
        return false;
    }
    fill_file_buffer(*buffer, file, range);
    buffer->last_buf = r == r->main;
    buffer->last_in_chain = 1;
    *link = {buffer, nullptr};
    out.chain = link;
    out.size_bytes = static_cast<off_t>(range.size());
    out.content_range = Writer(text).text("bytes ").range(range, size).str();
    return true;
}

bool multiple_ranges(ngx_http_request_t* r, ngx_file_t* file,
                     std::span<const ByteRange> ranges, std::uint64_t size,
                     std::string_view media_type, FileBody& out) noexcept {
    // Not to be guessed: a blob that holds the boundary would end its part.
    std::array<std::uint8_t, 16> unique;
    if (::getrandom(unique.data(), unique.size(), 0) !=
        static_cast<ssize_t>(unique.size())) {
        return false;
    }
    std::array<char, 32> hex;
    hex_encode(unique, hex.data());
    std::string_view boundary{hex.data(), hex.size()};

    constexpr std::string_view kType = "multipart/byteranges; boundary=";
    auto* type = static_cast<u_char*>(
        ngx_pnalloc(r->pool, kType.size() + boundary.size()));
    // Every part starts alike; only the range differs.
    auto* prefix = static_cast<u_char*>(
        ngx_pnalloc(r->pool, boundary.size() + media_type.size() + 64));
    if (type == nullptr || prefix == nullptr) {
        return false;
    }
    out.content_type = Writer(type).text(kType).text(boundary).str();
    auto start = view(Writer(prefix)
                          .text("\r\n--")
                          .text(boundary)
                          .text("\r\nContent-Type: ")
                          .text(media_type)
                          .text("\r\nContent-Range: bytes ")
                          .str());

    auto parts = ranges.size();
    auto* buffers = static_cast<ngx_buf_t*>(
        ngx_pcalloc(r->pool, (2 * parts + 1) * sizeof(ngx_buf_t)));
    auto* links = static_cast<ngx_chain_t*>(
        ngx_palloc(r->pool, (2 * parts + 1) * sizeof(ngx_chain_t)));
    auto* text = static_cast<u_char*>(ngx_pnalloc(
        r->pool, parts * (start.size() + kMaxRangeText) + boundary.size() + 8));
    if (buffers == nullptr || links == nullptr || text == nullptr) {
        return false;
    }
    off_t total = 0;
    for (std::size_t i = 0; i < parts; ++i) {
        auto* end = Writer(text)
                        .text(start)
                        .range(ranges[i], size)
                        .text("\r\n\r\n")
                        .end();
        fill_memory_buffer(buffers[2 * i], text, end);
        fill_file_buffer(buffers[2 * i + 1], file, ranges[i]);
        total += (end - text) + static_cast<off_t>(ranges[i].size());
        text = end;
    }
    auto* end = Writer(text).text("\r\n--").text(boundary).text("--\r\n").end();
    auto& last = buffers[2 * parts];
    fill_memory_buffer(last, text, end);
    last.last_buf = r == r->main;
    last.last_in_chain = 1;
    total += end - text;

    for (std::size_t i = 0; i <= 2 * parts; ++i) {
        links[i] = {&buffers[i], i < 2 * parts ? &links[i + 1] : nullptr};
    }
    out.chain = links;
    out.size_bytes = total;
    return true;
}

ngx_str_t unsatisfied_range(ngx_http_request_t* r,
                            std::uint64_t size) noexcept {
    auto* text = static_cast<u_char*>(ngx_pnalloc(r->pool, kMaxRangeText));
    if (text == nullptr) {
        return {0, nullptr};
    }
    return Writer(text).text("bytes */").number(size).str();
}

}  // namespace longshore
