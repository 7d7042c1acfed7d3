// A header's value with parameters, as Content-Type and Content-Disposition
// have it (RFC 9110 section 5.6.6, RFC 6266, RFC 8187). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.hpp"

namespace longshore {

/// The value and the names of parameters are lower case.
struct HeaderValue {
    std::string value;
    std::vector<std::pair<std::string, std::string>> parameters;

    /// A parameter's text; nullopt if it is not there. Where `name*` is
    /// there too (RFC 8187), that is the text.
    std::optional<std::string> parameter(std::string_view name) const;
};

/// Parameters are tokens or quoted strings; in a quoted string a backslash
/// guards itself and the quote alone, for clients send Windows paths. %22 and
/// the like stay as they are. All of it is UTF-8 without control characters,
/// and no parameter comes twice.
/// @errors invalid_argument
Result<HeaderValue> parse_header_value(std::string_view text);

}  // namespace longshore
