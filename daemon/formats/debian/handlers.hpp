// Handlers of the routes in debian.cpp that write. Any thread.
// @errors of all functions here: invalid_argument (a bad name, a damaged
// package), too_large, digest_mismatch, already_exists, conflict, not_found,
// unavailable, corrupt, internal
#pragma once

#include "registry/format.hpp"

namespace longshore::debian {

/// Digests that an index tells of a file beside its SHA-256.
inline constexpr auto kAlgorithms = Extra::md5 | Extra::sha1;

/// PUT pool/<suite>/<component>/upload: a .deb, or a .dsc whose files are
/// here already.
Result<Reply> put_package(Context& ctx, const Request& request);

/// PUT incoming/<file>, as dput does it: the .changes comes last and publishes
/// what it lists.
Result<Reply> put_incoming(Context& ctx, const Request& request);
Result<void> before_incoming(Context& ctx, const Request& request);

/// DELETE pool/<suite>/<component>/<name>/<version>[/<architecture>]
Result<Reply> delete_package(Context& ctx, const Request& request);

}  // namespace longshore::debian
