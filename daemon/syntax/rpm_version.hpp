// Versions of RPM packages: [EPOCH:]VERSION[-RELEASE]. Pure, any thread.
// Specification: rpm-version(7) and rpmvercmp() of RPM 4.18, with '~'
// (sorts before the end) and '^' (right after it).
#pragma once

#include <string_view>

#include "syntax/version.hpp"

namespace longshore {

/// The text is without an epoch of zero. One without a release is older than
/// any with it.
/// @errors invalid_argument
Result<Version> parse_rpm_version(std::string_view text);

}  // namespace longshore
