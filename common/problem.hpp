// Problem documents of the REST API (RFC 9457). Here because nginx answers
// them too: for its own refusals, and while the daemon is gone.
#pragma once

#include <string>
#include <string_view>

namespace longshore {

/// The path below which answers are such documents.
inline constexpr std::string_view kApiMount = "/api";

/// Whether the target (with query or without) is below it.
bool is_api_target(std::string_view target) noexcept;

/// `code` is for programs, `detail` for people; `pointer`, the JSON pointer
/// of the member that is wrong, is left out when empty.
std::string problem_body(int status, std::string_view code,
                         std::string_view detail,
                         std::string_view pointer = {});

}  // namespace longshore
