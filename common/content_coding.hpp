// Which content codings a client takes. nginx keys its cache by the answer and
// the daemon chooses by it, so both read the header here.
// Specification: RFC 9110 section 12.5.3.
#pragma once

#include <string_view>

namespace longshore {

/// Of those that answers are made in; what is not named is not wanted.
struct ContentCodings {
    bool gzip = false;
    bool zstd = false;

    friend bool operator==(const ContentCodings&,
                           const ContentCodings&) = default;
};

/// Reads a value of Accept-Encoding. "*" stands for every coding that is not
/// named; a weight of 0 excludes; another weight only allows.
ContentCodings accepted_codings(std::string_view accept_encoding) noexcept;

}  // namespace longshore
