// What a parser of large input works with: the bytes of a source from some
// place on, a window of them in memory, and the sink that pieces of them go
// to. One window, one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/byte_source.hpp"
#include "common/result.hpp"

namespace longshore {

/// Takes bytes piece by piece; an error ends what hands them on.
using ByteSink = std::function<Result<void>(std::string_view bytes)>;

class ByteWindow {
public:
    /// `size` bytes are read at a time; the source outlives the window.
    ByteWindow(const ByteSource& source, std::size_t size)
        : source_(source), size_(std::max<std::size_t>(size, 1)) {}

    /// What is in memory; valid until the next call that is not const.
    std::string_view view() const noexcept {
        return std::string_view(bytes_).substr(start_);
    }
    /// At most what is in view.
    void skip(std::size_t count) noexcept { start_ += count; }

    /// Nothing of the source is left but what is in view.
    bool at_end() const noexcept { return at_end_; }

    /// Reads on until `count` bytes are in view, or all that are left.
    /// @errors what the source ends with
    Result<void> need(std::size_t count) {
        while (!at_end_ && view().size() < count) {
            bytes_.erase(0, start_);
            start_ = 0;
            const auto had = bytes_.size();
            const auto left = source_.size() - place_;
            const auto wanted = std::max(size_, count - had);
            bytes_.resize(had + static_cast<std::size_t>(
                                    std::min<std::uint64_t>(wanted, left)));
            LS_TRY(read,
                   source_.read_at(place_, std::span(bytes_).subspan(had)));
            bytes_.resize(had + read);
            place_ += read;
            at_end_ = read == 0 || place_ >= source_.size();
        }
        return {};
    }

    /// At least one byte more than there is, unless it is the end.
    /// @errors what the source ends with
    Result<void> more() { return need(view().size() + 1); }

private:
    const ByteSource& source_;
    std::size_t size_;
    std::string bytes_;
    std::size_t start_ = 0;
    std::uint64_t place_ = 0;
    bool at_end_ = false;
};

}  // namespace longshore
