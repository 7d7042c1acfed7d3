// Blobs by digest. nginx answers what it finds linked on disk by itself; what
// comes here was not found there, or is a delete.
#include "formats/oci/oci.hpp"

namespace longshore::oci {

Result<Reply> get_blob(Context& ctx, const Request& request) {
    LS_TRY(digest, Digest::parse(request.reference));
    LS_TRY(size, ctx.catalog.blob(*ctx.access, digest));
    if (request.method == Method::head) {
        LS_CHECK(ctx.publisher.keep_blob(*ctx.access, digest));
    }
    Reply reply;
    reply.media_type = "application/octet-stream";
    reply.header("Docker-Content-Digest", digest.text());
    reply.body = BlobBody{digest, size};
    return reply;
}

Result<Reply> delete_blob(Context& ctx, const Request& request) {
    LS_CHECK(check_delete_allowed(ctx));
    LS_TRY(digest, Digest::parse(request.reference));
    return deleted(
        ctx.publisher.delete_blob(*ctx.access, digest, request.request_id));
}

}  // namespace longshore::oci
