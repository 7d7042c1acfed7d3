// Names of entries, made one spelling: relative, "/" between parts, no empty
// part, no "." and no "/" at the end. What has no such spelling is an error.
// Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "archive/limits.hpp"
#include "common/result.hpp"

namespace longshore {

/// The name's one spelling; empty for the root itself ("./").
/// @errors invalid_argument (absolute, "..", control bytes, backslash, not
/// UTF-8), too_large (too long, too deep)
Result<std::string> entry_name(std::string_view raw,
                               const ArchiveLimits& limits);

/// Whether a link's target may be shown: of the length and of the bytes that
/// a name could have. It may lead anywhere.
/// @errors invalid_argument (empty, control bytes, backslash, not UTF-8),
/// too_large (too long)
Result<void> link_text(std::string_view target, const ArchiveLimits& limits);

/// True if the target of the symbolic link `path`, an entry's name, is
/// absolute or above the archive's root. Links on the way are not followed.
bool leads_out(std::string_view path, std::string_view target) noexcept;

}  // namespace longshore
