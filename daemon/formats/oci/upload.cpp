// The start and the end of an upload; what lies between is nginx's alone.
// Specification: OCI distribution-spec, "Pushing blobs" and "Mounting a blob
// from another repository".
#include <optional>

#include "common/oci_error.hpp"
#include "common/oci_path.hpp"
#include "formats/oci/oci.hpp"

namespace longshore::oci {
namespace {

Result<Digest> parse_digest_argument(const std::string& text) {
    auto digest = Digest::parse(text);
    if (!digest) {
        return Error{Code::invalid_argument,
                     "not a digest of a supported algorithm", "DIGEST_INVALID",
                     json_quote(text)};
    }
    return digest;
}

Result<Algorithm> algorithm_of(const Request& request) {
    auto text = request.argument("digest-algorithm");
    if (!text) {
        return Algorithm::sha256;
    }
    auto algorithm = parse_algorithm(*text);
    if (!algorithm) {
        return Error{Code::invalid_argument,
                     "digest-algorithm is none of sha256, sha512",
                     "DIGEST_INVALID", json_quote(*text)};
    }
    return algorithm;
}

// 202: the session's place. The offset in it makes a replayed request fail
// instead of being appended twice.
Result<Reply> open_session(Context& ctx, const Request& request,
                           Algorithm algorithm) {
    LS_TRY(id, ctx.uploads.start(*ctx.access, algorithm));
    Reply reply;
    reply.status = 202;
    reply.header("Location", repository_path(ctx, request) + "/blobs/uploads/" +
                                 id + "?offset=0");
    reply.header("Range", "0-0");
    reply.header("Docker-Upload-UUID", id);
    return reply;
}

Result<Reply> receive_whole(Context& ctx, const Request& request,
                            const std::string& text) {
    LS_TRY(digest, parse_digest_argument(text));
    auto limit = ctx.settings.max_blob_bytes;
    if (limit != 0 && request.body_bytes > 0 &&
        static_cast<std::uint64_t>(request.body_bytes) > limit) {
        return Error{Code::too_large,
                     "a blob has at most " + std::to_string(limit) +
                         " bytes (max_blob_bytes)",
                     "SIZE_INVALID"};
    }
    LS_TRY(id, ctx.uploads.start(*ctx.access, digest.algorithm()));
    Reply reply;
    reply.body = ReceiveUpload{std::move(id), limit, digest};
    return reply;
}

Result<Reply> link(Context& ctx, const Request& request, const Digest& digest) {
    LS_TRY(written,
           ctx.publisher.link_blob(*ctx.access, digest, request.request_id));
    auto reply = blob_created(ctx, request, digest);
    reply.drops = std::move(written.drops);
    return reply;
}

constexpr std::size_t kSourcesAtOnce = 100;

Error not_mounted() {
    return {Code::not_found, "blob unknown", "BLOB_UNKNOWN"};
}

// Where to mount from if the client does not say: the first repository with
// the blob that this caller may pull from. Those that it may not must not
// change the outcome, or it would tell of what they have.
Result<Access> find_source(Context& ctx, const Digest& digest) {
    std::optional<Access> source;
    LS_CHECK(each_visible(
        ctx, "",
        [&](std::string_view from) {
            return ctx.catalog.names_with_blob(digest, kSourcesAtOnce, from);
        },
        [&](std::string& name) {
            auto access = ctx.pull_from(ctx.authority, RepositoryName(name));
            if (access) {
                source = std::move(*access);
            }
            return !source;
        }));
    if (!source) {
        return not_mounted();
    }
    return std::move(*source);
}

Result<Access> mount_source(Context& ctx, const Request& request,
                            const Digest& digest) {
    auto from = request.argument("from");
    if (!from || from->empty()) {
        return find_source(ctx, digest);
    }
    if (!is_repository_name(*from)) {
        return not_mounted();
    }
    return ctx.pull_from(ctx.authority, RepositoryName(*from));
}

// Only what the caller may pull from there is mounted.
Result<Reply> mount(Context& ctx, const Request& request,
                    const Digest& digest) {
    LS_TRY(source, mount_source(ctx, request, digest));
    LS_TRY(size, ctx.catalog.blob(source, digest));
    static_cast<void>(size);
    return link(ctx, request, digest);
}

// A mount that cannot be done becomes an ordinary session, whatever the
// reason, so that it tells nothing about other repositories.
Result<Reply> mount_or_open(Context& ctx, const Request& request,
                            const std::string& text) {
    LS_TRY(digest, parse_digest_argument(text));
    auto mounted = mount(ctx, request, digest);
    if (mounted || mounted.error().code == Code::unavailable) {
        return mounted;
    }
    return open_session(ctx, request, digest.algorithm());
}

// nginx has verified the digest and renamed the file into the store.
Result<Reply> link_received(Context& ctx, const Request& request) {
    if (request.body_kind != BodyKind::blob) {
        return Error{Code::invalid_argument, "the upload has no content",
                     "BLOB_UPLOAD_INVALID"};
    }
    LS_TRY(digest, Digest::parse(request.body_digest));
    return link(ctx, request, digest);
}

}  // namespace

Result<Reply> start_upload(Context& ctx, const Request& request) {
    if (request.received) {
        return link_received(ctx, request);
    }
    if (auto mount = request.argument("mount")) {
        return mount_or_open(ctx, request, *mount);
    }
    if (auto digest = request.argument("digest")) {
        return receive_whole(ctx, request, *digest);
    }
    LS_TRY(algorithm, algorithm_of(request));
    return open_session(ctx, request, algorithm);
}

Result<Reply> finish_upload(Context& ctx, const Request& request) {
    return request.received ? link_received(ctx, request)
                            : lost_upload(ctx, request);
}

Result<Reply> lost_upload(Context&, const Request&) {
    return Error{Code::not_found, "no such upload session",
                 "BLOB_UPLOAD_UNKNOWN"};
}

}  // namespace longshore::oci
