// Versions of Go modules: semantic versions with a 'v'. Pure, any thread.
// Specification: golang.org/x/mod, packages semver and module; Go Modules
// Reference, "Versions" and "Pseudo-versions".
#pragma once

#include <string_view>

#include "syntax/version.hpp"

namespace longshore {

/// What package semver calls valid: also v1 and v1.2. The text is the
/// canonical one: three numbers, of build metadata only "+incompatible".
/// @errors invalid_argument
Result<Version> parse_go_version(std::string_view text);

/// A version of a revision without a tag:
/// v0.0.0-20191109021931-daa7c04131f5.
bool is_pseudo_version(std::string_view text);

}  // namespace longshore
