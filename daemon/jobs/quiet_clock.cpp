#include "jobs/quiet_clock.hpp"

#include <string>

#include <spdlog/spdlog.h>

#include "db/database.hpp"
#include "db/journal.hpp"

namespace longshore {

using std::chrono::steady_clock;

Result<void> QuietClock::begin() {
    std::string mark;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(text, db::meta(t, meta_));
        mark = std::move(text);
        return {};
    }));
    // Without a mark, or of another start of the machine, nothing is known.
    clock_ = parse_mark(mark).value_or(ClockMark{});
    return {};
}

Result<void> QuietClock::look() {
    auto now = read_clock();
    if (now.boot == clock_.boot && !was_set(clock_, now)) {
        return {};
    }
    if (now.boot == clock_.boot) {
        quiet_until_ = steady_clock::now() + std::chrono::seconds(quiet_s_);
        spdlog::warn("the clock was set: no {} for {} s", what_, quiet_s_);
    }
    clock_ = now;
    auto mark = write_mark(clock_);
    return database_.write([&](Transaction& t) -> Result<void> {
        return db::set_meta(t, meta_, mark);
    });
}

bool QuietClock::is_quiet() const {
    return quiet_until_ && steady_clock::now() < *quiet_until_;
}

}  // namespace longshore
