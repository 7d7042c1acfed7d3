// Private to formats/oci: the handlers of the OCI protocol and what several
// of them need. Specification: OCI distribution-spec, "Endpoints"; the end-N
// names are those of its table.
// @errors of all handlers: what Catalog, Publisher and Uploads return, with the
// protocol's own code as the reason.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "registry/format.hpp"

namespace longshore::oci {

Result<Reply> ping(Context& ctx, const Request& request);        // end-1
Result<Reply> list_names(Context& ctx, const Request& request);  // _catalog
Result<Reply> list_extensions(Context& ctx, const Request& request);

Result<Reply> get_blob(Context& ctx, const Request& request);     // end-2
Result<Reply> delete_blob(Context& ctx, const Request& request);  // end-10

Result<Reply> get_manifest(Context& ctx, const Request& request);     // end-3
Result<Reply> put_manifest(Context& ctx, const Request& request);     // end-7
Result<Reply> delete_manifest(Context& ctx, const Request& request);  // end-9

Result<Reply> start_upload(Context& ctx, const Request& request);   // end-4, 11
Result<Reply> finish_upload(Context& ctx, const Request& request);  // end-6
/// PATCH, status and cancel reach the daemon only when nginx found no session.
Result<Reply> lost_upload(Context& ctx, const Request& request);

Result<Reply> list_tags(Context& ctx, const Request& request);       // end-8
Result<Reply> list_referrers(Context& ctx, const Request& request);  // end-12

/// "<mount>/v2/<name>": what every Location and Link starts with. Relative,
/// so that it is right behind any proxy.
std::string repository_path(const Context& ctx, const Request& request);

/// 200 with a JSON document.
Reply json_reply(std::string body);

/// 201 with the place of a blob.
Reply blob_created(const Context& ctx, const Request& request,
                   const Digest& digest);

/// 202 of a delete, or the refusal when deleting is switched off.
Result<Reply> deleted(Result<Written> written);
Result<void> check_delete_allowed(const Context& ctx);

/// Repositories after `last`, of which `more` gives a page after a name, that
/// the caller may pull from, until `visit` returns false. What it skips shows
/// in nothing that is visited.
Result<void> each_visible(
    Context& ctx, std::string last,
    const std::function<Result<Page<std::string>>(std::string_view)>& more,
    const std::function<bool(std::string&)>& visit);

/// An answer with a status that no Code has.
Reply error_reply(int status, std::string_view code, std::string_view message);

}  // namespace longshore::oci
