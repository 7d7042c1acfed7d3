// Base64 with padding (RFC 4648 section 4) of hashes and signatures, which Go
// writes so. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace longshore::go {

std::string base64(std::string_view bytes);

}  // namespace longshore::go
