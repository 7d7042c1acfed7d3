// Paths and versions of Go modules: what may be one, how they are written in
// URLs, and which belong together. Specification: golang.org/x/mod, package
// module; Go Modules Reference, "Module paths", "Versions". Pure functions.
// @errors of all functions here: invalid_argument
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore::go {

/// module.CheckPath
Result<void> check_module_path(std::string_view path);

/// module.CheckFilePath
Result<void> check_file_path(std::string_view path);

/// module.CheckPathMajor for a canonical version, and the rules of
/// +incompatible that need no look at a go.mod.
Result<void> check_major(std::string_view path, std::string_view version);

/// The sort key of a canonical version ("v1.2.3"); an error for any other.
Result<std::string> check_version(std::string_view version);

/// "github.com/Foo" ↔ "github.com/!foo", also for versions. Reading checks
/// the escape alone.
std::string escape(std::string_view text);
Result<std::string> unescape(std::string_view text);

}  // namespace longshore::go
