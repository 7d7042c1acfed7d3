// What the registry remembers of an RPM package, made once, when it is
// published: everything that an index says of it, as the JSON text of its
// file. Pure functions.
#pragma once

#include <cstddef>
#include <string>

#include "common/byte_source.hpp"
#include "common/result.hpp"
#include "syntax/rpm_header.hpp"

namespace longshore::rpm {

/// Changes that an index tells, the newest: as many as createrepo_c does.
inline constexpr std::size_t kMostChanges = 10;

/// What is read of a package at most.
RpmLimits limits();

/// Whether name, version, release and architecture may stand in a file's name.
/// @errors invalid_argument
Result<void> check(const RpmPackage& package);

/// Whether the package is as long as its signature says, and the header the
/// one that it was made for, as far as it says.
/// @errors invalid_argument, those of the source
Result<void> check_whole(const ByteSource& source, const RpmPackage& package);

/// "name-version-release.arch.rpm"
std::string file_name(const RpmPackage& package);

/// "[epoch:]version-release"
std::string version_of(const RpmPackage& package);

/// The JSON text.
std::string describe(const RpmPackage& package);

}  // namespace longshore::rpm
