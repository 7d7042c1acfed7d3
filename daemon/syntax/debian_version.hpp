// Versions of Debian packages: [EPOCH:]UPSTREAM[-REVISION]. Pure, any thread.
// Specification: Debian Policy 5.6.12; what dpkg --validate-version accepts.
#pragma once

#include <string_view>

#include "syntax/version.hpp"

namespace longshore {

/// The text is without an epoch of zero, as dpkg writes it.
/// @errors invalid_argument
Result<Version> parse_debian_version(std::string_view text);

}  // namespace longshore
