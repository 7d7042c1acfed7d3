// JSON that others made, read so that no two readers can differ: an object
// with the same member twice is refused, so is what is nested deeply or has
// more values than any honest document. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace longshore {

struct JsonBounds {
    std::size_t bytes = 16 * 1024;
    std::size_t values = 2000;
    std::size_t depth = 16;
};

/// An object (RFC 8259) within the bounds.
/// @errors invalid_argument, too_large
Result<nlohmann::json> parse_object(std::string_view text,
                                    const JsonBounds& bounds);

/// A member that is a text; nullopt for none or another type.
std::optional<std::string> text_member(const nlohmann::json& object,
                                       const char* name);

}  // namespace longshore
