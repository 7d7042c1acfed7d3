// Users, service accounts and groups.
#include <array>
#include <string>
#include <utility>

#include "api/documents.hpp"
#include "api/token_wish.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;
using enum PrincipalKind;

constexpr std::array kUsersFields = {
    Field{.name = "users", .kind = K::objects, .of = &kPrincipal},
};
constexpr std::array kServicesFields = {
    Field{.name = "services", .kind = K::objects, .of = &kPrincipal},
};
constexpr std::array kGroupsFields = {
    Field{.name = "groups", .kind = K::objects, .of = &kGroup},
};
constexpr Field kPassword{.name = "password",
                          .kind = K::secret,
                          .description = "at least 12 bytes",
                          .example = "\"correct horse battery 1\"",
                          .max = 512};
constexpr std::array kNewPrincipalFields = {
    kNameField,
    renamed(kPassword, "password",
            "at least 12 bytes; without it: tokens or certificates only",
            false),
};
constexpr std::array kNewGroupFields = {kNameField};
constexpr std::array kPasswordFields = {kPassword};
constexpr std::array kStateFields = {
    Field{"disabled", K::flag, "true: it can do nothing any more", "true"},
};

const Schema kUsers{"Users", "Users, by name.", kUsersFields};
const Schema kServices{"Services", "Service accounts, by name.",
                       kServicesFields};
const Schema kGroups{"Groups", "Groups, by name.", kGroupsFields};
const Schema kNewPrincipal{"NewPrincipal", "A user or service account.",
                           kNewPrincipalFields};
const Schema kNewGroup{"NewGroup", "A group.", kNewGroupFields};
const Schema kNewPassword{"NewPassword", "A new password.", kPasswordFields};
const Schema kState{"State", "What of a principal can be changed.",
                    kStateFields};

std::string plural(PrincipalKind kind) {
    return std::string(kind_name(kind)) + "s";
}

// The one in the path, if it is of the kind that the path says.
Result<PrincipalInfo> named(PrincipalKind kind, Accounts& accounts,
                            const Call& call) {
    const auto& name = call.in_path("name");
    auto found = accounts.find(name);
    bool missing = !found && found.error().code == Code::not_found;
    if (missing || (found && found->kind != kind)) {
        return Error{Code::not_found,
                     "there is no such " + std::string(kind_name(kind))};
    }
    return found;
}

// Whoever does this to the account it is logged in with locks itself out.
Result<void> refuse_oneself(const PrincipalInfo& info, const Caller& caller) {
    if (info.id == caller.id) {
        return Error{Code::conflict,
                     "that is yourself: ask another administrator, or use "
                     "registryctl"};
    }
    return {};
}

template <PrincipalKind kKind>
Result<Answer> list(const Administration&, Accounts& accounts, const Caller&,
                    const Call& call) {
    LS_TRY(all, accounts.list(kKind));
    LS_TRY(next, cut_page(call, all,
                          [](const PrincipalInfo& one) { return one.name; }));
    Json documents = Json::array();
    for (const auto& info : all) {
        documents.push_back(principal_json(info));
    }
    return Answer{.body = {{plural(kKind), documents}}, .next = next};
}

template <PrincipalKind kKind>
Result<Answer> create(const Administration&, Accounts& accounts, const Caller&,
                      const Call& call) {
    auto name = call.text("name");
    auto password = call.text("password");
    auto given = call.body.contains("password")
                     ? std::optional<std::string_view>(password)
                     : std::nullopt;
    LS_CHECK(accounts.create(kKind, name, given));
    LS_TRY(info, accounts.find(name));
    return Answer{.body = principal_json(info),
                  .location = "/" + plural(kKind) + "/" + name};
}

template <PrincipalKind kKind>
Result<Answer> show(const Administration&, Accounts& accounts, const Caller&,
                    const Call& call) {
    LS_TRY(info, named(kKind, accounts, call));
    return Answer{.body = principal_json(info)};
}

template <PrincipalKind kKind>
Result<Answer> change(const Administration&, Accounts& accounts,
                      const Caller& caller, const Call& call) {
    LS_TRY(info, named(kKind, accounts, call));
    bool disabled = call.body.at("disabled").get<bool>();
    if (disabled) {
        LS_CHECK(refuse_oneself(info, caller));
    }
    LS_CHECK(accounts.set_disabled(info.name, disabled));
    LS_TRY(now, accounts.find(info.name));
    return Answer{
        .body = principal_json(now),
        .drops = {std::string(key::kPolicy), key::principal(info.id)}};
}

template <PrincipalKind kKind>
Result<Answer> remove(const Administration&, Accounts& accounts,
                      const Caller& caller, const Call& call) {
    LS_TRY(info, named(kKind, accounts, call));
    LS_CHECK(refuse_oneself(info, caller));
    LS_CHECK(accounts.remove(info.name));
    return Answer{
        .drops = {std::string(key::kPolicy), key::principal(info.id)}};
}

