#include "auth/clock_mark.hpp"

#include <ctime>

#include "common/clock.hpp"
#include "common/range.hpp"

namespace longshore {
namespace {

std::int64_t boot_ms() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 +
           now.tv_nsec / 1'000'000;
}

}  // namespace

ClockMark read_clock() {
    static const auto kBoot = boot_id();
    ClockMark mark;
    mark.boot = kBoot;
    // A thread that was stopped between the two would be seen as a step.
    constexpr int kTries = 5;
    for (int i = 0; i < kTries; ++i) {
        auto before = boot_ms();
        mark.began_ms = unix_ms() - before;
        if (boot_ms() - before < kClockNoiseMs / 4) {
            break;
        }
    }
    return mark;
}

std::string write_mark(const ClockMark& mark) {
    return mark.boot + " " + std::to_string(mark.began_ms) + "\n";
}

std::optional<ClockMark> parse_mark(std::string_view text) {
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    auto space = text.find(' ');
    auto began = space == std::string_view::npos
                     ? std::nullopt
                     : parse_decimal(text.substr(space + 1));
    if (!began || *began > INT64_MAX) {
        return std::nullopt;
    }
    return ClockMark{std::string(text.substr(0, space)),
                     static_cast<std::int64_t>(*began)};
}

bool was_set_back(const ClockMark& before, const ClockMark& now) noexcept {
    return before.boot != now.boot ||
           now.began_ms < before.began_ms - kClockNoiseMs;
}

bool was_set(const ClockMark& before, const ClockMark& now) noexcept {
    return was_set_back(before, now) ||
           now.began_ms > before.began_ms + kClockNoiseMs;
}

}  // namespace longshore
