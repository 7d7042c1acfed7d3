// Listings of a repository's paths, as folders: HTML for people and for
// clients that follow links (Ivy, wget), JSON for programs.
#pragma once

#include <string_view>

#include "registry/format.hpp"

namespace longshore {

/// The folder `path` ("" or "a/b", without a slash at its end) as a page of
/// at most settings.max_page_items entries; `?after=` of the link in it goes
/// on. JSON if Accept prefers that, or `?format=json`.
/// @errors not_found (nothing lies there), unavailable, corrupt
Result<Reply> folder_reply(Context& ctx, const Request& request,
                           std::string_view path);

/// 301 to the same target with a slash behind it, if `path` is a folder.
/// @errors not_found, unavailable, corrupt
Result<Reply> to_folder(Context& ctx, const Request& request,
                        std::string_view path);

}  // namespace longshore
