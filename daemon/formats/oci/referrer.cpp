// Referrers of a manifest, as an image index. Always 200: clients take a 404
// for a registry without this API. Specification: OCI distribution-spec,
// "Listing Referrers".
#include "common/encoding.hpp"
#include "common/oci_error.hpp"
#include "formats/oci/manifest_parse.hpp"
#include "formats/oci/oci.hpp"
#include "http/page.hpp"

namespace longshore::oci {
namespace {

std::string descriptor(const Referrer& referrer) {
    std::string out = R"({"mediaType":)";
    out += json_quote(referrer.manifest.media_type);
    out += R"(,"digest":)" + json_quote(referrer.manifest.digest.text());
    out += R"(,"size":)" + std::to_string(referrer.manifest.size_bytes);
    if (!referrer.artifact_type.empty()) {
        out += R"(,"artifactType":)" + json_quote(referrer.artifact_type);
    }
    if (!referrer.annotations.empty()) {
        out += R"(,"annotations":)" + referrer.annotations;
    }
    out += '}';
    return out;
}

std::string next_query(const PageQuery& query, const std::string& type,
                       const Referrer& last) {
    std::string text = "n=" + std::to_string(query.n);
    if (!type.empty()) {
        text += "&artifactType=" + percent_encode(type);
    }
    text += "&last=" + percent_encode(last.manifest.digest.text());
    return text;
}

}  // namespace

Result<Reply> list_referrers(Context& ctx, const Request& request) {
    LS_TRY(subject, Digest::parse(request.reference));
    LS_TRY(query, parse_page(request, ctx.settings.max_page_items));
    auto type = request.argument("artifactType").value_or("");
    Page<Referrer> page;
    if (query.n != 0) {
        LS_TRY(found, ctx.catalog.referrers(*ctx.access, subject, type, query.n,
                                            query.last));
        page = std::move(found);
    }
    std::string list;
    const Referrer* last = nullptr;
    for (const auto& referrer : page.items) {
        if (list.size() > kMaxReferrerBytes) {
            page.more = true;
            break;
        }
        list += list.empty() ? "" : ",";
        list += descriptor(referrer);
        last = &referrer;
    }
    Reply reply;
    reply.media_type = kImageIndexType;
    reply.body = InlineBody{R"({"schemaVersion":2,"mediaType":")" +
                            std::string(kImageIndexType) +
                            R"(","manifests":[)" + list + "]}"};
    if (!type.empty()) {
        reply.header("OCI-Filters-Applied", "artifactType");
    }
    if (page.more && last) {
        reply.header("Link", next_link(repository_path(ctx, request) +
                                           "/referrers/" + subject.str(),
                                       next_query(query, type, *last)));
    }
    return reply;
}

}  // namespace longshore::oci
