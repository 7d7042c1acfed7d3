// Checks of what is uploaded beside the packages: comps, updateinfo, modules.
// Clients read them with parsers of their own, so nothing but well-formed
// text of the right kind is let in. Pure functions.
#pragma once

#include <string_view>

#include "common/result.hpp"
#include "formats/rpm/repodata.hpp"

namespace longshore::rpm {

/// Null for a name that is none of them.
const LooseKind* find_loose(std::string_view file) noexcept;

/// @errors invalid_argument, too_large
Result<void> check_loose(const LooseKind& kind, std::string_view bytes);

}  // namespace longshore::rpm
