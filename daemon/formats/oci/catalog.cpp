// All repository names. Not of the OCI specification: Docker's registry API,
// "Listing Repositories".
#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/encoding.hpp"
#include "formats/oci/oci.hpp"
#include "http/page.hpp"

namespace longshore::oci {
namespace {

constexpr std::size_t kNamesAtOnce = 1000;

// A page of what the caller may see. One name more than wanted is looked for,
// so that a next page is promised only if it will have something.
Result<Page<std::string>> visible_names(Context& ctx, std::size_t n,
                                        std::string last) {
    Page<std::string> page;
    LS_CHECK(each_visible(
        ctx, std::move(last),
        [&](std::string_view from) {
            return ctx.catalog.names(std::max(n + 1, kNamesAtOnce), from);
        },
        [&](std::string& name) {
            page.more = page.items.size() == n;
            if (!page.more) {
                page.items.push_back(std::move(name));
            }
            return !page.more;
        }));
    return page;
}

}  // namespace

Result<void> each_visible(
    Context& ctx, std::string last,
    const std::function<Result<Page<std::string>>(std::string_view)>& more,
    const std::function<bool(std::string&)>& visit) {
    for (;;) {
        auto from = ctx.list_from(ctx.authority, last);
        if (!from) {
            return {};
        }
        LS_TRY(names, more(*from));
        bool ended = !names.more || names.items.empty();
        if (!ended) {
            last = names.items.back();
        }
        for (auto& name : names.items) {
            if (ctx.may_list(ctx.authority, name) && !visit(name)) {
                return {};
            }
        }
        if (ended) {
            return {};
        }
    }
}

Result<Reply> list_names(Context& ctx, const Request& request) {
    LS_TRY(query, parse_page(request, ctx.settings.max_page_items));
    Page<std::string> page;
    if (query.n != 0) {
        LS_TRY(names, visible_names(ctx, query.n, query.last));
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
