#include "ngx_module/conditions.hpp"

#include "ngx_module/str.hpp"

namespace longshore {
namespace {

// If-Match and If-None-Match hold "*" or a list of entity tags. RFC 9110
// section 13.1: the former compares strongly, the latter weakly.
bool lists_etag(std::string_view list, std::string_view etag,
                bool weak) noexcept {
    while (!list.empty()) {
        char c = list.front();
        if (c == ' ' || c == '\t' || c == ',') {
            list.remove_prefix(1);
            continue;
        }
        if (c == '*') {
            return true;
        }
        bool is_weak = list.starts_with("W/");
        if (is_weak) {
            list.remove_prefix(2);
        }
        if ((weak || !is_weak) && !etag.empty() && list.starts_with(etag)) {
            return true;
        }
        auto open = list.find('"');
        auto close =
            open == std::string_view::npos ? open : list.find('"', open + 1);
        if (close == std::string_view::npos) {
            return false;
        }
        list.remove_prefix(close + 1);
    }
    return false;
}

// Seconds since 1970; NGX_ERROR for what is no date.
time_t date_of(const ngx_table_elt_t& field) noexcept {
    return ngx_parse_http_time(field.value.data, field.value.len);
}

}  // namespace

Condition test_conditions(ngx_http_request_t* r,
                          std::string_view etag) noexcept {
    auto& in = r->headers_in;
    auto changed = r->headers_out.last_modified_time;
    bool is_dated = changed != -1;
    if (in.if_match != nullptr) {
        if (!lists_etag(view(in.if_match->value), etag, false)) {
            return Condition::failed;
        }
    } else if (is_dated && in.if_unmodified_since != nullptr) {
        auto date = date_of(*in.if_unmodified_since);
        if (date != NGX_ERROR && changed > date) {
            return Condition::failed;
        }
    }
    if (in.if_none_match != nullptr) {
        return lists_etag(view(in.if_none_match->value), etag, true)
                   ? Condition::not_modified
                   : Condition::go_on;
    }
    if (is_dated && in.if_modified_since != nullptr) {
        auto date = date_of(*in.if_modified_since);
        if (date != NGX_ERROR && changed <= date) {
            return Condition::not_modified;
        }
    }
    return Condition::go_on;
}

std::string_view wanted_ranges(ngx_http_request_t* r,
                               std::string_view etag) noexcept {
    auto& in = r->headers_in;
    if (in.range == nullptr || r->method != NGX_HTTP_GET) {
        return {};
    }
    if (in.if_range != nullptr && view(in.if_range->value) != etag) {
        auto changed = r->headers_out.last_modified_time;
        if (changed == -1 || date_of(*in.if_range) != changed) {
            return {};
        }
    }
    return view(in.range->value);
}

}  // namespace longshore
