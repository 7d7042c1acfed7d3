// What the parts of the world have in common.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "common/result.hpp"
#include "model/access.hpp"

namespace longshore::model {

// What only this program can get wrong.
template <typename T>
void must(const Result<T>& result, const char* what) {
    if (!result) {
        std::fprintf(stderr, "%s: %s\n", what, result.error().message.c_str());
        std::abort();
    }
}

inline void must_be(bool holds, const char* what) {
    if (!holds) {
        std::perror(what);
        std::abort();
    }
}

/// Everything may be done to the name.
Access access_to(std::string_view name);

}  // namespace longshore::model
