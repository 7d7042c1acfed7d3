// YAML from anybody. What is read can be written, and is then read the same.
#include <algorithm>
#include <string>

#include "fuzz.hpp"
#include "syntax/yaml.hpp"

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
    const auto text = fuzz::text(data, size);
    const auto value = read_yaml(text, {4096, 10, 64 * 1024, 10});
    if (!value) {
        return 0;
    }
    fuzz::require(depth_of(*value) <= 10, "no deeper than allowed");
    fuzz::require(value->dump().size() <= 512 * 1024, "bounded");
    const auto written = write_yaml(*value);
    const auto again = read_yaml(written);
    fuzz::require(again && *again == *value, "what is written is read");
    return 0;
}
