// Listing of tags. Specification: OCI distribution-spec, "Listing Tags".
#include <nlohmann/json.hpp>

#include "common/encoding.hpp"
#include "common/oci_error.hpp"
#include "formats/oci/oci.hpp"
#include "http/page.hpp"

namespace longshore::oci {

Result<Reply> list_tags(Context& ctx, const Request& request) {
    LS_TRY(query, parse_page(request, ctx.settings.max_page_items));
    // n=0 still says whether the repository exists.
    LS_TRY(page, ctx.catalog.tags(*ctx.access, query.n == 0 ? 1 : query.n,
                                  query.last));
    if (query.n == 0) {
        page = {};
    }
    std::string body = R"({"name":)" + json_quote(ctx.access->name().text()) +
                       R"(,"tags":)" + nlohmann::json(page.items).dump() + "}";
    auto reply = json_reply(std::move(body));
    if (page.more && !page.items.empty()) {
        reply.header("Link",
                     next_link(repository_path(ctx, request) + "/tags/list",
                               "n=" + std::to_string(query.n) + "&last=" +
                                   percent_encode(page.items.back())));
    }
    return reply;
}

}  // namespace longshore::oci
