// Versions of Maven. Pure, any thread. Specification: POM Reference, "Version
// Order Specification"; ComparableVersion of Maven 3.8.
//
// A version is a row of groups, each inside the one before it, of numbers and
// words. ComparableVersion compares groups with words and with nothing by
// rules that go in circles ("1" < "1-x" < "1.0.rc.1" < "1"). Here what makes
// a version older than the one that ends in its place always does, and in
// the rest ComparableVersion is followed:
//
//     alpha beta milestone rc snapshot, a group or a zero before such
//     < the end
//     < sp, other words, a group before such, numbers
#pragma once

#include <string_view>

#include "syntax/version.hpp"

namespace longshore {

/// Any printable ASCII without spaces and what Maven forbids, since versions
/// become file names: \/:"<>|?*[](){},
/// The text is what was read; Maven has no normal form for it.
/// @errors invalid_argument
Result<Version> parse_maven_version(std::string_view text);

}  // namespace longshore
