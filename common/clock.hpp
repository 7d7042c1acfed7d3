// Wall-clock time as the project stores it.
#pragma once

#include <cstdint>
#include <ctime>
#include <fstream>
#include <string>

namespace longshore {

/// Unix time in milliseconds.
inline std::int64_t unix_ms() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 +
           now.tv_nsec / 1'000'000;
}

/// Another text after each start of the machine; "" if it does not tell.
/// Specification: proc(5), /proc/sys/kernel/random/boot_id.
inline std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string boot;
    file >> boot;
    return boot;
}

}  // namespace longshore
