// ClockMark: what tells that the wall clock was set back. The wall clock's time
// of the machine's start stays the same until somebody sets the clock: slewing
// moves both clocks. Pure but for read_clock().
// Specification: clock_gettime(2), CLOCK_BOOTTIME; proc(5), boot_id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace longshore {

struct ClockMark {
    std::string boot;           // which start of the machine; "" if unknown
    std::int64_t began_ms = 0;  // when that was, by the wall clock
};

/// Steps of the clock that are no more than this are not seen as such.
inline constexpr std::int64_t kClockNoiseMs = 1000;

/// That of now.
ClockMark read_clock();

/// "<boot> <began_ms>\n"
std::string write_mark(const ClockMark& mark);
std::optional<ClockMark> parse_mark(std::string_view text);

/// Whether a time that was read at `before` may be later than what is read
/// at `now` or after it. Of another start of the machine nothing is known.
bool was_set_back(const ClockMark& before, const ClockMark& now) noexcept;
/// Whether the clock was set, in either direction.
bool was_set(const ClockMark& before, const ClockMark& now) noexcept;

}  // namespace longshore
