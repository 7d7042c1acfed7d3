#include "archive/stream.hpp"

#include <algorithm>

namespace longshore {

Result<std::size_t> SourceStream::read(std::span<char> into) {
    LS_TRY(size, source_.read_at(offset_, into));
    offset_ += size;
    if (budget_ != nullptr) {
        budget_->read_source(size);
        LS_CHECK(budget_->time());
    }
    return size;
}

std::uint64_t SourceStream::skip(std::uint64_t bytes) {
    auto size = source_.size();
    auto left = size > offset_ ? size - offset_ : 0;
    auto step = std::min(bytes, left);
    offset_ += step;
    return step;
}

Result<std::size_t> read_full(ByteStream& stream, std::span<char> into) {
    std::size_t done = 0;
    while (done < into.size()) {
        LS_TRY(size, stream.read(into.subspan(done)));
        if (size == 0) {
            break;
        }
        done += size;
    }
    return done;
}

}  // namespace longshore
