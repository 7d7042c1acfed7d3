// Small helpers to build texts in pool memory, so that no request needs a
// heap allocation. All texts end when the pool does.
#pragma once

#include <initializer_list>
#include <string_view>

#include "ngx_module/str.hpp"

namespace longshore {

/// The parts joined, with a NUL behind; empty with null data when memory is
/// out.
inline std::string_view join(
    ngx_pool_t* pool, std::initializer_list<std::string_view> parts) noexcept {
    std::size_t size = 0;
    for (auto part : parts) {
        size += part.size();
    }
    auto* data = static_cast<char*>(ngx_pnalloc(pool, size + 1));
    if (data == nullptr) {
        return {};
    }
    char* out = data;
    for (auto part : parts) {
        if (!part.empty()) {
            std::memcpy(out, part.data(), part.size());
            out += part.size();
        }
    }
    *out = '\0';
    return {data, size};
}

/// A copy of `text`; empty when memory is out.
inline std::string_view keep(ngx_pool_t* pool, std::string_view text) noexcept {
    return text.empty() ? std::string_view() : view(copy(pool, text));
}

inline bool equal_nocase(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() &&
           ngx_strncasecmp(loan(a).data, loan(b).data, a.size()) == 0;
}

}  // namespace longshore
