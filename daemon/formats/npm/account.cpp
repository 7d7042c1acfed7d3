// Who asks, and who may: login as the clients do it, and what they ask about
// rights. Rights themselves are grants of the registry, see docs/auth.md.
#include <nlohmann/json.hpp>

#include "formats/npm/body.hpp"
#include "formats/npm/handlers.hpp"
#include "formats/npm/name.hpp"
#include "registry/package_format.hpp"

namespace longshore::npm {
namespace {

using nlohmann::json;

constexpr std::string_view kUserPrefix = "org.couchdb.user:";

std::string text_of(const json& object, const char* name) {
    auto found = object.find(name);
    return found != object.end() && found->is_string()
               ? found->get<std::string>()
               : std::string();
}

Error by_grants() {
    return {Code::denied,
            "who may do what is said by the registry's grants (registryctl "
            "grant), not by its clients"};
}

Result<std::string_view> caller(const Context& ctx) {
    auto name = ctx.identity.name();
    if (name.empty()) {
        return Error{Code::unauthenticated, "you are not logged in"};
    }
    return name;
}

// One page of the packages whose names begin so, and what the caller may do.
Result<json> packages(Context& ctx, std::string_view prefix) {
    LS_TRY(page, ctx.packages.packages(*ctx.access, prefix,
                                       ctx.settings.max_page_items, ""));
    const auto* right = ctx.identity.may(Action::push) ? "write" : "read";
    json out = json::object();
    for (const auto& package : page.items) {
        out[package.name] = right;
    }
    return out;
}

}  // namespace

Result<Reply> log_in(Context& ctx, const Request& request) {
    LS_TRY(body, read_object(request.body));
    auto name = text_of(body, "name");
    if (request.parameter("user") != std::string(kUserPrefix) + name ||
        name.empty()) {
        return Error{Code::invalid_argument,
                     "the name in the body is not the one in the path"};
    }
    LS_TRY(token,
           ctx.identity.log_in(name, text_of(body, "password"), "npm login"));
    json out = {{"ok", "you are authenticated as '" + name + "'"},
                {"id", std::string(kUserPrefix) + name},
                {"rev", revision_text(1)},
                {"token", token}};
    auto reply = json_document(ctx, out.dump());
    reply.status = 201;
    reply.header("Cache-Control", "no-store");
    return reply;
}

Result<Reply> web_login(Context&, const Request&) {
    // What makes clients ask for name and password.
    return Error{Code::not_found, "there is no login by a browser here"};
}

Result<Reply> log_out(Context& ctx, const Request& request) {
    auto shown = request.header("authorization").value_or("");
    if (shown != "Bearer " + request.parameter("token")) {
        return Error{Code::invalid_argument,
                     "a token is ended by a request that comes with it"};
    }
    LS_CHECK(ctx.identity.log_out());
    auto reply = json_document(ctx, R"({"ok":true})");
    reply.reference = "/-/user/token";  // not the secret itself
    return reply;
}

Result<Reply> whoami(Context& ctx, const Request&) {
    LS_TRY(name, caller(ctx));
    return json_document(ctx, json({{"username", name}}).dump());
}

Result<Reply> profile(Context& ctx, const Request&) {
    LS_TRY(name, caller(ctx));
    json out = {{"name", name},
                {"email", ""},
                {"email_verified", false},
                {"tfa", nullptr},
                {"fullname", ""}};
    return json_document(ctx, out.dump());
}

Result<Reply> visibility(Context& ctx, const Request& request) {
    LS_TRY(row,
           ctx.packages.package_row(*ctx.access, request.parameter("name")));
    static_cast<void>(row);
    json out = {{"public", ctx.identity.everybody_may(Action::pull)}};
    return json_document(ctx, out.dump());
}

// What is so already may be said again; nothing can be changed by this.
Result<Reply> set_access(Context& ctx, const Request& request) {
    LS_TRY(body, read_object(request.body));
    auto access = text_of(body, "access");
    bool is_public = ctx.identity.everybody_may(Action::pull);
    auto second = body.find("publish_requires_tfa");
    bool wants_second =
        second != body.end() && *second != json(false) && !second->is_null();
    if (wants_second ||
        (!access.empty() && (access == "public") != is_public)) {
        return by_grants();
    }
    return json_document(ctx, R"({"ok":true})");
}

Result<Reply> collaborators(Context& ctx, const Request& request) {
    LS_TRY(package,
           ctx.packages.package(*ctx.access, request.parameter("name")));
    json out = json::object();
    for (const auto& version : package.versions) {
        if (!version.publisher.empty()) {
            out[version.publisher] = "write";
        }
    }
    return json_document(ctx, out.dump());
}

Result<Reply> packages_of_scope(Context& ctx, const Request& request) {
    const auto& entity = request.parameter("entity");
    LS_TRY(found, packages(ctx, "@" + entity + "/"));
    if (found.empty()) {
        return Error{Code::not_found, "no package has the scope @" + entity};
    }
    return json_document(ctx, found.dump());
}

Result<Reply> packages_of_user(Context& ctx, const Request& request) {
    LS_TRY(name, caller(ctx));
    if (request.parameter("entity") != name) {
        return Error{Code::not_found,
                     "what somebody else may do is not told here"};
    }
    LS_TRY(found, packages(ctx, ""));
    return json_document(ctx, found.dump());
}

Result<Reply> no_teams(Context&, const Request&) {
    return by_grants();
}

}  // namespace longshore::npm
