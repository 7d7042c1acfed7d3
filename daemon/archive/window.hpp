// The two ends of a compression library's work: what there is to read and
// the room to write to.
#pragma once

#include <cstddef>

namespace longshore {

struct Window {
    const char* in;
    std::size_t in_left;
    char* out;
    std::size_t out_left;

    /// So much is left now.
    void advance(std::size_t in_now, std::size_t out_now) noexcept {
        in += in_left - in_now;
        in_left = in_now;
        out += out_left - out_now;
        out_left = out_now;
    }
};

}  // namespace longshore
