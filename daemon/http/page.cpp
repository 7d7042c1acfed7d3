#include "http/page.hpp"

#include <algorithm>

#include "common/range.hpp"

namespace longshore {

Result<PageQuery> parse_page(const Request& request, std::size_t cap) {
    PageQuery page;
    page.n = cap;
    page.last = request.argument("last").value_or("");
    auto text = request.arguments("n");
    if (text.empty()) {
        return page;
    }
    bool decimal = !text[0].empty() &&
                   text[0].find_first_not_of("0123456789") == std::string::npos;
    if (!decimal) {
        return Error{Code::invalid_argument,
                     "n must be a decimal number of items",
                     "PAGINATION_NUMBER_INVALID"};
    }
    // A number too large for any integer is still a number: the cap.
    auto n = parse_decimal(text[0]).value_or(cap);
    page.n = static_cast<std::size_t>(std::min<std::uint64_t>(n, cap));
    page.limited = true;
    return page;
}

std::string next_link(std::string_view path, std::string_view query) {
    std::string link = "<";
    link += path;
    link += '?';
    link += query;
    link += ">; rel=\"next\"";
    return link;
}

EntityTags parse_entity_tags(std::string_view value) {
    EntityTags found;
    while (!value.empty()) {
        auto start = value.find_first_not_of(" \t,");
        if (start == std::string_view::npos) {
            break;
        }
        value.remove_prefix(start);
        bool weak = value.starts_with("W/");
        if (weak) {
            value.remove_prefix(2);
        }
        if (value.starts_with('"')) {
            auto end = value.find('"', 1);
            if (end == std::string_view::npos) {
                break;
            }
            if (!weak) {
                found.tags.emplace_back(value.substr(1, end - 1));
            }
            value.remove_prefix(end + 1);
            continue;
        }
        auto token = value.substr(0, value.find_first_of(" \t,"));
        found.any = found.any || token == "*";
        value.remove_prefix(std::max<std::size_t>(token.size(), 1));
    }
    return found;
}

}  // namespace longshore
