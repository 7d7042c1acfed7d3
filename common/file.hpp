// Small files below <root>/keys: whole or not at all, durable, and with their
// permissions from the first moment. Any thread; they block on the disk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "common/result.hpp"

namespace longshore {

/// A folder that may be there already. @errors unavailable, internal
Result<void> make_folder(const std::string& path, mode_t mode);

/// By a file beside it that is renamed; `folder` is the one of `path`.
/// @errors unavailable, internal
Result<void> write_file(const std::string& folder, const std::string& path,
                        std::string_view text, mode_t mode);

/// The same for a file that must not be there yet: of several processes that
/// make it at once one does. @errors already_exists, unavailable, internal
Result<void> write_new_file(const std::string& folder, const std::string& path,
                            std::string_view text, mode_t mode);

/// What an end in the middle of one of these two has left in a folder and has
/// not been changed for `min_age_s`. What cannot be removed stays.
void remove_unfinished_files(const std::string& folder,
                             std::int64_t min_age_s) noexcept;

/// At most 255 bytes of it. @errors not_found, unavailable, internal
Result<std::string> read_file(const std::string& path);

}  // namespace longshore
