// What changes a package after it was published: deprecation, unpublishing,
// dist-tags. Clients read the whole document, change it and send it back;
// `_rev` tells them when somebody else was faster.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "formats/npm/body.hpp"
#include "formats/npm/handlers.hpp"
#include "formats/npm/manifest.hpp"
#include "formats/npm/name.hpp"
#include "registry/package_format.hpp"

namespace longshore::npm {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxReason = 4096;
constexpr std::string_view kDone = R"({"ok":true})";

EditOptions options_of(std::string_view action, const Request& request,
                       std::string detail) {
    EditOptions options;
    options.action = action;
    options.detail = std::move(detail);
    options.request_id = request.request_id;
    // A version that was there once never comes back as something else.
    options.tombstones = action == "package.delete";
    return options;
}

Result<Reply> done(Result<Written> written) {
    if (!written) {
        return std::move(written).error();
    }
    return written_reply(200, std::move(*written), std::string(kDone));
}

Result<void> deprecate(StoredPackage& package, const Changes& changes) {
    for (const auto& change : changes.versions) {
        auto* version = package.find(change.version);
        if (version == nullptr || !change.deprecated) {
            continue;
        }
        if (change.deprecated->size() > kMaxReason) {
            return Error{Code::invalid_argument,
                         "a deprecation has at most " +
                             std::to_string(kMaxReason) + " bytes"};
        }
        version->reason = *change.deprecated;
        version->state = version->reason.empty() ? VersionState::active
                                                 : VersionState::deprecated;
    }
    return {};
}

Error no_version(std::string_view name, std::string_view version) {
    return {Code::not_found,
            "there is no " + std::string(name) + "@" + std::string(version)};
}

void remove_tag(StoredPackage& package, std::string_view tag) {
    std::erase_if(package.tags,
                  [&](const auto& one) { return one.tag == tag; });
}

// Tags of versions that are gone.
void drop_lost_tags(StoredPackage& package) {
    std::erase_if(package.tags, [&](const auto& one) {
        return package.find(one.version_key) == nullptr;
    });
}

}  // namespace

Result<Reply> change_versions(Context& ctx, const Request& request,
                              std::string_view name,
                              std::string_view document) {
    LS_TRY(changes, read_changes(document));
    auto change = [&](StoredPackage& package) -> Result<void> {
        if (!changes.revision.empty()) {
            LS_CHECK(check_revision(changes.revision, package.revision));
        }
        return deprecate(package, changes);
    };
    return done(ctx.package_publisher.edit(
        *ctx.access, name, change,
        options_of("package.deprecate", request, "")));
}

Result<Reply> put_revision(Context& ctx, const Request& request) {
    LS_TRY(body, read_body(ctx, request));
    if (body.tarball) {
        return Error{Code::invalid_argument, "nothing is published by this"};
    }
    LS_TRY(changes, read_changes(body.document));
    std::vector<std::string> left;
    left.reserve(changes.versions.size());
    for (const auto& one : changes.versions) {
        left.push_back(one.version);
    }
    std::sort(left.begin(), left.end());
    auto change = [&](StoredPackage& package) -> Result<void> {
        LS_CHECK(
            check_revision(request.parameter("revision"), package.revision));
        std::erase_if(package.versions, [&](const auto& one) {
            return !std::binary_search(left.begin(), left.end(), one.version);
        });
        drop_lost_tags(package);
        LS_CHECK(deprecate(package, changes));
        settle_latest(package);
        return {};
    };
    return done(ctx.package_publisher.edit(
        *ctx.access, request.parameter("name"), change,
        options_of("package.delete", request, "")));
}

Result<Reply> delete_package(Context& ctx, const Request& request) {
    auto change = [&](StoredPackage& package) -> Result<void> {
        LS_CHECK(
            check_revision(request.parameter("revision"), package.revision));
        package.versions.clear();
        package.tags.clear();
        return {};
    };
    return done(ctx.package_publisher.edit(
        *ctx.access, request.parameter("name"), change,
        options_of("package.delete", request, "")));
}

Result<Reply> delete_tarball(Context& ctx, const Request& request) {
    const auto& name = request.parameter("name");
    auto path =
        name + "/-/" + std::string(base_name(request.parameter("file")));
    auto file = ctx.packages.file(*ctx.access, path);
    if (!file && file.error().code == Code::not_found) {
        // It went with its version, which clients take out before.
        LS_TRY(row, ctx.packages.package_row(*ctx.access, name));
        LS_CHECK(check_revision(request.parameter("revision"), row.revision));
        return json_document(ctx, std::string(kDone));
    }
    if (!file) {
        return std::move(file).error();
    }
    auto change = [&](StoredPackage& package) -> Result<void> {
        LS_CHECK(
            check_revision(request.parameter("revision"), package.revision));
        std::erase_if(package.versions, [&](const auto& one) {
            return one.key == file->version_key;
        });
        drop_lost_tags(package);
        settle_latest(package);
        return {};
    };
    return done(ctx.package_publisher.edit(
        *ctx.access, name, change,
        options_of("package.delete", request, path)));
}

Result<Reply> get_tags(Context& ctx, const Request& request) {
    LS_TRY(package,
           ctx.packages.package(*ctx.access, request.parameter("name")));
    json tags = json::object();
    for (const auto& tag : package.tags) {
        tags[tag.tag] = tag.version_key;
    }
    return json_document(ctx, tags.dump(), package.key);
}

Result<Reply> put_tag(Context& ctx, const Request& request) {
    const auto& tag = request.parameter("tag");
    LS_CHECK(check_tag(tag));
    auto version = json::parse(request.body, nullptr, false);
    if (!version.is_string()) {
        return Error{Code::invalid_argument,
                     "the body is a version as a JSON string"};
    }
    auto key = version.get<std::string>();
    auto change = [&](StoredPackage& package) -> Result<void> {
        if (package.find(key) == nullptr) {
            return no_version(package.name, key);
        }
        remove_tag(package, tag);
        package.tags.push_back({tag, key});
        settle_latest(package);
        return {};
    };
    return done(ctx.package_publisher.edit(
        *ctx.access, request.parameter("name"), change,
        options_of("package.tag", request, tag + " " + key)));
}

Result<Reply> delete_tag(Context& ctx, const Request& request) {
    const auto& tag = request.parameter("tag");
    if (tag == kLatest) {
        return Error{Code::invalid_argument,
                     "every package has a latest version: the tag can be "
                     "moved, not removed"};
    }
    auto change = [&](StoredPackage& package) -> Result<void> {
        if (package.tag(tag) == nullptr) {
            return Error{Code::not_found, package.name + " has no tag " + tag};
        }
        remove_tag(package, tag);
        return {};
    };
    return done(ctx.package_publisher.edit(
        *ctx.access, request.parameter("name"), change,
        options_of("package.tag", request, tag)));
}

}  // namespace longshore::npm
