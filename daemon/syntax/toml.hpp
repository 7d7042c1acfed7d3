// TOML 1.0 as JSON values (Cargo.toml, pyproject.toml). Dates and times are
// text, as they are written in RFC 3339; numbers that JSON does not have are
// text too. Not toml++, which reads the daemon's own settings: it takes some
// things about its input for granted that hostile text need not keep. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace longshore {

struct TomlLimits {
    std::size_t bytes = 4 * 1024 * 1024;  // of the text
    std::size_t depth = 64;               // tables and arrays open at once
    std::size_t parts = 32;               // names joined by dots to one key
};

/// @errors invalid_argument, too_large
Result<nlohmann::json> read_toml(std::string_view text,
                                 const TomlLimits& limits = {});

}  // namespace longshore
