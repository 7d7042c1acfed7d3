// Reads what a registry needs of a go.mod: the module's path and what it
// retracts. Other lines are passed over as the go command passes over those
// of dependencies. Specification: Go Modules Reference, "go.mod files". Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace longshore::go {

/// Versions from `low` to `high`, both included.
struct Retraction {
    std::string low;
    std::string high;
};

struct GoMod {
    std::string module;
    std::vector<Retraction> retractions;
};

inline constexpr std::size_t kMaxRetractions = 10'000;

/// @errors invalid_argument (no or two module lines, broken lines)
Result<GoMod> read_go_mod(std::string_view text);

}  // namespace longshore::go
