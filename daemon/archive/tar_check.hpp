// Whether the headers of a tar entry mean the same to all who read them.
// Where a pax record and the header it belongs to say different sizes, one
// reader takes for contents what another takes for the next entry
// (CVE-2025-62518); where a name has a NUL or comes twice, readers choose
// differently. POSIX.1-2017, pax, "pax Interchange Format".
// Pure function.
#pragma once

#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// `headers` are the blocks of one entry, from the end of the entry before it
/// to its own data.
/// @errors invalid_argument
Result<void> check_tar(std::string_view headers);

}  // namespace longshore
