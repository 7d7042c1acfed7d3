// A Question as a format sees it: decoded, authorized, without transport.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.hpp"
#include "common/protocol.hpp"
#include "http/router.hpp"

namespace longshore {

enum class Method : std::uint8_t { get, head, post, put, patch, remove, other };

Method parse_method(std::string_view text) noexcept;
std::string_view method_name(Method method) noexcept;

/// Views live as long as the Question they were made from.
struct Request {
    Method method = Method::other;
    std::string_view target;  // raw, below the mount
    std::string_view query;   // raw text after '?'
    std::string_view prefix;  // mount of the location, for URLs in answers
    std::string_view peer;
    std::string_view request_id;
    std::vector<HeaderField> headers;
    std::int64_t body_bytes = 0;  // announced; -1: unknown

    // What the router found; "name" is in Access.
    std::string_view reference;  // tag, digest, upload id, file …
    Parameters parameters;       // of the route's pattern, decoded
    bool ends_in_slash = false;

    // The body, once it has come; none for a first Ask.
    bool received = false;
    BodyKind body_kind = BodyKind::none;
    std::string_view body;                       // memory
    std::string_view body_digest;                // blob: its name in the store
    std::vector<std::string_view> body_digests;  // spool: the others
    std::uint64_t body_size = 0;
    std::string_view upload_id;

    /// First header of that name, case-insensitively; nullopt if absent.
    std::optional<std::string_view> header(std::string_view name) const;

    /// What "{name}" of the route's pattern stands for; "" if it has none.
    const std::string& parameter(std::string_view name) const noexcept;

    /// Decoded first query argument; nullopt if absent.
    std::optional<std::string> argument(std::string_view name) const;

    /// All decoded values of a repeated query argument, in order.
    std::vector<std::string> arguments(std::string_view name) const;
};

}  // namespace longshore
