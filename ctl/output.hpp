// What the commands print: aligned tables for people, documents for programs,
// one line for an error. Text from the database or the command line never
// moves a terminal's cursor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "auth/policy.hpp"
#include "common/result.hpp"

namespace longshore {

using Json = nlohmann::ordered_json;

// Exit statuses.
inline constexpr int kDone = 0;
inline constexpr int kNo = 1;      // denied, not found, differences
inline constexpr int kUsage = 2;   // command line, setting, a bad value
inline constexpr int kNotNow = 3;  // the data cannot be worked with now

/// Control characters (C0, C1, DEL) and what is not UTF-8 become "?".
std::string clean(std::string_view text);

/// The exit status that stands for a code.
int exit_status(Code code) noexcept;

/// Says it on standard error, in one line, as a document if `json`.
/// @returns exit_status() of its code
int say_error(const Error& error, bool json);

/// A document and a line end, on standard output.
void print_json(const Json& document);

/// A line of text on standard output, cleaned.
void print_line(std::string_view text);

/// Rows under headings, columns as wide as needed; nothing without rows.
class Table {
public:
    explicit Table(std::vector<std::string> headings);
    /// As many cells as headings; an empty one is shown as "-".
    void add(std::vector<std::string> cells);
    void print() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

/// "2026-11-20T18:00:00Z"; `zero` for 0.
std::string time_text(std::int64_t ms, std::string_view zero);
/// The same, null for 0.
Json time_json(std::int64_t ms);

Json actions_json(ActionSet actions);

/// Words with `between` between.
std::string join(const std::vector<std::string>& words,
                 std::string_view between);

/// "never", "30d" (also w, h, m) from now, or the day "2026-12-31" (UTC) as
/// milliseconds since 1970, 0 for never.
/// @errors invalid_argument
Result<std::int64_t> parse_end(std::string_view text, std::int64_t now_ms);

}  // namespace longshore
