// npm packages, for npm, Yarn, pnpm and, to look up, Bower.
// docs/formats/npm.md.
//
//     @scope/name/-/name-1.0.0.tgz          a version's package
//     -/npm/v1/attestations/@scope/name@…   its provenance
//     -/readme/@scope/name/1.0.0            its readme
//
#include <array>

#include "formats/npm/handlers.hpp"
#include "formats/npm/name.hpp"
#include "registry/package_format.hpp"

namespace longshore {
namespace npm {
namespace {

constexpr std::size_t kMaxSmall = 64 * 1024;

constexpr Route memory(Method method, std::string_view pattern, Action action,
                       Handler handle, bool open = false) {
    return {.method = method,
            .pattern = pattern,
            .action = action,
            .named = true,
            .handle = handle,
            .body = BodyMode::memory,
            .max_body_bytes = kMaxSmall,
            .open = open};
}

constexpr Route spool(std::string_view pattern, Action action, Handler handle) {
    return {.method = Method::put,
            .pattern = pattern,
            .action = action,
            .named = true,
            .handle = handle,
            .body = BodyMode::spool,
            .before = before_put};
}

constexpr Route open(Method method, std::string_view pattern, Action action,
                     Handler handle) {
    return {.method = method,
            .pattern = pattern,
            .action = action,
            .named = true,
            .handle = handle,
            .open = true};
}

constexpr auto kGet = Method::get;
constexpr auto kPut = Method::put;
constexpr auto kPost = Method::post;
constexpr auto kDelete = Method::remove;

constexpr std::array kRoutes = {
    Route{kGet, "/-/ping", Action::pull, true, ping},
    Route{kGet, "/-/whoami", Action::pull, true, whoami},
    Route{kGet, "/-/v1/search", Action::pull, true, search},
    open(kPost, "/-/v1/login", Action::pull, web_login),
    memory(kPut, "/-/user/{user}", Action::pull, log_in, true),
    open(kDelete, "/-/user/token/{token}", Action::pull, log_out),
    Route{kGet, "/-/npm/v1/user", Action::pull, true, profile},
    Route{kPost, "/-/npm/v1/security/advisories/bulk", Action::pull, true,
          audit_bulk},
    Route{kPost, "/-/npm/v1/security/audits/quick", Action::pull, true,
          audit_quick},
    Route{kPost, "/-/npm/v1/security/audits", Action::pull, true, audit_quick},
    Route{kGet, "/-/npm/v1/attestations/{spec+}", Action::pull, true,
          get_attestations},
    Route{kGet, "/-/package/{name+}/dist-tags", Action::pull, true, get_tags},
    memory(kPut, "/-/package/{name+}/dist-tags/{tag}", Action::push, put_tag),
    Route{kDelete, "/-/package/{name+}/dist-tags/{tag}", Action::push, true,
          delete_tag},
    Route{kGet, "/-/package/{name+}/visibility", Action::pull, true,
          visibility},
    Route{kGet, "/-/package/{name+}/collaborators", Action::pull, true,
          collaborators},
    memory(kPost, "/-/package/{name+}/access", Action::push, set_access),
    Route{kGet, "/-/org/{entity}/package", Action::pull, true,
          packages_of_scope},
    Route{kGet, "/-/user/{entity}/package", Action::pull, true,
          packages_of_user},
    Route{kPut, "/-/team/{scope}/{team}/package", Action::push, true, no_teams},
    Route{kDelete, "/-/team/{scope}/{team}/package", Action::push, true,
          no_teams},
    Route{kDelete, "/{name+}/-/{file+}/-rev/{revision}", Action::remove, true,
          delete_tarball},
    Route{kGet, "/{name+}/-/{file+}", Action::pull, true, get_tarball},
    spool("/{name+}/-rev/{revision}", Action::remove, put_revision),
    Route{kDelete, "/{name+}/-rev/{revision}", Action::remove, true,
          delete_package},
    Route{kGet, "/{name+}", Action::pull, true, get_any},
    spool("/{name+}", Action::push, put_package),
};

class Npm final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 4> kMounts = {
            "npm", "yarn", "pnpm", "bower"};
        static constexpr std::array kSetup = {
            SetupFile{"{home}/.npmrc",
                      "registry={url}/\n"
                      "//{address}/:_authToken={token}\n"},
            SetupFile{"{home}/.yarnrc.yml",
                      "npmRegistryServer: \"{url}\"\n"
                      "npmRegistries:\n"
                      "  \"{url}\":\n"
                      "    npmAlwaysAuth: true\n"
                      "    npmAuthToken: \"{token}\"\n"}};
        static constexpr FormatInfo kInfo{
            .key = "npm",
            .title = "npm packages",
            .mount = "",
            .specification =
                "https://github.com/npm/registry/blob/main/docs/"
                "REGISTRY-API.md",
            .mounts = kMounts,
            .index = IndexKind::with_links,
            .setup = kSetup};
        return kInfo;
    }
    std::span<const Route> routes() const override { return kRoutes; }

    Reply render(const Error& error) const override {
        auto reply = PackageFormat::render(error);
        // What npm says "you cannot publish over" to.
        if (error.code == Code::already_exists) {
            reply.status = 403;
        }
        return reply;
    }

    Result<void> reindex(IndexContext& ctx,
                         std::string_view scope) const override {
        return make_packument(ctx, scope);
    }
};

}  // namespace
}  // namespace npm

namespace formats {

const Format& npm() {
    static const npm::Npm kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
