// RPM packages for dnf, yum and zypper: groups of packages with a repodata/
// each, signed; comps, updateinfo and modules beside.
// Specification: rpm, "Package format"; createrepo_c(8), whose documents ours
// are equal to. docs/formats/rpm.md.
#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "common/encoding.hpp"
#include "formats/rpm/facts.hpp"
#include "formats/rpm/loose.hpp"
#include "formats/rpm/repodata.hpp"
#include "registry/package_format.hpp"
#include "registry/signer.hpp"
#include "syntax/version.hpp"

namespace longshore {
namespace rpm {
namespace {

constexpr std::size_t kMaxGroup = 200;
constexpr std::string_view kKeyFile = "repomd.xml.key";
constexpr std::string_view kPathLetters = "/+~.-_";

Error bad(std::string message) {
    return Error{Code::invalid_argument, std::move(message)};
}

// A folder that could be taken for one of ours is no group.
bool is_group(std::string_view group) {
    if (group.size() > kMaxGroup) {
        return false;
    }
    while (!group.empty()) {
        auto part = group.substr(0, group.find('/'));
        group.remove_prefix(std::min(part.size() + 1, group.size()));
        if (part.empty() || part.front() == '.' || part.front() == '-' ||
            part == "Packages" || part == "repodata" || part == "upload" ||
            !std::all_of(part.begin(), part.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                       c == '-';
            })) {
            return false;
        }
    }
    return true;
}

Result<std::string> group_in(const Request& request) {
    const auto& group = request.parameter("group");
    if (!is_group(group)) {
        return bad(
            "a group is a path of letters, digits and . _ -, without "
            "Packages, repodata and upload");
    }
    return group;
}

std::string scope_of(std::string_view group) {
    return "/" + std::string(group);
}

// One package has one path in a group, so other bytes of it are refused.
Result<Reply> put_package(Context& ctx, const Request& request) {
    LS_TRY(group, group_in(request));
    LS_TRY(blob, ctx.blobs.stage(request));
    LS_TRY(source, blob.open());
    LS_TRY(package, read_rpm(*source, limits()));
    LS_CHECK(check(package));
    LS_CHECK(check_whole(*source, package));
    auto file_name = rpm::file_name(package);
    const auto& asked = request.parameter("file");
    if (!asked.empty() && asked != file_name) {
        return bad("the file is " + file_name + ", not " + asked);
    }
    auto version = version_of(package);
    LS_TRY(parsed, parse_version(VersionScheme::rpm, version));
    PackageDraft draft;
    draft.name = draft.key = package.name;
    draft.version = draft.version_key = version;
    draft.sort_key = std::move(parsed.key);
    draft.summary = package.summary;
    draft.if_exists = IfExists::add;  // of another architecture or group
    draft.same_bytes_are_fine = true;
    draft.request_id = request.request_id;
    FileDraft file;
    file.path = folder_of(group) + std::string(kPackages) + file_name;
    file.role = package.arch;
    file.media_type = "application/x-rpm";
    file.data = describe(package);
    auto url = ctx.base_url + "/" + percent_encode(file.path, kPathLetters);
    nlohmann::json body = {
        {"path", file.path}, {"url", url}, {"sha256", blob.digest().encoded()}};
    file.blob = std::move(blob);
    draft.files.push_back(std::move(file));
    LS_TRY(written,
           ctx.package_publisher.publish(*ctx.access, std::move(draft)));
    auto reply = written_reply(201, std::move(written), body.dump());
    reply.header("Location", url);
    return reply;
}

Result<std::string> package_path(const Request& request) {
    LS_TRY(group, group_in(request));
    return folder_of(group) + std::string(kPackages) +
           request.parameter("file");
}

Result<Reply> get_package(Context& ctx, const Request& request) {
    LS_TRY(path, package_path(request));
    LS_TRY(entry, ctx.packages.file(*ctx.access, path));
    return file_reply(ctx, entry);
}

Result<Reply> delete_package(Context& ctx, const Request& request) {
    LS_TRY(path, package_path(request));
    LS_TRY(entry, ctx.packages.file(*ctx.access, path));
    auto change = [&](StoredPackage& package) -> Result<void> {
        std::erase_if(package.versions, [&](auto& version) {
            std::erase_if(version.files, [&](const auto& file) {
                return file.id == entry.file.id;
            });
            return version.files.empty();
        });
        return {};
    };
    EditOptions options{"package.delete", path,
                        std::string(request.request_id)};
    LS_TRY(written, ctx.package_publisher.edit(*ctx.access, entry.package_key,
                                               change, options));
    return written_reply(204, std::move(written));
}

Result<const LooseKind*> loose_in(const Request& request) {
    const auto* kind = find_loose(request.parameter("file"));
    if (kind == nullptr) {
        return bad(
            "comps.xml, updateinfo.xml and modules.yaml can be put here; "
            "everything else is made from the packages");
    }
    return kind;
}

Result<std::string> loose_path(const Request& request, const LooseKind& kind) {
    LS_TRY(group, group_in(request));
    return folder_of(group) + std::string(kRepodata) + std::string(kind.file);
}

Result<Reply> put_loose(Context& ctx, const Request& request) {
    LS_TRY(kind, loose_in(request));
    LS_TRY(path, loose_path(request, *kind));
    LS_TRY(source, ctx.blobs.open(request));
    LS_TRY(bytes, Blobs::read_all(*source, kMaxLoose));
    LS_CHECK(check_loose(*kind, bytes));
    FileDraft file;
    file.path = path;
    LS_TRY(blob, ctx.blobs.stage(request));
    file.blob = std::move(blob);
    file.role = kind->type;
    file.media_type = kind->media_type;
    LS_TRY(written, ctx.package_publisher.put_loose(
                        *ctx.access, std::move(file), request.request_id));
    return written_reply(201, std::move(written));
}

Result<Reply> delete_loose(Context& ctx, const Request& request) {
    LS_TRY(kind, loose_in(request));
    LS_TRY(path, loose_path(request, *kind));
    LS_TRY(written, ctx.package_publisher.remove_loose(*ctx.access, path,
                                                       request.request_id));
    return written_reply(204, std::move(written));
}

Result<Reply> get_repodata(Context& ctx, const Request& request) {
    LS_TRY(group, group_in(request));
    const auto& name = request.parameter("file");
    if (name == kKeyFile) {
        LS_TRY(keys, ctx.signing->public_keys_armored(ctx.repository->id));
        auto reply = json_document(ctx, std::move(keys));
        reply.media_type = "application/pgp-keys";
        return reply;
    }
    auto path = folder_of(group) + std::string(kRepodata) + name;
    if (find_loose(name) != nullptr) {
        LS_TRY(entry, ctx.packages.file(*ctx.access, path));
        return file_reply(ctx, entry);
    }
    return ctx.indexes.serve(*ctx.repository, request, scope_of(group), path,
                             "");
}

// A .repo file under any name: for dnf config-manager and zypper addrepo.
Result<Reply> get_config(Context& ctx, const Request& request) {
    LS_TRY(group, group_in(request));
    const auto& name = request.parameter("file");
    if (name != "config.repo" && name != ctx.repository->key + ".repo") {
        return Error{Code::not_found, "no such file: " + name};
    }
    auto id = ctx.repository->key + (group.empty() ? "" : "-" + group);
    std::replace(id.begin(), id.end(), '/', '-');
    auto url = ctx.base_url + (group.empty() ? "" : "/" + group);
    auto reply = json_document(
        ctx, "[" + id + "]\nname=" + id + "\nbaseurl=" + url +
                 "\ntype=rpm-md\nenabled=1\ngpgcheck=0\nrepo_gpgcheck=1\n"
                 "gpgkey=" +
                 url + "/repodata/repomd.xml.key\n");
    reply.media_type = "text/plain; charset=utf-8";
    return reply;
}

constexpr Route upload(Method method, std::string_view pattern) {
    return Route{.method = method,
                 .pattern = pattern,
                 .action = Action::push,
                 .named = true,
                 .handle = put_package,
                 .body = BodyMode::spool};
}

constexpr Route loose(std::string_view pattern) {
    return Route{.method = Method::put,
                 .pattern = pattern,
                 .action = Action::push,
                 .named = true,
                 .handle = put_loose,
                 .body = BodyMode::spool,
                 .max_body_bytes = kMaxLoose};
}

constexpr std::array kRoutes = {
    upload(Method::put, "/upload"),
    upload(Method::post, "/upload"),
    upload(Method::put, "/{group+}/upload"),
    upload(Method::post, "/{group+}/upload"),
    upload(Method::put, "/Packages/{file}"),
    upload(Method::put, "/{group+}/Packages/{file}"),
    loose("/repodata/{file}"),
    loose("/{group+}/repodata/{file}"),
    Route{Method::get, "/Packages/{file}", Action::pull, true, get_package},
    Route{Method::get, "/{group+}/Packages/{file}", Action::pull, true,
          get_package},
    Route{Method::get, "/repodata/{file}", Action::pull, true, get_repodata},
    Route{Method::get, "/{group+}/repodata/{file}", Action::pull, true,
          get_repodata},
    Route{Method::remove, "/Packages/{file}", Action::remove, true,
          delete_package},
    Route{Method::remove, "/{group+}/Packages/{file}", Action::remove, true,
          delete_package},
    Route{Method::remove, "/repodata/{file}", Action::remove, true,
          delete_loose},
    Route{Method::remove, "/{group+}/repodata/{file}", Action::remove, true,
          delete_loose},
    Route{Method::get, "/{file}", Action::pull, true, get_config},
    Route{Method::get, "/{group+}/{file}", Action::pull, true, get_config},
};

class Rpm final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 3> kMounts = {
            "rpm", "yum", "dnf"};
        static constexpr std::array kSetup = {
            SetupFile{"/etc/yum.repos.d/{repository}.repo",
                      "[{repository}]\n"
                      "name={repository}\n"
                      "baseurl={url}\n"
                      "enabled=1\n"
                      "gpgcheck=0\n"
                      "repo_gpgcheck=1\n"
                      "gpgkey={url}/repodata/repomd.xml.key\n"
                      "username={user}\n"
                      "password={token}\n",
                      ""},
            SetupFile{"/etc/zypp/credentials.d/{repository}",
                      "username={user}\n"
                      "password={token}\n",
                      ""},
            SetupFile{"",
                      "zypper addrepo --refresh "
                      "'{url}?credentials={repository}' {repository}\n"
                      "curl -fu {user}:{token} -T FILE {url}/upload\n",
                      "#", "zypper removerepo {repository}\n"}};
        static constexpr FormatInfo kInfo{
            .key = "rpm",
            .title = "RPM packages",
            .mount = "",
            .specification =
                "https://rpm-software-management.github.io/rpm/"
                "manual/format_v4.html",
            .mounts = kMounts,
            .index = IndexKind::plain,
            .setup = kSetup};
        return kInfo;
    }

    std::span<const Route> routes() const override { return kRoutes; }

    std::vector<std::string> scopes(
        const StoredPackage& package) const override {
        std::vector<std::string> out;
        for (const auto& version : package.versions) {
            for (const auto& file : version.files) {
                auto scope = scope_of(group_of(file.path));
                if (std::find(out.begin(), out.end(), scope) == out.end()) {
                    out.push_back(std::move(scope));
                }
            }
        }
        return out;
    }

    std::vector<std::string> loose_scopes(
        std::string_view path) const override {
        return {scope_of(group_of(path))};
    }

    Result<void> reindex(IndexContext& ctx,
                         std::string_view scope) const override {
        return make_group(ctx, scope.substr(1));
    }

    Result<void> check_settings(std::string_view settings) const override {
        return rpm::check_settings(settings);
    }
};

}  // namespace
}  // namespace rpm

namespace formats {

const Format& rpm() {
    static const longshore::rpm::Rpm kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
