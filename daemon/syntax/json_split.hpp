// Takes a JSON document apart in one pass: chosen values leave it, the rest
// is written again without white space. What a package is sent in is not what
// is kept of it. One reader, one thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/byte_source.hpp"
#include "common/result.hpp"
#include "syntax/json_stream.hpp"

namespace longshore {

/// Names of members on the way down from the document; "*" is any member or
/// any place in an array.
using JsonPattern = std::vector<std::string>;

bool matches(const JsonPattern& pattern, const JsonPath& path) noexcept;

/// Reads the document and returns it as compact JSON: members in their order,
/// numbers as they were written. What a pattern matches is left out with its
/// name. A string that is matched itself goes where `texts` says (null:
/// nowhere), however long it is. The text returned has at most `document`
/// bytes.
/// @errors invalid_argument, too_large, what the source and `texts` end with
Result<std::string> split_json(const ByteSource& source,
                               std::span<const JsonPattern> left_out,
                               JsonTextReceiver* texts, std::size_t document,
                               const JsonLimits& limits = {});

}  // namespace longshore
