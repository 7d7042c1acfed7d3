#include "formats/go/base64.hpp"

#include <algorithm>

#include "common/encoding.hpp"

namespace longshore::go {

std::string base64(std::string_view bytes) {
    auto text = base64url_encode(bytes);
    std::replace(text.begin(), text.end(), '-', '+');
    std::replace(text.begin(), text.end(), '_', '/');
    text.append((4 - text.size() % 4) % 4, '=');
    return text;
}

}  // namespace longshore::go
