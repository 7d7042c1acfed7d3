// npm publish: one document with the package in it. What it says of the
// package's bytes is compared with the bytes, and never taken over.
#include <nlohmann/json.hpp>

#include "common/clock.hpp"
#include "common/encoding.hpp"
#include "common/oci_error.hpp"
#include "formats/npm/body.hpp"
#include "formats/npm/handlers.hpp"
#include "formats/npm/manifest.hpp"
#include "formats/npm/name.hpp"
#include "formats/npm/provenance.hpp"
#include "registry/package_format.hpp"
#include "syntax/base64_stream.hpp"

namespace longshore::npm {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTags = 32;

// "sha512-<base64>" of a digest in hex.
std::string integrity_of(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes +=
            static_cast<char>(hex_value(hex[i]) * 16 + hex_value(hex[i + 1]));
    }
    return "sha512-" + base64_encode(bytes);
}

// Every sha512 among the digests that the client promises must be ours.
bool agrees(std::string_view promised, std::string_view integrity) {
    while (!promised.empty()) {
        auto end = std::min(promised.find(' '), promised.size());
        auto one = promised.substr(0, end);
        one = one.substr(0, one.find('?'));
        if (one.starts_with("sha512-") && one != integrity) {
            return false;
        }
        promised.remove_prefix(std::min(end + 1, promised.size()));
    }
    return true;
}

// dist as it is kept: without links.
Result<json> dist_of(const json& manifest, const StagedBlob& tarball,
                     const TarballFacts& facts) {
    const auto& digests = tarball.digests();
    auto integrity = integrity_of(digests.sha512);
    auto said = manifest.value("dist", json::object());
    auto text = [&](const char* name) {
        auto found = said.is_object() ? said.find(name) : said.end();
        return said.is_object() && found != said.end() && found->is_string()
                   ? found->get<std::string>()
                   : std::string();
    };
    auto shasum = text("shasum");
    if ((!shasum.empty() && shasum != digests.sha1) ||
        !agrees(text("integrity"), integrity)) {
        return Error{Code::digest_mismatch,
                     "the package has shasum " + digests.sha1 +
                         " and integrity " + integrity +
                         ", which is not what was promised"};
    }
    return json{{"shasum", digests.sha1},
                {"integrity", integrity},
                {"fileCount", facts.files},
                {"unpackedSize", facts.unpacked_bytes}};
}

// The one version that the document is about.
Result<json> manifest_of(json& document, std::string_view name) {
    auto versions = document.find("versions");
    if (document.value("name", json()) != json(name) ||
        versions == document.end() || !versions->is_object() ||
        versions->size() != 1) {
        return Error{Code::invalid_argument,
                     "one version of " + std::string(name) + " was expected"};
    }
    auto manifest = std::move(versions->begin().value());
    if (!manifest.is_object() ||
        manifest.value("version", json()) != json(versions->begin().key()) ||
        manifest.value("name", json()) != json(name)) {
        return Error{Code::invalid_argument,
                     "a version has its package's name and its own version"};
    }
    return manifest;
}

Result<void> check_length(const json& document, const Body& body) {
    auto attachments = document.find("_attachments");
    const auto& one = (*attachments)[body.tarball_name];
    auto length = one.find("length");
    if (length != one.end() && length->is_number_unsigned() &&
        length->get<std::uint64_t>() != body.tarball->size_bytes()) {
        return Error{Code::invalid_argument,
                     "the package has " +
                         std::to_string(body.tarball->size_bytes()) +
                         " bytes, not as many as were promised"};
    }
    return {};
}

Result<std::vector<std::string>> tags_of(const json& document,
                                         std::string_view version) {
    std::vector<std::string> tags;
    auto found = document.find("dist-tags");
    if (found == document.end() || !found->is_object()) {
        return tags;
    }
    for (const auto& [tag, value] : found->items()) {
        LS_CHECK(check_tag(tag));
        if (value != json(version) || tags.size() == kMaxTags) {
            return Error{Code::invalid_argument,
                         "tag " + tag + " is to point to the new version"};
        }
        tags.push_back(tag);
    }
    return tags;
}

Result<bool> is_known(Context& ctx, std::string_view name) {
    auto row = ctx.packages.package_row(*ctx.access, name);
    if (row) {
        return true;
    }
    return row.error().code == Code::not_found ? Result<bool>(false)
                                               : std::move(row).error();
}

