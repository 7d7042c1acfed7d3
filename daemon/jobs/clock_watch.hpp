// ClockWatch: whether files are as old as they look. Their ages are by the
// wall clock; after somebody has set that, nothing is removed for its age
// until as much time has passed as the age that is asked for. What it knows is
// kept in the database: a restart of the daemon must not forget it.
// Used by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "auth/clock_mark.hpp"
#include "common/result.hpp"

namespace longshore {

class Database;

/// Milliseconds since the machine's start, suspended ones too.
std::int64_t boot_clock_ms() noexcept;

class ClockWatch {
public:
    /// `key`: of the row of `meta`; a static string. `quiet_s`: for how long
    /// after the clock was set. The clocks are parameters for tests.
    ClockWatch(Database& database, std::string_view key, std::int64_t quiet_s,
               std::function<ClockMark()> clock = read_clock,
               std::function<std::int64_t()> boot_ms = boot_clock_ms)
        : database_(database),
          key_(key),
          quiet_s_(quiet_s),
          clock_(std::move(clock)),
          boot_ms_(std::move(boot_ms)) {}

    /// Looks at the clock; true while ages mean nothing.
    /// @errors unavailable, corrupt
    Result<bool> is_quiet();

private:
    Result<void> load();
    Result<void> store() const;

    Database& database_;
    std::string_view key_;
    std::int64_t quiet_s_;
    std::function<ClockMark()> clock_;
    std::function<std::int64_t()> boot_ms_;
    bool loaded_ = false;
    bool stored_ = true;
    ClockMark mark_;
    std::int64_t until_ms_ = 0;  // by the clock of the machine's start
};

}  // namespace longshore
