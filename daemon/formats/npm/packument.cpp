// Documents of packages. Both are texts of versions side by side: only the
// manifest of the latest version is parsed, for what it says of the package.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "common/oci_error.hpp"
#include "formats/npm/handlers.hpp"
#include "formats/npm/manifest.hpp"
#include "formats/npm/name.hpp"
#include "http/date.hpp"

namespace longshore::npm {
namespace {

using nlohmann::json;

constexpr std::string_view kFull = "full/";
constexpr std::string_view kAbbreviated = "abbreviated/";
constexpr std::string_view kAbbreviatedType =
    "application/vnd.npm.install-v1+json";

// What a package says of itself is what its latest version says.
constexpr std::array<const char*, 8> kOfLatest = {
    "description", "keywords", "homepage", "bugs",
    "license",     "author",   "funding",  "repository"};

std::string tags_text(const StoredPackage& package) {
    json tags = json::object();
    for (const auto& tag : package.tags) {
        if (const auto* version = package.find(tag.version_key)) {
            tags[tag.tag] = version->version;
        }
    }
    return tags.dump();
}

std::string abbreviated(const StoredPackage& package,
                        std::string_view base_url) {
    std::string out = "{\"name\":" + json_quote(package.name);
    out += ",\"modified\":\"" + utc_time(package.updated_at_ms, true);
    out += "\",\"dist-tags\":" + tags_text(package);
    out += ",\"versions\":{";
    for (const auto& version : package.versions) {
        out += &version == package.versions.data() ? "" : ",";
        out += json_quote(version.version) + ":";
        append_manifest(out, abbreviated_text(version.data), package.name,
                        version, base_url);
    }
    return out + "}}";
}

// Whoever published one of its versions.
json maintainers(const StoredPackage& package) {
    json list = json::array();
    for (const auto& version : package.versions) {
        json one = {{"name", version.publisher}};
        bool known = std::find(list.begin(), list.end(), one) != list.end();
        if (!version.publisher.empty() && !known) {
            list.push_back(std::move(one));
        }
    }
    return list;
}

std::string times(const StoredPackage& package) {
    std::string out = "{\"created\":\"" + utc_time(package.created_at_ms, true);
    out += "\",\"modified\":\"" + utc_time(package.updated_at_ms, true) + "\"";
    for (const auto& version : package.versions) {
        out += "," + json_quote(version.version) + ":\"" +
               utc_time(version.published_at_ms, true) + "\"";
    }
    return out + "}";
}

Result<void> add_readme(IndexContext& ctx, const StoredVersion& version,
                        json& head) {
    for (const auto& file : version.files) {
        if (file.role == kReadmeRole) {
            LS_TRY(source, ctx.open(file.digest));
            LS_TRY(text, Blobs::read_all(*source, kMaxReadme * 2));
            auto data = json::parse(file.data, nullptr, false);
            head["readme"] = std::move(text);
            head["readmeFilename"] = data.is_object()
                                         ? data.value("name", "README")
                                         : std::string("README");
        }
    }
    return {};
}

// All that stands before the versions, without its last brace.
Result<std::string> head_of(IndexContext& ctx, const StoredPackage& package) {
    json head = {{"_id", package.name},
                 {"_rev", revision_text(package.revision)},
                 {"name", package.name},
                 {"maintainers", maintainers(package)}};
    const auto* latest = package.tag(kLatest);
    const auto* version = latest == nullptr ? nullptr : package.find(*latest);
    if (version != nullptr) {
        auto manifest =
            json::parse(manifest_text(version->data), nullptr, false);
        for (const auto* one : kOfLatest) {
            auto found = manifest.find(one);
            if (found != manifest.end()) {
                head[one] = *found;
            }
        }
        LS_CHECK(add_readme(ctx, *version, head));
    }
    auto text = head.dump(-1, ' ', false, json::error_handler_t::replace);
    text.pop_back();
    return text;
}

Result<std::string> full(IndexContext& ctx, const StoredPackage& package) {
    LS_TRY(out, head_of(ctx, package));
    out += ",\"dist-tags\":" + tags_text(package);
    out += ",\"time\":" + times(package);
    out += ",\"versions\":{";
    for (const auto& version : package.versions) {
        out += &version == package.versions.data() ? "" : ",";
        out += json_quote(version.version) + ":";
        append_manifest(out, manifest_text(version.data), package.name, version,
                        ctx.base_url());
    }
    return out + "}}";
}

bool wants_abbreviated(const Request& request) {
    auto accept = request.header("accept").value_or("");
    auto asked = accept.find(kAbbreviatedType);
    auto other = accept.find("application/json");
    return asked != accept.npos && (other == accept.npos || asked < other);
}

}  // namespace

Result<void> make_packument(IndexContext& ctx, std::string_view name) {
    LS_TRY(package, ctx.package(name));
    if (!package) {
        return {};
    }
    DocumentOptions options;
    options.gzip = true;
    options.media_type = "application/json";
    LS_TRY(text, full(ctx, *package));
    LS_TRY(whole, ctx.put(std::string(kFull) + package->name, text, options));
    options.media_type = kAbbreviatedType;
    LS_TRY(part, ctx.put(std::string(kAbbreviated) + package->name,
                         abbreviated(*package, ctx.base_url()), options));
    static_cast<void>(whole);
    static_cast<void>(part);
    return {};
}

Result<Reply> serve_packument(Context& ctx, const Request& request,
                              std::string_view name) {
    // Nothing is made for names that are not there.
    LS_TRY(row, ctx.packages.package_row(*ctx.access, name));
    std::string path(wants_abbreviated(request) ? kAbbreviated : kFull);
    LS_TRY(reply, ctx.indexes.serve(*ctx.repository, request, row.key,
                                    path.append(name), ctx.base_url));
    std::erase_if(reply.headers,
                  [](const auto& header) { return header.first == "Vary"; });
    reply.header("Vary", "Accept, Accept-Encoding");
    return reply;
}

}  // namespace longshore::npm