template <PrincipalKind kKind>
Result<Answer> set_password(const Administration&, Accounts& accounts,
                            const Caller&, const Call& call) {
    LS_TRY(info, named(kKind, accounts, call));
    LS_CHECK(accounts.set_password(info.name, call.text("password")));
    return Answer{.drops = {key::principal(info.id)}};
}

template <PrincipalKind kKind>
Result<Answer> unlock(const Administration&, Accounts& accounts, const Caller&,
                      const Call& call) {
    LS_TRY(info, named(kKind, accounts, call));
    LS_CHECK(accounts.unlock(info.name));
    return Answer{};
}

Result<Answer> add_member(const Administration&, Accounts& accounts,
                          const Caller&, const Call& call) {
    LS_TRY(info, named(group, accounts, call));
    LS_CHECK(accounts.add_member(info.name, call.in_path("member")));
    return Answer{.drops = {std::string(key::kPolicy)}};
}

Result<Answer> remove_member(const Administration&, Accounts& accounts,
                             const Caller&, const Call& call) {
    LS_TRY(info, named(group, accounts, call));
    LS_CHECK(accounts.remove_member(info.name, call.in_path("member")));
    return Answer{.drops = {std::string(key::kPolicy)}};
}

constexpr Route row(Method method, std::string_view pattern,
                    AdministratorHandler handle, std::string_view summary) {
    Route route;
    route.method = method;
    route.pattern = pattern;
    route.right = Right::administrator;
    route.handle = handle;
    route.status = 204;
    route.summary = summary;
    route.conditional = true;
    return route;
}

constexpr Route answering(Route route, int status, const Schema& response) {
    route.status = status;
    route.response = &response;
    return route;
}

constexpr Route taking(Route route, const Schema& request) {
    route.request = &request;
    return route;
}

constexpr Route paged(Route route) {
    route.query = kPageParameters;
    return route;
}

const std::array kRoutes = {
    paged(answering(row(Method::get, "/users", &list<user>, "list users"), 200,
                    kUsers)),
    answering(taking(row(Method::post, "/users", &create<user>, "make a user"),
                     kNewPrincipal),
              201, kPrincipal),
    answering(row(Method::get, "/users/{name}", &show<user>,
                  "what is known of a user"),
              200, kPrincipal),
    answering(taking(row(Method::patch, "/users/{name}", &change<user>,
                         "disable a user, or enable it again"),
                     kState),
              200, kPrincipal),
    row(Method::remove, "/users/{name}", &remove<user>,
        "remove a user with all that belongs to it"),
    taking(row(Method::put, "/users/{name}/password", &set_password<user>,
               "set a user's password; what was issued ends"),
           kNewPassword),
    row(Method::remove, "/users/{name}/lock", &unlock<user>,
        "forget a user's wrong passwords"),

    paged(answering(
        row(Method::get, "/services", &list<service>, "list service accounts"),
        200, kServices)),
    answering(taking(row(Method::post, "/services", &create<service>,
                         "make a service account"),
                     kNewPrincipal),
              201, kPrincipal),
    answering(row(Method::get, "/services/{name}", &show<service>,
                  "what is known of a service account"),
              200, kPrincipal),
    answering(taking(row(Method::patch, "/services/{name}", &change<service>,
                         "disable a service account, or enable it again"),
                     kState),
              200, kPrincipal),
    row(Method::remove, "/services/{name}", &remove<service>,
        "remove a service account with all that belongs to it"),
    taking(row(Method::put, "/services/{name}/password", &set_password<service>,
               "set a service account's password; what was issued ends"),
           kNewPassword),
    row(Method::remove, "/services/{name}/lock", &unlock<service>,
        "forget a service account's wrong passwords"),

    paged(answering(row(Method::get, "/groups", &list<group>, "list groups"),
                    200, kGroups)),
    answering(
        taking(row(Method::post, "/groups", &create<group>, "make a group"),
               kNewGroup),
        201, kGroup),
    answering(row(Method::get, "/groups/{name}", &show<group>,
                  "what is known of a group"),
              200, kGroup),
    answering(taking(row(Method::patch, "/groups/{name}", &change<group>,
                         "disable a group, or enable it again"),
                     kState),
              200, kGroup),
    row(Method::remove, "/groups/{name}", &remove<group>,
        "remove a group; its members lose what it had"),
    row(Method::put, "/groups/{name}/members/{member}", &add_member,
        "put somebody into a group"),
    row(Method::remove, "/groups/{name}/members/{member}", &remove_member,
        "take somebody out of a group"),
};

}  // namespace

std::span<const Route> principal_routes() {
    return kRoutes;
}

}  // namespace longshore::api
