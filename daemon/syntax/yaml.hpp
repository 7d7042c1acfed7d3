// YAML as JSON values, the way Helm's and other Go programs take it: the core
// schema of YAML 1.2 for plain scalars, everything else text. Tags other than
// the schema's own say nothing, so that no class is ever made of them. Aliases
// are followed, but what they multiply is bounded. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace longshore {

struct YamlLimits {
    std::size_t bytes = 16 * 1024 * 1024;   // of the text
    std::size_t depth = 64;                 // lists and mappings open at once
    std::size_t memory = 64 * 1024 * 1024;  // of the values, aliases followed
    std::size_t documents = 10'000;         // of a stream
};

/// The only document of a text; null if there is none. Names of members are
/// text whatever they look like; the same name twice, a name that is a list
/// or a mapping, and merge keys ("<<") are refused.
/// @errors invalid_argument, too_large, unsupported
Result<nlohmann::json> read_yaml(std::string_view text,
                                 const YamlLimits& limits = {});

/// All documents of a text.
/// @errors invalid_argument, too_large, unsupported
Result<std::vector<nlohmann::json>> read_yaml_documents(
    std::string_view text, const YamlLimits& limits = {});

/// A document, in block style and with a line feed at its end. Text that any
/// reader, one of YAML 1.1 too, could take for something else is in quotes;
/// what is not UTF-8 is replaced.
std::string write_yaml(const nlohmann::json& value);

}  // namespace longshore
