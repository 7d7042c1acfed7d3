// Provenance: a sigstore bundle that says where a package was built. It is
// kept as it came; here it is looked at whether it is about this package.
// Whether its signature is good is for those who trust in sigstore's keys:
// `npm audit signatures`. Pure.
// Specification: sigstore bundle v0.3, DSSE, in-toto Statement v0.1 and v1.
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore::npm {

struct Provenance {
    std::string predicate_type;
    /// What clients read at /-/npm/v1/attestations/…
    std::string document;
};

/// @errors invalid_argument: damaged, or about something else
Result<Provenance> read_provenance(std::string_view bundle,
                                   std::string_view name,
                                   std::string_view version,
                                   std::string_view sha512_hex);

}  // namespace longshore::npm
