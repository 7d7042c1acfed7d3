// Manifests by tag and by digest.
// Specification: OCI distribution-spec, "Pulling manifests", "Pushing
// Manifests", "Deleting Manifests".
#include <algorithm>

#include "common/hash.hpp"
#include "common/oci_error.hpp"
#include "common/oci_path.hpp"
#include "formats/oci/manifest_parse.hpp"
#include "formats/oci/oci.hpp"
#include "http/page.hpp"

namespace longshore::oci {
namespace {

std::string entity_tag(const Digest& digest) {
    return '"' + digest.str() + '"';
}

Error digest_mismatch(const Digest& wanted, const Digest& found) {
    return Error{Code::digest_mismatch,
                 "the manifest has digest " + found.str(), "DIGEST_INVALID",
                 json_quote(wanted.text())};
}

// If-Match and If-None-Match of a push. An If-Match that no digest can match
// fails at once.
Result<TagCondition> parse_condition(const Request& request) {
    TagCondition condition;
    if (auto value = request.header("If-Match")) {
        auto tags = parse_entity_tags(*value);
        condition.if_match_any = tags.any;
        for (const auto& tag : tags.tags) {
            Digest digest;
            if (Digest::parse(tag, digest)) {
                condition.if_match.push_back(digest);
            }
        }
        if (!tags.any && condition.if_match.empty()) {
            return Error{Code::precondition_failed,
                         "If-Match names no manifest digest"};
        }
    }
    if (auto value = request.header("If-None-Match")) {
        if (!parse_entity_tags(*value).any) {
            return Error{Code::invalid_argument,
                         "If-None-Match of a push can only be *",
                         "UNSUPPORTED"};
        }
        condition.if_none_match_any = true;
    }
    return condition;
}

// The tags that a push sets: its reference, or those of ?tag=.
Result<std::vector<std::string>> tags_of(const Request& request,
                                         bool by_digest) {
    if (!by_digest) {
        return std::vector{std::string(request.reference)};
    }
    std::vector<std::string> tags;
    for (auto& tag : request.arguments("tag")) {
        if (!is_tag(tag)) {
            return Error{Code::invalid_argument,
                         "a tag is [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}",
                         "TAG_INVALID", json_quote(tag)};
        }
        if (std::find(tags.begin(), tags.end(), tag) == tags.end()) {
            tags.push_back(std::move(tag));
        }
    }
    return tags;
}

Reply created(const Context& ctx, const Request& request,
              const ManifestDraft& draft, bool by_digest, Written written) {
    Reply reply;
    reply.status = 201;
    auto path = repository_path(ctx, request) + "/manifests/";
    reply.header("Location", path + draft.digest.str());
    reply.header("Docker-Content-Digest", draft.digest.text());
    if (draft.facts.subject) {
        reply.header("OCI-Subject", draft.facts.subject->text());
    }
    if (by_digest) {
        for (const auto& tag : draft.tags) {
            reply.header("OCI-Tag", tag);
        }
    }
    reply.drops = std::move(written.drops);
    return reply;
}

// Body is here: everything that is checked about it.
Result<Reply> put_received(Context& ctx, const Request& request,
                           const Digest* expected,
                           std::vector<std::string> tags,
                           TagCondition condition) {
    if (request.body_kind != BodyKind::memory) {
        return Error{Code::invalid_argument, "the manifest has no body",
                     "MANIFEST_INVALID"};
    }
    ManifestDraft draft;
    draft.bytes = request.body;
    draft.digest = digest_of(
        expected ? expected->algorithm() : Algorithm::sha256, request.body);
    if (expected && *expected != draft.digest) {
        return digest_mismatch(*expected, draft.digest);
    }
    LS_TRY(facts, parse_manifest(request.body,
                                 request.header("Content-Type").value_or("")));
    draft.facts = std::move(facts);
    draft.tags = std::move(tags);
    draft.condition = std::move(condition);
    draft.request_id = request.request_id;
    LS_TRY(written, ctx.publisher.put_manifest(*ctx.access, draft));
    return created(ctx, request, draft, expected != nullptr,
                   std::move(written));
}

}  // namespace

Result<Reply> get_manifest(Context& ctx, const Request& request) {
    LS_TRY(manifest, ctx.catalog.manifest(*ctx.access, request.reference));
    Reply reply;
    reply.media_type = manifest.media_type;
    reply.header("Docker-Content-Digest", manifest.digest.text());
    reply.ttl_ms = ctx.settings.cache_ttl_ms;
    auto name = ctx.access->name().text();
    reply.keys.push_back(key::manifest(name, request.reference));
    if (request.reference != manifest.digest.text()) {
        reply.keys.push_back(key::manifest(name, manifest.digest.text()));
    }
    if (manifest.size_bytes > ctx.settings.cache_inline_bytes) {
        LS_CHECK(ctx.catalog.check_there(manifest));
        reply.body = BlobBody{manifest.digest, manifest.size_bytes};
        return reply;
    }
    LS_TRY(bytes, ctx.catalog.manifest_bytes(manifest));
    reply.header("ETag", entity_tag(manifest.digest));
    reply.body = InlineBody{std::move(bytes)};
    return reply;
}

Result<Reply> put_manifest(Context& ctx, const Request& request) {
    Digest expected;
    bool by_digest = Digest::parse(request.reference, expected);
    LS_TRY(tags, tags_of(request, by_digest));
    if (tags.size() > ctx.settings.max_tags_per_push) {
        return error_reply(414, "TAG_INVALID", "too many tags in one request");
    }
    LS_TRY(condition, parse_condition(request));
    auto limit = ctx.settings.max_manifest_bytes;
    auto size = request.received ? static_cast<std::int64_t>(request.body_size)
                                 : request.body_bytes;
    if (size > 0 && static_cast<std::uint64_t>(size) > limit) {
        return Error{Code::too_large,
                     "a manifest has at most " + std::to_string(limit) +
                         " bytes (max_manifest_bytes)",
                     "SIZE_INVALID"};
    }
    if (!request.received) {
        Reply reply;
        reply.body = ReceiveMemory{limit};
        return reply;
    }
    return put_received(ctx, request, by_digest ? &expected : nullptr,
                        std::move(tags), std::move(condition));
}

Result<Reply> delete_manifest(Context& ctx, const Request& request) {
    LS_CHECK(check_delete_allowed(ctx));
    Digest digest;
    if (Digest::parse(request.reference, digest)) {
        return deleted(ctx.publisher.delete_manifest(*ctx.access, digest,
                                                     request.request_id));
    }
    return deleted(ctx.publisher.delete_tag(*ctx.access, request.reference,
                                            request.request_id));
}

}  // namespace longshore::oci
