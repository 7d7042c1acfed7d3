// What every fuzz target uses: a check that stays on in optimized builds, and
// the rule that a parser's views lie inside what it was given.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>

namespace longshore::fuzz {

/// Ends the program, so that libFuzzer keeps the input, unless `held`.
inline void require(bool held, const char* property) {
    if (!held) {
        std::fprintf(stderr, "property broken: %s\n", property);
        std::abort();
    }
}

/// True when all of `view` lies in `memory`; an empty view may be anywhere.
inline bool inside(std::string_view view, std::string_view memory) {
    const std::less_equal<const char*> before;
    return view.empty() ||
           (before(memory.data(), view.data()) &&
            before(view.data() + view.size(), memory.data() + memory.size()));
}

inline std::string_view text(const unsigned char* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

}  // namespace longshore::fuzz
