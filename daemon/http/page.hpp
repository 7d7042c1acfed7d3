// Paging and conditions as requests carry them: ?n= and ?last=, lists of
// entity tags. Specification: OCI distribution-spec, "Content Discovery";
// RFC 9110 section 13.1.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "http/request.hpp"

namespace longshore {

struct PageQuery {
    std::size_t n = 0;     // items wanted, at most the cap
    bool limited = false;  // the client gave n
    std::string last;      // exclusive start, or empty
};

/// @param cap  answer to a request without n, and the most that n may ask for
/// @errors invalid_argument (PAGINATION_NUMBER_INVALID) unless n is decimal
Result<PageQuery> parse_page(const Request& request, std::size_t cap);

/// `</path?query>; rel="next"`, `path` with the mount, `query` encoded.
std::string next_link(std::string_view path, std::string_view query);

/// Members of an If-Match or If-None-Match value.
struct EntityTags {
    bool any = false;               // "*"
    std::vector<std::string> tags;  // opaque parts of strong tags
};

/// Weak tags are left out: a strong comparison never matches them.
EntityTags parse_entity_tags(std::string_view value);

}  // namespace longshore
