#include "registry/listing.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/encoding.hpp"
#include "http/date.hpp"

namespace longshore {
namespace {

std::string escape(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

bool wants_json(const Request& request) {
    if (request.argument("format").value_or("") == "json") {
        return true;
    }
    auto accept = request.header("accept").value_or("");
    auto json = accept.find("application/json");
    auto html = accept.find("text/html");
    return json != std::string_view::npos &&
           (html == std::string_view::npos || json < html);
}

std::string link_to(const FolderEntry& entry) {
    // "./" before a name that could be read as a scheme.
    auto name = percent_encode(entry.name, "+~!@$,=");
    return (entry.name.find(':') != std::string::npos ? "./" + name : name) +
           (entry.folder ? "/" : "");
}

std::string next_of(const Page<FolderEntry>& page) {
    const auto& last = page.items.back();
    return "?after=" + percent_encode(last.name) + (last.folder ? "%2F" : "");
}

std::string html_of(const Context& ctx, std::string_view path,
                    const Page<FolderEntry>& page) {
    auto title = escape(ctx.repository->key + "/" + std::string(path));
    std::string out =
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>" + title +
        "</title></head>\n<body><h1>" + title + "</h1>\n<pre>\n";
    out += path.empty() ? "" : "<a href=\"../\">../</a>\n";
    for (const auto& entry : page.items) {
        out += "<a href=\"" + link_to(entry) + "\">" + escape(entry.name) +
               (entry.folder ? "/" : "") + "</a>";
        if (!entry.folder) {
            out += "  " + utc_time(entry.file.created_at_ms) + "  " +
                   std::to_string(entry.file.size_bytes);
        }
        out += "\n";
    }
    if (page.more) {
        out += "<a href=\"" + next_of(page) + "\">more</a>\n";
    }
    return out + "</pre></body></html>\n";
}

std::string json_of(const Context& ctx, std::string_view path,
                    const Page<FolderEntry>& page) {
    auto entries = nlohmann::json::array();
    for (const auto& entry : page.items) {
        nlohmann::json one = {{"name", entry.name}, {"folder", entry.folder}};
        if (!entry.folder) {
            const auto& file = entry.file;
            one["size"] = file.size_bytes;
            one["media_type"] = file.media_type;
            one["sha256"] = file.digest.encoded();
            one["created_at"] = utc_time(file.created_at_ms, true);
            one["downloads"] = file.downloads;
        }
        entries.push_back(std::move(one));
    }
    nlohmann::json out = {{"repository", ctx.repository->key},
                          {"path", path},
                          {"entries", std::move(entries)}};
    if (page.more) {
        out["next"] = next_of(page);
    }
    return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Result<Reply> folder_reply(Context& ctx, const Request& request,
                           std::string_view path) {
    auto prefix = path.empty() ? std::string() : std::string(path) + "/";
    LS_TRY(page,
           ctx.packages.folder(*ctx.access, prefix, ctx.settings.max_page_items,
                               request.argument("after").value_or("")));
    if (page.items.empty() && !path.empty()) {
        return Error{Code::not_found, "nothing lies at " + prefix};
    }
    Reply reply;
    bool json = wants_json(request);
    reply.media_type = json ? "application/json" : "text/html; charset=utf-8";
    reply.body =
        InlineBody{json ? json_of(ctx, path, page) : html_of(ctx, path, page)};
    reply.header("Vary", "Accept");
    reply.header("Cache-Control", "no-cache");
    return reply;
}

Result<Reply> to_folder(Context& ctx, const Request&, std::string_view path) {
    LS_TRY(page,
           ctx.packages.files(*ctx.access, std::string(path) + "/", 1, ""));
    if (page.items.empty()) {
        return Error{Code::not_found, "no such file: " + std::string(path)};
    }
    Reply reply;
    reply.status = 301;
    auto slash = path.rfind('/');
    auto name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    // Relative to the target: right behind every proxy.
    reply.header("Location", "./" + percent_encode(name) + "/");
    return reply;
}

}  // namespace longshore
