#include "ngx_module/headers.hpp"

#include "ngx_module/text.hpp"

namespace longshore {

std::string_view find_header(ngx_http_request_t* r,
                             std::string_view name) noexcept {
    std::string_view found;
    for_each_header(r, [&](std::string_view key, std::string_view value) {
        if (!equal_nocase(key, name)) {
            return true;
        }
        // An empty header is not an absent one.
        found = value.data() != nullptr ? value : std::string_view("");
        return false;
    });
    return found;
}

}  // namespace longshore
