// The log: one JSON object per line on standard error. What other folders log
// through spdlog's default logger comes out in the same form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// Makes spdlog's default logger write JSON lines.
/// @param level  "debug" "info" "warning" "error"
/// @errors invalid_argument
Result<void> start_log(std::string_view level);

/// Builds the fields of one line:
///     LogLine("request").text("method", "GET").number("status", 200)
/// Nothing is built when the level is off: ask log_enabled() first.
class LogLine {
public:
    explicit LogLine(std::string_view event);
    LogLine& text(std::string_view name,
                  std::string_view value);  // "" left out
    LogLine& number(std::string_view name, std::int64_t value);

    void debug() const;
    void info() const;
    void warning() const;
    void error() const;

private:
    std::string fields_;
};

bool log_debug_enabled();

}  // namespace longshore
