// Debian packages: apt reads, curl and dput write. docs/formats/debian.md.
//
//     dists/<suite>/…                indexes, signed (suite_index.hpp)
//     pool/<letter>/<name>/…         packages (names.hpp); a package is one
//                                    file, in however many suites it is listed
//     incoming/<user>/<file>         what a .changes will publish; not served
//
#include <algorithm>
#include <array>

#include "formats/debian/facts.hpp"
#include "formats/debian/handlers.hpp"
#include "formats/debian/names.hpp"
#include "formats/debian/suite_index.hpp"
#include "registry/listing.hpp"
#include "registry/package_format.hpp"
#include "registry/signer.hpp"
#include "syntax/debian_version.hpp"

namespace longshore {
namespace {

using namespace debian;

Result<Reply> get_document(Context& ctx, const Request& request) {
    const auto& suite = request.parameter("suite");
    const auto& name = request.parameter("name");
    auto path = document_path(suite, name);
    if (name == "InRelease" || name == "Release" || name == "Release.gpg") {
        LS_TRY(settings, read_settings(ctx.repository->settings));
        if (auto age = renew_after_ms(settings); age > 0) {
            LS_CHECK(ctx.indexes.renew(*ctx.repository, suite, path, age));
        }
        LS_CHECK(ctx.indexes.renew(*ctx.repository, suite, late_path(suite),
                                   kMaxLateMs));
    }
    return ctx.indexes.serve(*ctx.repository, request, suite, path,
                             ctx.base_url);
}

Result<Reply> get_pool(Context& ctx, const Request& request) {
    const auto& rest = request.parameter("path");
    auto path = rest.empty() ? std::string("pool") : "pool/" + rest;
    if (rest.empty() || request.ends_in_slash) {
        return folder_reply(ctx, request, path);
    }
    auto entry = ctx.packages.file(*ctx.access, path);
    if (!entry && entry.error().code == Code::not_found) {
        return to_folder(ctx, request, path);
    }
    if (!entry) {
        return std::move(entry).error();
    }
    return file_reply(ctx, *entry);
}

Result<Reply> get_key(Context& ctx, bool armored) {
    if (ctx.signing == nullptr) {
        return Error{Code::unavailable, "there is nothing to sign with"};
    }
    auto id = ctx.repository->id;
    LS_TRY(keys, armored ? ctx.signing->public_keys_armored(id)
                         : ctx.signing->public_keys_binary(id));
    Reply reply;
    reply.media_type = "application/pgp-keys";
    reply.ttl_ms = ctx.settings.cache_ttl_ms;
    reply.body = InlineBody{std::move(keys)};
    return reply;
}

Result<Reply> get_armored_key(Context& ctx, const Request&) {
    return get_key(ctx, true);
}

Result<Reply> get_binary_key(Context& ctx, const Request&) {
    return get_key(ctx, false);
}

constexpr std::array kRoutes = {
    Route{Method::get, "/dists/{suite}/{name+}", Action::pull, true,
          get_document},
    Route{Method::get, "/pool/{path*}", Action::pull, true, get_pool},
    Route{Method::get, "/key.asc", Action::pull, true, get_armored_key},
    Route{Method::get, "/key.gpg", Action::pull, true, get_binary_key},
    Route{.method = Method::put,
          .pattern = "/pool/{suite}/{component}/upload",
          .action = Action::push,
          .named = true,
          .handle = put_package,
          .body = BodyMode::spool,
          .algorithms = kAlgorithms},
    Route{.method = Method::put,
          .pattern = "/incoming/{file}",
          .action = Action::push,
          .named = true,
          .handle = put_incoming,
          .body = BodyMode::spool,
          .algorithms = kAlgorithms,
          .before = before_incoming},
    Route{Method::remove,
          "/pool/{suite}/{component}/{name}/{version}/{architecture}",
          Action::remove, true, delete_package},
    Route{Method::remove, "/pool/{suite}/{component}/{name}/{version}",
          Action::remove, true, delete_package},
};

constexpr std::array kSetup = {
    SetupFile{"/etc/apt/sources.list.d/{repository}.sources",
              "Types: deb deb-src\n"
              "URIs: {url}/\n"
              "Suites: stable\n"
              "Components: main\n"
              "Signed-By: /etc/apt/keyrings/{repository}.asc\n",
              ""},
    SetupFile{"/etc/apt/auth.conf.d/{repository}.conf",
              "machine {url}/ login {user} password {token}\n", ""},
    SetupFile{"{home}/.dput.cf",
              "[{repository}]\n"
              "method = {scheme}\n"
              "fqdn = {host}\n"
              "incoming = {path}/incoming\n"
              "login = {user}\n"
              "allow_unsigned_uploads = 1\n"},
    // With the credentials that apt has by now.
    SetupFile{"",
              "/usr/lib/apt/apt-helper download-file {url}/key.asc "
              "/etc/apt/keyrings/{repository}.asc\n"
              "dput {repository} FILE\n",
              "#", "rm -f /etc/apt/keyrings/{repository}.asc\n"}};

class Debian final : public PackageFormat {
public:
    const FormatInfo& info() const override {
        static constexpr std::array<std::string_view, 3> kMounts = {
            "debian", "apt", "deb"};
        static constexpr FormatInfo kInfo{
            .key = "debian",
            .title = "Debian packages",
            .mount = "",
            .specification = "https://wiki.debian.org/DebianRepository/Format",
            .mounts = kMounts,
            .index = IndexKind::plain,
            .setup = kSetup};
        return kInfo;
    }
    std::span<const Route> routes() const override { return kRoutes; }

    // Suites.
    std::vector<std::string> scopes(
        const StoredPackage& package) const override {
        std::vector<std::string> suites;
        for (const auto& version : package.versions) {
            for (const auto& file : version.files) {
                for (auto& place : read_facts(file.data).places) {
                    if (std::find(suites.begin(), suites.end(), place.suite) ==
                        suites.end()) {
                        suites.push_back(std::move(place.suite));
                    }
                }
            }
        }
        return suites;
    }

    Result<void> reindex(IndexContext& ctx,
                         std::string_view suite) const override {
        return make_suite(ctx, suite);
    }

    std::string version_key(std::string_view version) const override {
        auto parsed = parse_debian_version(version);
        return parsed ? parsed->text : std::string(version);
    }

    Result<void> check_settings(std::string_view settings) const override {
        LS_TRY(read, read_settings(settings));
        static_cast<void>(read);
        return {};
    }
};

}  // namespace

namespace formats {

const Format& debian() {
    static const Debian kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
