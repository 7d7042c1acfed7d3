// The error document of the OCI protocol: {"errors":[{code,message,detail}]}.
// Here because nginx answers it too: for its own refusals, and while the
// daemon is gone. Specification: OCI distribution-spec, "Error Codes".
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// Code for a status that nginx or a layer without an own code answers with
/// (404 → "NOT_FOUND" is none of the protocol; unknown ones are "UNKNOWN").
std::string_view oci_code_for_status(int status) noexcept;

/// Human sentence for such a status, lower case.
std::string_view oci_message_for_status(int status) noexcept;

/// One-error document. `detail` is JSON and left out when empty.
std::string oci_error_body(std::string_view code, std::string_view message,
                           std::string_view detail = {});

/// From an Error: its reason, or a code that fits its Code.
std::string oci_error_body(const Error& error);

/// `text` as a JSON string literal with quotes; bytes that are not UTF-8
/// become U+FFFD.
std::string json_quote(std::string_view text);

}  // namespace longshore
