// Loans between ngx_str_t and std::string_view. A view lives as long as the
// pool that holds the bytes.
#pragma once

#include <cstring>
#include <string_view>

#include "ngx_module/ngx.hpp"

namespace longshore {

inline std::string_view view(const ngx_str_t& text) noexcept {
    return {reinterpret_cast<const char*>(text.data), text.len};
}

/// No copy: `text` must outlive the use, and nobody may write through it.
inline ngx_str_t loan(std::string_view text) noexcept {
    return {text.size(),
            reinterpret_cast<u_char*>(const_cast<char*>(text.data()))};
}

/// Copy into `pool`; {0, nullptr} when memory is out and text is not empty.
inline ngx_str_t copy(ngx_pool_t* pool, std::string_view text) noexcept {
    ngx_str_t out = {0, nullptr};
    out.data = static_cast<u_char*>(ngx_pnalloc(pool, text.size() + 1));
    if (out.data != nullptr) {
        std::memcpy(out.data, text.data(), text.size());
        out.data[text.size()] = '\0';
        out.len = text.size();
    }
    return out;
}

}  // namespace longshore
