// Private to formats/npm: the handlers of the registry's protocol.
// Specification: the npm registry's REGISTRY-API.md and package-metadata.md;
// what npm 11, Yarn 1, Yarn 4, pnpm 10 and Bower 1.8 send.
// @errors of all handlers: those of what they call, and invalid_argument
#pragma once

#include "registry/format.hpp"

namespace longshore::npm {

// read.cpp
/// A package, one of its versions, or what Bower asks for.
Result<Reply> get_any(Context& ctx, const Request& request);
Result<Reply> get_tarball(Context& ctx, const Request& request);
Result<Reply> get_attestations(Context& ctx, const Request& request);
Result<Reply> search(Context& ctx, const Request& request);
Result<Reply> ping(Context& ctx, const Request& request);
Result<Reply> audit_bulk(Context& ctx, const Request& request);
Result<Reply> audit_quick(Context& ctx, const Request& request);

// publish.cpp
Result<void> before_put(Context& ctx, const Request& request);
/// Publishes a version, or changes what is said of those that are there.
Result<Reply> put_package(Context& ctx, const Request& request);

// edit.cpp
Result<Reply> change_versions(Context& ctx, const Request& request,
                              std::string_view name, std::string_view document);
/// What is not in the document that comes back is taken out.
Result<Reply> put_revision(Context& ctx, const Request& request);
Result<Reply> delete_package(Context& ctx, const Request& request);
Result<Reply> delete_tarball(Context& ctx, const Request& request);
Result<Reply> get_tags(Context& ctx, const Request& request);
Result<Reply> put_tag(Context& ctx, const Request& request);
Result<Reply> delete_tag(Context& ctx, const Request& request);

// account.cpp
Result<Reply> log_in(Context& ctx, const Request& request);
Result<Reply> web_login(Context& ctx, const Request& request);
Result<Reply> log_out(Context& ctx, const Request& request);
Result<Reply> whoami(Context& ctx, const Request& request);
Result<Reply> profile(Context& ctx, const Request& request);
Result<Reply> visibility(Context& ctx, const Request& request);
Result<Reply> set_access(Context& ctx, const Request& request);
Result<Reply> collaborators(Context& ctx, const Request& request);
Result<Reply> packages_of_scope(Context& ctx, const Request& request);
Result<Reply> packages_of_user(Context& ctx, const Request& request);
Result<Reply> no_teams(Context& ctx, const Request& request);

// packument.cpp
/// The document of a package: with the manifests of all versions, or with what
/// a resolver needs of them.
Result<void> make_packument(IndexContext& ctx, std::string_view name);
Result<Reply> serve_packument(Context& ctx, const Request& request,
                              std::string_view name);

}  // namespace longshore::npm
