#include "http/date.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace longshore {
namespace {

std::tm utc(std::int64_t unix_s) {
    std::tm out{};
    auto seconds = static_cast<std::time_t>(unix_s);
    ::gmtime_r(&seconds, &out);
    return out;
}

}  // namespace

std::string http_date(std::int64_t unix_s) {
    // strftime() would ask the locale.
    constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                  "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> kMonths = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun",
        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    auto at = utc(unix_s);
    std::array<char, 64> text;
    auto size = std::snprintf(
        text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
        kDays[static_cast<std::size_t>(at.tm_wday)], at.tm_mday,
        kMonths[static_cast<std::size_t>(at.tm_mon)], at.tm_year + 1900,
        at.tm_hour, at.tm_min, at.tm_sec);
    return {text.data(), static_cast<std::size_t>(size)};
}

std::string utc_time(std::int64_t unix_ms, bool fraction) {
    auto at = utc(unix_ms / 1000);
    std::array<char, 64> text;
    auto size =
        std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d",
                      at.tm_year + 1900, at.tm_mon + 1, at.tm_mday, at.tm_hour,
                      at.tm_min, at.tm_sec);
    std::string out(text.data(), static_cast<std::size_t>(size));
    if (fraction) {
        size = std::snprintf(text.data(), text.size(), ".%03d",
                             static_cast<int>(unix_ms % 1000));
        out.append(text.data(), static_cast<std::size_t>(size));
    }
    return out + "Z";
}

}  // namespace longshore
