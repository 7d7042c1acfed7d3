#include "formats/oci/oci.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "common/oci_error.hpp"
#include "common/oci_path.hpp"

namespace longshore {
namespace oci {
namespace {

struct RouteRow {
    OciRoute target;
    Route route;
};

constexpr std::array kRows = {
    RouteRow{OciRoute::ping, {Method::get, "/v2/", Action::pull, false, ping}},
    RouteRow{OciRoute::catalog,
             {Method::get, "/v2/_catalog", Action::pull, false, list_names,
              "registry:catalog:*"}},
    RouteRow{OciRoute::extensions,
             {Method::get, "/v2/_oci/ext/discover", Action::pull, false,
              list_extensions}},
    RouteRow{
        OciRoute::tags,
        {Method::get, "/v2/{name}/tags/list", Action::pull, true, list_tags}},
    RouteRow{OciRoute::manifest,
             {Method::get, "/v2/{name}/manifests/{reference}", Action::pull,
              true, get_manifest}},
    RouteRow{OciRoute::manifest,
             {Method::put, "/v2/{name}/manifests/{reference}", Action::push,
              true, put_manifest}},
    RouteRow{OciRoute::manifest,
             {Method::remove, "/v2/{name}/manifests/{reference}",
              Action::remove, true, delete_manifest}},
    RouteRow{OciRoute::blob,
             {Method::get, "/v2/{name}/blobs/{digest}", Action::pull, true,
              get_blob}},
    RouteRow{OciRoute::blob,
             {Method::remove, "/v2/{name}/blobs/{digest}", Action::remove, true,
              delete_blob}},
    RouteRow{OciRoute::uploads,
             {Method::post, "/v2/{name}/blobs/uploads/", Action::push, true,
              start_upload}},
    RouteRow{OciRoute::upload,
             {Method::get, "/v2/{name}/blobs/uploads/{id}", Action::push, true,
              lost_upload, "", true}},
    RouteRow{OciRoute::upload,
             {Method::patch, "/v2/{name}/blobs/uploads/{id}", Action::push,
              true, lost_upload, "", true}},
    RouteRow{OciRoute::upload,
             {Method::put, "/v2/{name}/blobs/uploads/{id}", Action::push, true,
              finish_upload, "", true}},
    // Cancel needs push only: who may start a session may end it.
    RouteRow{OciRoute::upload,
             {Method::remove, "/v2/{name}/blobs/uploads/{id}", Action::push,
              true, lost_upload, "", true}},
    RouteRow{OciRoute::referrers,
             {Method::get, "/v2/{name}/referrers/{digest}", Action::pull, true,
              list_referrers}},
};

// Nobody may do nothing: a row without an action is a mistake.
static_assert(std::all_of(kRows.begin(), kRows.end(), [](const auto& row) {
    return row.route.action != Action::none;
}));

constexpr auto kRoutes = [] {
    std::array<Route, kRows.size()> routes{};
    for (std::size_t i = 0; i < kRows.size(); ++i) {
        routes[i] = kRows[i].route;
    }
    return routes;
}();

Error bad_reference(const OciPath& path, Method method) {
    bool digest = path.route != OciRoute::manifest ||
                  path.reference.find(':') != std::string_view::npos;
    if (digest) {
        return Error{Code::invalid_argument,
                     "not a digest of a supported algorithm", "DIGEST_INVALID",
                     json_quote(path.reference)};
    }
    if (method == Method::put) {
        return Error{Code::invalid_argument,
                     "a tag is [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}",
                     "TAG_INVALID", json_quote(path.reference)};
    }
    // Nothing can have that tag, so nothing is there.
    return Error{Code::not_found, "manifest unknown", "MANIFEST_UNKNOWN",
                 json_quote(path.reference)};
}

std::optional<Error> find_problem(const OciPath& path, Method method) {
    switch (path.problem) {
        case OciProblem::none:
            return std::nullopt;
        case OciProblem::bad_escape:
            return Error{Code::invalid_argument,
                         "the path holds a forbidden escape or segment",
                         "NAME_INVALID"};
        case OciProblem::bad_name:
            return Error{Code::invalid_argument,
                         "the repository name breaks the grammar",
                         "NAME_INVALID", json_quote(path.name)};
        case OciProblem::bad_reference:
            return bad_reference(path, method);
        case OciProblem::bad_upload:
            return Error{Code::not_found, "no such upload session",
                         "BLOB_UPLOAD_UNKNOWN"};
    }
    return std::nullopt;
}

// Methods of a known path, for Allow.
std::string allowed_methods(OciRoute target) {
    std::string allow;
    for (const auto& row : kRows) {
        if (row.target == target) {
            allow += allow.empty() ? "" : ", ";
            allow += method_name(row.route.method);
            allow += row.route.method == Method::get ? ", HEAD" : "";
        }
    }
    return allow;
}

class OciFormat final : public Format {
public:
    const FormatInfo& info() const override {
        static constexpr std::array kHeaders = {
            HeaderField{"Docker-Distribution-API-Version", "registry/2.0"}};
        static constexpr std::array kSetup = {
            SetupFile{"",
                      "docker login -u {user} {host}\n"
                      "docker tag IMAGE {host}/{repository}:TAG\n"
                      "docker push {host}/{repository}:TAG\n"
                      "docker pull {host}/{repository}:TAG\n",
                      "#", "docker logout {host}\n"}};
        static constexpr FormatInfo kInfo{
            .key = "oci",
            .title = "OCI and Docker images",
            .mount = "/v2",
            .specification =
                "https://github.com/opencontainers/distribution-spec",
            .headers = kHeaders,
            .setup = kSetup};
        return kInfo;
    }

