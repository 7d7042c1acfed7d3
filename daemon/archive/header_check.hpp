// Headers of ar that ask for memory before a byte of it is there: libarchive
// allocates what a header says that its names take, up to 4 GiB. Seen here
// first. Pure functions.
// @errors of all functions here: invalid_argument (not such a header),
// too_large (a limit)
#pragma once

#include <string_view>

#include "archive/limits.hpp"
#include "common/result.hpp"

namespace longshore {

constexpr std::size_t kArMagicBytes = 8;
constexpr std::size_t kArHeaderBytes = 60;

/// What an ar has where a header should be. Less than a header is left to
/// libarchive.
Result<void> check_ar(std::string_view header, const ArchiveLimits& limits);

}  // namespace longshore
