// The numbered files of db/schema/, built into the program in order.
#pragma once

#include <span>
#include <string_view>

namespace longshore {

/// Text of each file; element 0 is 0001. The schema version of a database is
/// the number of files applied to it.
std::span<const std::string_view> schema_files() noexcept;

}  // namespace longshore
