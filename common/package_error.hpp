// The error document that answers requests of package managers: one for all of
// them, because nginx does not know whose tongue a target speaks. npm reads
// `error` and `reason`, Cargo errors[].detail, clients of OCI errors[].code
// and .message; pip and others show it as text.
#pragma once

#include <string>
#include <string_view>

namespace longshore {

std::string package_error_body(std::string_view code, std::string_view message);

}  // namespace longshore
