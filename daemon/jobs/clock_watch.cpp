#include "jobs/clock_watch.hpp"

#include <ctime>

#include <spdlog/spdlog.h>

#include "common/range.hpp"
#include "db/journal.hpp"

namespace longshore {

std::int64_t boot_clock_ms() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 +
           now.tv_nsec / 1'000'000;
}

// The row is the mark and, where there is one, the end of the quiet time.
Result<void> ClockWatch::load() {
    std::string text;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::meta(t, key_));
        text = std::move(found);
        return {};
    }));
    auto end = text.find('\n');
    auto mark = parse_mark(std::string_view(text).substr(0, end));
    auto until = end == std::string::npos
                     ? std::nullopt
                     : parse_decimal(std::string_view(text).substr(end + 1));
    mark_ = mark.value_or(ClockMark{});
    until_ms_ = until ? static_cast<std::int64_t>(*until) : 0;
    loaded_ = true;
    return {};
}

Result<void> ClockWatch::store() const {
    auto text = write_mark(mark_);
    if (until_ms_ != 0) {
        text += std::to_string(until_ms_);
    }
    return database_.write([&](Transaction& t) -> Result<void> {
        return db::set_meta(t, key_, text);
    });
}

Result<bool> ClockWatch::is_quiet() {
    if (!loaded_) {
        LS_CHECK(load());
    }
    auto now = clock_();
    auto boot_ms = boot_ms_();
    bool same_start = now.boot == mark_.boot;
    bool was_quiet = until_ms_ != 0;
    // Of another start of the machine nothing is known but that the clock had
    // been set not long before.
    bool begins = same_start ? was_set(mark_, now) : was_quiet;
    bool ends = same_start && was_quiet && boot_ms >= until_ms_;
    if (begins) {
        spdlog::warn("the clock was set: nothing goes for its age for {} s",
                     quiet_s_);
        until_ms_ = boot_ms + quiet_s_ * 1000;
    } else if (ends) {
        until_ms_ = 0;
    }
    if (begins || ends || !same_start) {
        mark_ = now;
        stored_ = false;
    }
    if (!stored_) {
        LS_CHECK(store());
        stored_ = true;
    }
    return until_ms_ != 0;
}

}  // namespace longshore
