// Reads: packages, versions, files, search; and Bower's look-up, for which a
// package is the URL of its latest version.
#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "formats/npm/handlers.hpp"
#include "formats/npm/manifest.hpp"
#include "formats/npm/name.hpp"
#include "http/date.hpp"
#include "registry/package_format.hpp"

namespace longshore::npm {
namespace {

using nlohmann::json;

constexpr std::size_t kMostFound = 250;
constexpr std::string_view kBower = "packages";

std::size_t number(const Request& request, std::string_view name,
                   std::size_t otherwise) {
    auto text = request.argument(name).value_or("");
    std::size_t value = 0;
    auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value
                                                                    : otherwise;
}

// "keywords:a,b author:c word" as the words that have to be found.
std::string words_of(std::string text) {
    for (std::string_view field : {"keywords:", "name:", "scope:", "author:"}) {
        for (auto at = text.find(field); at != std::string::npos;
             at = text.find(field)) {
            text.replace(at, field.size(), " ");
        }
    }
    std::replace(text.begin(), text.end(), ',', ' ');
    return text;
}

json summary_of(const StoredPackage& package) {
    auto data = json::parse(package.data, nullptr, false);
    return data.is_object() ? data : json::object();
}

std::string latest_url(const Context& ctx, const StoredPackage& package) {
    auto version = summary_of(package).value("version", "");
    return ctx.base_url + "/" + tarball_path(package.name, version);
}

json found_package(const Context& ctx, const StoredPackage& package) {
    auto data = summary_of(package);
    data["name"] = package.name;
    data["scope"] = package.name.starts_with('@')
                        ? package.name.substr(1, package.name.find('/') - 1)
                        : "unscoped";
    data["links"]["npm"] = ctx.base_url + "/" + package.name;
    auto publisher = data.find("publisher");
    data["maintainers"] =
        publisher == data.end() ? json::array() : json::array({*publisher});
    return data;
}

bool is_bower(const Context& ctx) {
    std::string_view base(ctx.base_url);
    auto repository = base.rfind('/');
    return repository != base.npos &&
           base.substr(0, repository).ends_with("/bower");
}

Result<Reply> bower_package(Context& ctx, std::string_view name) {
    LS_TRY(package, ctx.packages.package_row(*ctx.access, name));
    json out = {{"name", package.name}, {"url", latest_url(ctx, package)}};
    return json_document(ctx, out.dump());
}

Result<Reply> bower_packages(Context& ctx, std::string_view words) {
    json out = json::array();
    auto add = [&](const StoredPackage& package) {
        out.push_back(
            {{"name", package.name}, {"url", latest_url(ctx, package)}});
    };
    if (words.empty()) {
        LS_TRY(page, ctx.packages.packages(*ctx.access, "",
                                           ctx.settings.max_page_items, ""));
        std::for_each(page.items.begin(), page.items.end(), add);
    } else {
        LS_TRY(found, ctx.packages.search(*ctx.access,
                                          {std::string(words), kMostFound, 0}));
        std::for_each(found.packages.begin(), found.packages.end(), add);
    }
    return json_document(ctx, out.dump());
}

Result<Reply> get_bower(Context& ctx, std::string_view path) {
    constexpr std::string_view kSearch = "packages/search/";
    if (path == kBower) {
        return bower_packages(ctx, "");
    }
    if (path.starts_with(kSearch)) {
        return bower_packages(ctx, path.substr(kSearch.size()));
    }
    path.remove_prefix(std::min(path.size(), kBower.size() + 1));
    return bower_package(ctx, path);
}

Result<Reply> get_version(Context& ctx, const Place& place) {
    LS_TRY(package, ctx.packages.package(*ctx.access, place.name));
    const auto* tag = package.tag(place.version);
    const auto* version = package.find(tag == nullptr ? place.version : *tag);
    if (version == nullptr) {
        return Error{Code::not_found,
                     "there is no " + place.name + "@" + place.version};
    }
    std::string body;
    append_manifest(body, manifest_text(version->data), package.name, *version,
                    ctx.base_url);
    return json_document(ctx, std::move(body));
}

}  // namespace

Result<Reply> get_any(Context& ctx, const Request& request) {
    const auto& path = request.parameter("name");
    bool bower = path == kBower || path.starts_with("packages/");
    if (bower && is_bower(ctx)) {
        return get_bower(ctx, path);
    }
    LS_TRY(place, read_place(path));
    return place.version.empty() ? serve_packument(ctx, request, place.name)
                                 : get_version(ctx, place);
}

Result<Reply> get_tarball(Context& ctx, const Request& request) {
    // Old clients write the scope a second time before the file.
    const auto& name = request.parameter("name");
    auto path =
        name + "/-/" + std::string(base_name(request.parameter("file")));
    LS_TRY(entry, ctx.packages.file(*ctx.access, path));
    return file_reply(ctx, entry);
}

Result<Reply> get_attestations(Context& ctx, const Request& request) {
    LS_TRY(entry,
           ctx.packages.file(*ctx.access, "-/npm/v1/attestations/" +
                                              request.parameter("spec")));
    auto reply = file_reply(ctx, entry);
    reply.counted = false;
    return reply;
}

Result<Reply> search(Context& ctx, const Request& request) {
    PackageQuery query;
    query.text = words_of(request.argument("text").value_or(""));
    query.n = std::min(number(request, "size", 20), kMostFound);
    query.skip = number(request, "from", 0);
    LS_TRY(found, ctx.packages.search(*ctx.access, query));
    json objects = json::array();
    auto rank = static_cast<double>(found.total);
    for (const auto& package : found.packages) {
        json score = {
            {"final", 1.0},
            {"detail",
             {{"quality", 1.0}, {"popularity", 1.0}, {"maintenance", 1.0}}}};
        objects.push_back({{"package", found_package(ctx, package)},
                           {"downloads", {{"monthly", package.downloads}}},
                           {"score", std::move(score)},
                           {"searchScore", rank -= 1}});
    }
    json out = {{"objects", std::move(objects)},
                {"total", found.total},
                {"time", utc_time(unix_ms(), true)}};
    return json_document(ctx, out.dump());
}

Result<Reply> ping(Context& ctx, const Request&) {
    return json_document(ctx, "{}");
}

// There is no list of vulnerabilities here, so none is known.
Result<Reply> audit_bulk(Context& ctx, const Request&) {
    return json_document(ctx, "{}");
}

Result<Reply> audit_quick(Context& ctx, const Request&) {
    json counts = json::object();
    for (const auto* one : {"info", "low", "moderate", "high", "critical"}) {
        counts[one] = 0;
    }
    json metadata = {{"vulnerabilities", std::move(counts)}};
    for (const auto* one : {"dependencies", "devDependencies",
                            "optionalDependencies", "totalDependencies"}) {
        metadata[one] = 0;
    }
    json out = {{"actions", json::array()},
                {"advisories", json::object()},
                {"muted", json::array()},
                {"metadata", std::move(metadata)}};
    return json_document(ctx, out.dump());
}

}  // namespace longshore::npm
