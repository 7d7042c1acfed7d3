#include "archive/feed.hpp"

#include <algorithm>
#include <utility>

namespace longshore {
namespace {

// A multiple of tar's blocks, so that none of those lies in two of ours.
constexpr std::size_t kBlockBytes = 64 * 1024;

}  // namespace

Feed::Feed(std::unique_ptr<ByteStream> stream)
    : stream_(std::move(stream)), block_(kBlockBytes) {}

/// How many bytes came. Where there are no more the last block stays, for it
/// may hold bytes that libarchive read and did not take.
Result<std::size_t> Feed::fill() {
    std::size_t size = 0;
    if (ahead_size_) {
        size = *ahead_size_;
        ahead_size_.reset();
        if (size > 0) {
            block_.swap(ahead_);
        }
    } else {
        LS_TRY(got, read_full(*stream_, block_));
        size = got;
    }
    if (size > 0) {
        begin_ += size_;
        size_ = size;
    }
    ended_ = size == 0;
    return size;
}

Result<void> Feed::look_ahead() {
    if (!ahead_size_) {
        ahead_.resize(kBlockBytes);
        LS_TRY(size, read_full(*stream_, ahead_));
        ahead_size_ = size;
    }
    return {};
}

Result<std::string> Feed::at(std::uint64_t offset, std::size_t size) {
    std::string bytes(block_from(offset).substr(0, size));
    if (bytes.size() < size) {
        LS_CHECK(look_ahead());
        auto end = begin_ + size_;
        auto from = static_cast<std::size_t>(std::min<std::uint64_t>(
            offset - std::min(offset, end), *ahead_size_));
        bytes += std::string_view(ahead_.data(), *ahead_size_)
                     .substr(from, size - bytes.size());
    }
    return bytes;
}

std::string_view Feed::block_from(std::uint64_t offset) const {
    auto skipped = offset > begin_ ? offset - begin_ : 0;
    std::string_view block(block_.data(), size_);
    return block.substr(
        static_cast<std::size_t>(std::min<std::uint64_t>(skipped, size_)));
}

Result<std::string_view> Feed::peek() {
    LS_TRY(size, fill());
    peeked_ = true;
    return std::string_view(block_.data(), size);
}

Result<std::string_view> Feed::read() {
    if (peeked_) {
        peeked_ = false;
        return std::string_view(block_.data(), size_);
    }
    if (in_header_ && !ended_) {
        auto left = block_from(header_begin_);
        if (left.size() > header_left_) {
            return Error{Code::too_large, "archive entry's header is too long"};
        }
        header_ += left;
        header_left_ -= left.size();
    }
    LS_TRY(size, fill());
    return std::string_view(block_.data(), size);
}

std::uint64_t Feed::skip(std::uint64_t bytes) {
    if (peeked_ || in_header_ || ahead_size_) {
        return 0;
    }
    auto done = stream_->skip(bytes);
    if (done > 0) {
        begin_ += size_ + done;
        size_ = 0;
    }
    return done;
}

void Feed::begin_header(std::uint64_t offset, std::size_t max_bytes) {
    in_header_ = true;
    header_left_ = max_bytes;
    header_begin_ = offset;
    header_.clear();
}

std::string_view Feed::end_header(std::uint64_t offset) {
    in_header_ = false;
    auto size =
        static_cast<std::size_t>(offset - std::min(offset, header_begin_));
    if (header_.size() < size) {
        header_ += block_from(header_begin_).substr(0, size - header_.size());
    }
    return std::string_view(header_).substr(0, size);
}

Result<bool> Feed::only_zeros_from(std::uint64_t offset) {
    for (auto left = block_from(offset);; left = block_from(begin_)) {
        if (left.find_first_not_of('\0') != std::string_view::npos) {
            return false;
        }
        LS_TRY(size, fill());
        if (size == 0) {
            return true;
        }
    }
}

Result<bool> Feed::ends_at(std::uint64_t offset) {
    if (!block_from(offset).empty()) {
        return false;
    }
    LS_TRY(size, fill());
    return size == 0;
}

}  // namespace longshore
