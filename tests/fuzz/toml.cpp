// TOML from anybody: values that JSON has, no deeper than allowed.
#include <algorithm>
#include <string>

#include "fuzz.hpp"
#include "syntax/toml.hpp"

namespace {

std::size_t depth_of(const nlohmann::json& value) {
    std::size_t deepest = 0;
    if (value.is_structured()) {
        for (const auto& member : value) {
            deepest = std::max(deepest, depth_of(member));
        }
        ++deepest;
    }
    return deepest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data,
                                      std::size_t size) {
    using namespace longshore;
    const auto value = read_toml(fuzz::text(data, size), {4096, 10, 8});
    if (value) {
        fuzz::require(value->is_object(), "a table");
        fuzz::require(depth_of(*value) <= 10, "no deeper than allowed");
        const auto text = value->dump();  // throws on what is not UTF-8
        fuzz::require(nlohmann::json::parse(text) == *value, "JSON");
    }
    return 0;
}
