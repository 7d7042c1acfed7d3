// Bytes that may be read at any place: what a parser of large input sees
// instead of a file, so that nobody has to hold a package in memory. Level 0,
// because the readers of archives and of documents share it. A source may be
// read by several threads where its class says so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

class ByteSource {
public:
    ByteSource() = default;
    virtual ~ByteSource() = default;
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;

    /// Bytes in all; does not change while anybody reads.
    virtual std::uint64_t size() const = 0;

    /// Reads at `offset` as much as there is, at most into.size() bytes, and
    /// returns how much that was: less only at the end, 0 from there on.
    /// @errors what reading can end with (internal, unavailable, corrupt)
    virtual Result<std::size_t> read_at(std::uint64_t offset,
                                        std::span<char> into) const = 0;
};

/// Memory of the caller's, which outlives the source. Any thread.
class MemorySource : public ByteSource {
public:
    explicit MemorySource(std::string_view bytes) noexcept : bytes_(bytes) {}

    std::uint64_t size() const override { return bytes_.size(); }
    Result<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> into) const override {
        if (offset >= bytes_.size() || into.empty()) {
            return std::size_t{0};
        }
        const auto rest = bytes_.substr(static_cast<std::size_t>(offset));
        const auto taken = std::min(rest.size(), into.size());
        std::memcpy(into.data(), rest.data(), taken);
        return taken;
    }

private:
    std::string_view bytes_;
};

/// Takes bytes as they come. An error ends whoever calls it, which returns
/// that error.
using ByteSink = std::function<Result<void>(std::string_view)>;

}  // namespace longshore