    std::span<const Route> routes() const override { return kRoutes; }

    Match match(Method method, std::string_view target,
                std::span<char> scratch) const override {
        auto path = parse_oci_path(target, scratch);
        Match match;
        match.name = path.name;
        match.reference = path.reference;
        match.query = path.query;
        if (path.route == OciRoute::unknown &&
            path.problem == OciProblem::none) {
            match.error =
                Error{Code::not_found, "no such path in this registry",
                      "NAME_UNKNOWN"};
            return match;
        }
        auto wanted = method == Method::head ? Method::get : method;
        for (std::size_t i = 0; i < kRows.size(); ++i) {
            if (kRows[i].target == path.route &&
                kRows[i].route.method == wanted) {
                match.route = &kRoutes[i];
            }
        }
        match.error = find_problem(path, method);
        if (match.error) {
            match.route = nullptr;
        } else if (!match.route) {
            match.allow = allowed_methods(path.route);
            match.error =
                Error{Code::unsupported, "the method is not allowed here",
                      "UNSUPPORTED"};
        }
        return match;
    }

    Reply render(const Error& error) const override;
};

// The publisher names all missing blobs in one Error, as a JSON list of
// digests; the protocol wants one entry for each.
std::string missing_blobs_body(const Error& error) {
    auto digests = nlohmann::json::parse(error.detail, nullptr, false);
    std::string entries;
    if (digests.is_array()) {
        for (const auto& digest : digests) {
            entries += entries.empty() ? "" : ",";
            entries += R"({"code":"MANIFEST_BLOB_UNKNOWN","message":)";
            entries += json_quote(error.message);
            entries += R"(,"detail":{"digest":)" + digest.dump() + "}}";
        }
    }
    return entries.empty() ? oci_error_body(error)
                           : R"({"errors":[)" + entries + "]}\n";
}

Reply OciFormat::render(const Error& error) const {
    Reply reply;
    reply.status = http_status(error.code);
    reply.media_type = "application/json";
    reply.error =
        error.reason.empty() ? oci_code_for_status(reply.status) : error.reason;
    if (error.reason == "MANIFEST_BLOB_UNKNOWN") {
        // What distribution answers and clients know; the specification
        // leaves it open.
        reply.status = 400;
        reply.body = InlineBody{missing_blobs_body(error)};
        return reply;
    }
    if (error.code == Code::unavailable || error.code == Code::rate_limited) {
        reply.header("Retry-After", "5");
    }
    if (error.code == Code::internal || error.code == Code::corrupt ||
        (error.code == Code::unavailable && error.reason.empty())) {
        // Its text is for our log, not for the world.
        reply.body = InlineBody{
            oci_error_body(reply.error, oci_message_for_status(reply.status))};
        return reply;
    }
    reply.body = InlineBody{oci_error_body(error)};
    return reply;
}

}  // namespace

std::string repository_path(const Context& ctx, const Request& request) {
    std::string path(request.prefix);
    path += "/v2/";
    path += ctx.access->name().text();
    return path;
}

Reply json_reply(std::string body) {
    Reply reply;
    reply.media_type = "application/json";
    reply.body = InlineBody{std::move(body)};
    return reply;
}

Reply error_reply(int status, std::string_view code, std::string_view message) {
    auto reply = json_reply(oci_error_body(code, message));
    reply.status = status;
    reply.error = code;
    return reply;
}

Reply blob_created(const Context& ctx, const Request& request,
                   const Digest& digest) {
    Reply reply;
    reply.status = 201;
    reply.header("Location",
                 repository_path(ctx, request) + "/blobs/" + digest.str());
    reply.header("Docker-Content-Digest", digest.text());
    return reply;
}

Result<void> check_delete_allowed(const Context& ctx) {
    if (!ctx.settings.allow_delete) {
        return Error{Code::unsupported,
                     "deleting is switched off (allow_delete)", "UNSUPPORTED"};
    }
    return {};
}

Result<Reply> deleted(Result<Written> written) {
    if (!written) {
        return std::move(written).error();
    }
    Reply reply;
    reply.status = 202;
    reply.drops = std::move(written->drops);
    return reply;
}

Result<Reply> ping(Context& ctx, const Request&) {
    auto reply = json_reply("{}");
    // Docker asks this before each pull; from nginx's memory it also works
    // while the daemon is away.
    reply.ttl_ms = ctx.settings.cache_ttl_ms;
    return reply;
}

Result<Reply> list_extensions(Context&, const Request&) {
    return json_reply(
        R"({"extensions":[{"name":"_oci","description":"discovery of )"
        R"(extensions","url":"https://github.com/opencontainers/)"
        R"(distribution-spec/tree/main/extensions",)"
        R"("endpoints":["_oci/ext/discover"]}]})");
}

}  // namespace oci

namespace formats {

const Format& oci() {
    static const longshore::oci::OciFormat kFormat;
    return kFormat;
}

}  // namespace formats
}  // namespace longshore
