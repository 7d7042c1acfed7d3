// Little-endian byte records: what the seam's messages and the state file of
// an upload are made of. The reader never reads past its end: after the first
// short read it is failed() and every later read yields zero or empty.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace longshore {

class ByteWriter {
public:
    void u8(std::uint8_t value) { out_ += static_cast<char>(value); }
    void u16(std::uint16_t value) { number(value, 2); }
    void u32(std::uint32_t value) { number(value, 4); }
    void u64(std::uint64_t value) { number(value, 8); }

    /// u32 length, then the bytes.
    void text(std::string_view bytes) {
        u32(static_cast<std::uint32_t>(bytes.size()));
        out_ += bytes;
    }
    void raw(std::string_view bytes) { out_ += bytes; }

    const std::string& str() const noexcept { return out_; }
    std::string take() { return std::move(out_); }

private:
    void number(std::uint64_t value, int bytes) {
        for (int i = 0; i < bytes; ++i) {
            out_ += static_cast<char>(value >> (8 * i));
        }
    }

    std::string out_;
};

class ByteReader {
public:
    explicit ByteReader(std::string_view in) noexcept : in_(in) {}

    std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() noexcept {
        return static_cast<std::uint16_t>(number(2));
    }
    std::uint32_t u32() noexcept {
        return static_cast<std::uint32_t>(number(4));
    }
    std::uint64_t u64() noexcept { return number(8); }

    /// A view into the input, valid as long as it is.
    std::string_view text() noexcept { return raw(u32()); }
    std::string_view raw(std::size_t size) noexcept {
        if (size > in_.size()) {
            fail();
            return {};
        }
        auto bytes = in_.substr(0, size);
        in_.remove_prefix(size);
        return bytes;
    }

    /// What was read cannot be meant.
    void fail() noexcept {
        failed_ = true;
        in_ = {};
    }
    bool failed() const noexcept { return failed_; }
    std::size_t left() const noexcept { return in_.size(); }

private:
    std::uint64_t number(std::size_t size) noexcept {
        auto bytes = raw(size);
        std::uint64_t value = 0;
        for (std::size_t i = bytes.size(); i > 0; --i) {
            value = value << 8 | static_cast<std::uint8_t>(bytes[i - 1]);
        }
        return value;
    }

    std::string_view in_;
    bool failed_ = false;
};

}  // namespace longshore
