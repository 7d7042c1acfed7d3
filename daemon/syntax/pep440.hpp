// Versions of Python packages. Pure, any thread. Specification: PEP 440
// (Version Specifiers in the PyPA specifications), also its appendix B: all
// spellings that are read, and the normal form that is written.
#pragma once

#include <string_view>

#include "syntax/version.hpp"

namespace longshore {

/// Spaces around it are read too. A prerelease is what has a pre-release or
/// a developmental segment.
/// @errors invalid_argument
Result<Version> parse_pep440(std::string_view text);

}  // namespace longshore