FileDraft tarball_file(StagedBlob blob, std::string_view name,
                       std::string_view version, const json& dist) {
    FileDraft file;
    file.path = tarball_path(name, version);
    file.blob = std::move(blob);
    file.role = kTarballRole;
    file.data = dist.dump();
    return file;
}

Result<void> add_readme(Context& ctx, PackageDraft& draft,
                        const TarballFacts& facts) {
    if (facts.readme.empty()) {
        return {};
    }
    FileDraft file;
    file.path = readme_path(draft.name, draft.version);
    LS_TRY(blob, ctx.blobs.stage(facts.readme));
    file.blob = std::move(blob);
    file.role = kReadmeRole;
    file.media_type = "text/plain; charset=utf-8";
    file.data = "{\"name\":" + json_quote(facts.readme_name) + "}";
    draft.files.push_back(std::move(file));
    return {};
}

Result<void> add_provenance(Context& ctx, PackageDraft& draft,
                            std::string_view bundle,
                            std::string_view sha512_hex) {
    if (bundle.empty()) {
        return {};
    }
    LS_TRY(provenance,
           read_provenance(bundle, draft.name, draft.version, sha512_hex));
    FileDraft file;
    file.path = attestations_path(draft.name, draft.version);
    LS_TRY(blob, ctx.blobs.stage(provenance.document));
    file.blob = std::move(blob);
    file.role = kAttestationsRole;
    file.media_type = "application/json";
    file.data =
        "{\"predicateType\":" + json_quote(provenance.predicate_type) + "}";
    draft.files.push_back(std::move(file));
    return {};
}

Result<Reply> publish(Context& ctx, const Request& request,
                      std::string_view name, Body body) {
    LS_TRY(document, read_object(body.document));
    LS_TRY(manifest, manifest_of(document, name));
    LS_CHECK(check_length(document, body));
    PackageDraft draft;
    draft.name = draft.key = name;
    draft.version = draft.version_key = manifest["version"];
    draft.request_id = request.request_id;
    LS_TRY(order, version_order(draft.version));
    draft.sort_key = std::move(order);
    LS_TRY(tags, tags_of(document, draft.version));
    draft.tags = std::move(tags);
    // A package has a latest version from its first one on.
    LS_TRY(known, is_known(ctx, name));
    auto is_latest = [&] {
        return std::find(draft.tags.begin(), draft.tags.end(), kLatest) !=
               draft.tags.end();
    };
    if (!is_latest() && (!known || draft.tags.empty())) {
        draft.tags.emplace_back(kLatest);
    }

    LS_TRY(source, body.tarball->open());
    LS_TRY(facts, inspect_tarball(*source));
    LS_TRY(dist, dist_of(manifest, *body.tarball, facts));
    LS_CHECK(settle_manifest(manifest, facts, name, draft.version,
                             ctx.access->actor().principal));
    draft.version_data = version_data(manifest);
    if (is_latest()) {
        auto summary = summarize(manifest, unix_ms());
        draft.package_data = std::move(summary.data);
        draft.summary = std::move(summary.summary);
        draft.keywords = std::move(summary.keywords);
    }
    auto sha512 = body.tarball->digests().sha512;
    draft.files.push_back(
        tarball_file(std::move(*body.tarball), name, draft.version, dist));
    LS_CHECK(add_provenance(ctx, draft, body.bundle, sha512));
    LS_CHECK(add_readme(ctx, draft, facts));
    auto version = draft.version;
    auto written = ctx.package_publisher.publish(*ctx.access, std::move(draft));
    if (!written && (written.error().code == Code::already_exists ||
                     written.error().code == Code::conflict)) {
        // npm wants one kind of refusal for what is there and what was.
        return Error{Code::already_exists,
                     "you cannot publish over the previously published "
                     "versions: " +
                         version + " (" + written.error().message + ")"};
    }
    if (!written) {
        return std::move(written).error();
    }
    return written_reply(201, std::move(*written),
                         R"({"ok":true,"success":true})");
}

}  // namespace

Result<void> before_put(Context&, const Request& request) {
    LS_TRY(place, read_place(request.parameter("name")));
    if (!place.version.empty()) {
        return Error{Code::not_found,
                     "a version is published with its package"};
    }
    return {};
}

Result<Reply> put_package(Context& ctx, const Request& request) {
    const auto& name = request.parameter("name");
    LS_CHECK(before_put(ctx, request));
    LS_TRY(body, read_body(ctx, request));
    if (!body.tarball) {
        return change_versions(ctx, request, name, body.document);
    }
    return publish(ctx, request, name, std::move(body));
}

}  // namespace longshore::npm
