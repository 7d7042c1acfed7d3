// Versions of Arch Linux packages: [EPOCH:]PKGVER[-PKGREL]. Pure, any thread.
// Specification: vercmp(8) of pacman 6; makepkg's checks of pkgver, pkgrel.
//
// vercmp orders "1" < "1.1" < "1..a" < "1." < "1.1", in a circle: here "1."
// comes after "1.a" and before all others that go on with a separator. And
// it takes 1-1 and 1 for equal: here one without a pkgrel is older.
#pragma once

#include <string_view>

#include "syntax/version.hpp"

namespace longshore {

/// The text is without an epoch of zero.
/// @errors invalid_argument
Result<Version> parse_pacman_version(std::string_view text);

}  // namespace longshore
