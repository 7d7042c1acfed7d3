// Wall-clock time as the project stores it.
#pragma once

#include <cstdint>
#include <ctime>

namespace longshore {

/// Unix time in milliseconds.
inline std::int64_t unix_ms() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 +
           now.tv_nsec / 1'000'000;
}

}  // namespace longshore
