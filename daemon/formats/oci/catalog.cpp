// All repository names. Not of the OCI specification: Docker's registry API,
// "Listing Repositories".
#include <nlohmann/json.hpp>

#include "common/encoding.hpp"
#include "formats/oci/oci.hpp"
#include "http/page.hpp"

namespace longshore::oci {

Result<Reply> list_names(Context& ctx, const Request& request) {
    LS_TRY(query, parse_page(request, ctx.settings.max_page_items));
    Page<std::string> page;
    if (query.n != 0) {
        LS_TRY(names, ctx.catalog.names(query.n, query.last));
        page = std::move(names);
    }
    auto reply = json_reply(R"({"repositories":)" +
                            nlohmann::json(page.items).dump() + "}");
    if (page.more && !page.items.empty()) {
        reply.header("Link",
                     next_link(std::string(request.prefix) + "/v2/_catalog",
                               "n=" + std::to_string(query.n) + "&last=" +
                                   percent_encode(page.items.back())));
    }
    return reply;
}

}  // namespace longshore::oci
