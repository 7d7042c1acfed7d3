// Redact: texts on their way to a log, without what has the form of a token
// of ours: an API or refresh token, or a JWS. Clients put such things where a
// tag or a name belongs, and a log lives longer than a token should be known.
#pragma once

#include <string>
#include <string_view>

namespace longshore {

/// Each token becomes what is public of it and "***".
std::string redact(std::string_view text);

}  // namespace longshore
