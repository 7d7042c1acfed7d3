// Bodies of requests: JSON as RFC 8259 has it and nothing more lenient. A
// document from anybody is bounded before anything is made of it. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace longshore::api {

/// Members stay in the order in which they were written.
using Json = nlohmann::ordered_json;

/// Bytes of a body.
inline constexpr std::uint64_t kMaxBody = 64 * 1024;
/// Objects and arrays within each other: a JWK Set has certificates in keys.
inline constexpr std::size_t kMaxDepth = 5;
/// Values of a document, all together.
inline constexpr std::size_t kMaxValues = 1024;

/// Reason of what is no document at all; all else can be told by its member.
inline constexpr std::string_view kMalformed = "malformed";

/// An object. Refused are: what is too long, too deep or has too many values,
/// bytes that are not UTF-8, control characters also as escapes, a name that
/// occurs twice, numbers that are no 64-bit integers.
/// @errors too_large, invalid_argument (kMalformed); no value is in a message
Result<Json> parse_body(std::string_view text);

}  // namespace longshore::api
