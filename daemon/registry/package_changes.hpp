// Changes of packages that every format has alike, for whoever is none: the
// API and registryctl. Names are as a person typed them.
// @errors of all functions here: not_found, those of PackagePublisher
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"
#include "model/access.hpp"
#include "model/package.hpp"
#include "registry/publisher.hpp"

namespace longshore {

class Format;
class PackagePublisher;

/// Which package or version, and of which format its repository is.
struct PackagePlace {
    const Access& access;
    const Format& format;
    std::string_view package;
    std::string_view version = {};  // "": the package
    std::string_view request_id = {};

    std::string package_key() const;
    std::string version_key() const;  // "" of a package
};

/// Takes out the version, or the package with all of them. Where the ecosystem
/// wants it so, what was there is never published again.
Result<Written> remove_package(PackagePublisher& publisher,
                               const PackagePlace& place);

/// Yanks or deprecates the version, or makes it an ordinary one again.
Result<Written> set_state(PackagePublisher& publisher,
                          const PackagePlace& place, VersionState state,
                          const std::string& reason);

}  // namespace longshore
