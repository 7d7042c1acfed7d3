// Dates as HTTP headers have them. Specification: RFC 9110 section 5.6.7.
// Pure.
#pragma once

#include <cstdint>
#include <string>

namespace longshore {

/// "Sun, 06 Nov 1994 08:49:37 GMT" of Unix seconds.
std::string http_date(std::int64_t unix_s);

/// "1994-11-06T08:49:37Z" (RFC 3339), with milliseconds if `fraction`:
/// "1994-11-06T08:49:37.123Z".
std::string utc_time(std::int64_t unix_ms, bool fraction = false);

}  // namespace longshore
