// QuietClock: who removes things by their age does nothing for a while after
// somebody set the wall clock, in this life or between two of them on one
// start of the machine. One thread.
// @errors of all functions here: those of Database.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "auth/clock_mark.hpp"
#include "common/result.hpp"

namespace longshore {

class Database;

class QuietClock {
public:
    /// `meta`: where the mark is kept; `what`: is not done then, for the log;
    /// both for ever.
    QuietClock(Database& database, std::string_view meta, std::string_view what,
               std::int64_t quiet_s)
        : database_(database), meta_(meta), what_(what), quiet_s_(quiet_s) {}

    /// Reads the mark of the life before. Once.
    Result<void> begin();
    /// Before each decision.
    Result<void> look();
    bool is_quiet() const;

private:
    Database& database_;
    std::string_view meta_;
    std::string_view what_;
    std::int64_t quiet_s_;
    ClockMark clock_;
    std::optional<std::chrono::steady_clock::time_point> quiet_until_;
};

}  // namespace longshore
