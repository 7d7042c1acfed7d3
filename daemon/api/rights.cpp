// Tokens, certificates, grants and visibility of anybody.
#include <array>
#include <string>
#include <utility>

#include "api/documents.hpp"
#include "api/token_wish.hpp"
#include "common/clock.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::size_t kTokenId = 8;

constexpr Field kPrincipalField = renamed(
    kNameField, "principal", "a name, anonymous or authenticated", true);
constexpr Field kOnlyPrincipal =
    renamed(kNameField, "principal", "only those of this one", false);
constexpr Field kFingerprintField{
    .name = "fingerprint",
    .kind = K::text,
    .description = "SHA-256 of the certificate, hex, colons allowed",
    .example =
        "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f0"
        "0a08\"",
    .max = 95,
    .format = "^[0-9A-Fa-f:]{64,95}$"};
constexpr Field kSomeActions{
    .name = "actions",
    .kind = K::text,
    .description = "only these, with a comma between; without it all",
    .example = "\"push\"",
    .required = false,
    .max = 32};

constexpr std::array kListParameters = {kPageSizeParameter, kLastParameter,
                                        kOnlyPrincipal};
constexpr std::array kGrantParameters = {kPrincipalField, kPatternField,
                                         kSomeActions};
constexpr std::array kPatternParameters = {kPatternField};
constexpr std::array kCanParameters = {kPrincipalField, kActionParameter,
                                       kRepositoryParameter};

constexpr std::array kCertificatesFields = {
    Field{.name = "certificates", .kind = K::objects, .of = &kCertificate},
};
constexpr std::array kGrantsFields = {
    Field{.name = "grants", .kind = K::objects, .of = &kGrant},
};
constexpr std::array kRulesFields = {
    Field{.name = "visibility", .kind = K::objects, .of = &kVisibility},
};
constexpr std::array kNewCertificateFields = {kPrincipalField,
                                              kFingerprintField};
constexpr std::array kNewGrantFields = {kPrincipalField, kPatternField,
                                        kActionsField};
constexpr std::array kNewVisibilityFields = {kPatternField, kVisibilityField};
constexpr std::array kRevokedFields = {
    Field{.name = "token",
          .kind = K::secret,
          .description = "the whole token, or its public part",
          .example = "\"Ab12Cd34\"",
          .max = 128},
};

const Schema kCertificates{"Certificates", "Certificates, by fingerprint.",
                           kCertificatesFields};
const Schema kGrants{"Grants", "Grants, by principal and pattern.",
                     kGrantsFields};
const Schema kRules{"VisibilityRules", "Rules, by pattern.", kRulesFields};
const Schema kNewCertificate{"NewCertificate", "Somebody's certificate.",
                             kNewCertificateFields};
const Schema kNewGrant{"NewGrant", "Actions to be added.", kNewGrantFields};
const Schema kNewVisibility{"NewVisibility", "A rule.", kNewVisibilityFields};
const Schema kRevoked{"RevokedToken", "A token that is to end.",
                      kRevokedFields};

std::vector<std::string> policy_drop() {
    return {std::string(key::kPolicy)};
}

Result<Answer> list_tokens(const Administration&, Accounts& accounts,
                           const Caller&, const Call& call) {
    LS_TRY(tokens, accounts.list_tokens(call.in_query("principal")));
    return token_list(call, std::move(tokens));
}

Result<Answer> create_token(const Administration&, Accounts& accounts,
                            const Caller& caller, const Call& call) {
    LS_TRY(wanted, read_token_wish(call, caller.ends_at_ms));
    wanted.within = caller.limits;
    wanted.within_until_ms = caller.ends_at_ms;
    LS_TRY(made, accounts.create_token(wanted));
    return new_token(wanted, made, "/tokens/" + made.id);
}

// Whose it is, so that nginx forgets at once what it grants.
Result<Answer> end_token(Accounts& accounts, const std::string& token) {
    LS_CHECK(accounts.revoke_token(token));
    return Answer{.drops = policy_drop()};
}

Result<Answer> revoke_token(const Administration&, Accounts& accounts,
                            const Caller&, const Call& call) {
    const auto& id = call.in_path("id");
    // A secret does not belong into a target, which is logged.
    if (id.size() != kTokenId) {
        return Error{Code::not_found,
                     "there is no such token to be revoked; a whole token is "
                     "sent to POST " +
                         std::string(kMount) + "/tokens/revoke"};
    }
    return end_token(accounts, id);
}

Result<Answer> revoke_whole(const Administration&, Accounts& accounts,
                            const Caller&, const Call& call) {
    return end_token(accounts, call.text("token"));
}

Result<Answer> list_certificates(const Administration&, Accounts& accounts,
                                 const Caller&, const Call& call) {
    LS_TRY(all, accounts.list_certificates(call.in_query("principal")));
    LS_TRY(next, cut_page(call, all, [](const CertificateInfo& one) {
               return one.fingerprint;
           }));
    Json list = Json::array();
    for (const auto& one : all) {
        list.push_back(certificate_json(one));
    }
    return Answer{.body = {{"certificates", list}}, .next = next};
}

Result<Answer> add_certificate(const Administration&, Accounts& accounts,
                               const Caller&, const Call& call) {
    auto principal = call.text("principal");
    LS_CHECK(accounts.add_certificate(principal, call.text("fingerprint")));
    return Answer{.drops = policy_drop()};
}

Result<Answer> remove_certificate(const Administration&, Accounts& accounts,
                                  const Caller&, const Call& call) {
    LS_CHECK(accounts.remove_certificate(call.in_path("fingerprint")));
    return Answer{.drops = policy_drop()};
}

Result<Answer> list_grants(const Administration&, Accounts& accounts,
                           const Caller&, const Call& call) {
    LS_TRY(all, accounts.list_grants(call.in_query("principal")));
    LS_TRY(next, cut_page(call, all, [](const GrantInfo& one) {
               return one.principal + " " + one.pattern;
           }));
    Json list = Json::array();
    for (const auto& one : all) {
        list.push_back(grant_json(one.principal, one.pattern, one.actions));
    }
    return Answer{.body = {{"grants", list}}, .next = next};
}

Result<Answer> add_grant(const Administration&, Accounts& accounts,
                         const Caller&, const Call& call) {
    LS_TRY(actions, read_actions(call.body.at("actions")));
    LS_CHECK(
        accounts.grant(call.text("principal"), call.text("pattern"), actions));
    return Answer{.drops = policy_drop()};
}

Result<Answer> remove_grant(const Administration&, Accounts& accounts,
                            const Caller&, const Call& call) {
    auto words = call.in_query("actions");
    LS_TRY(actions, ActionSet::parse(words.empty() ? "*" : words));
    LS_CHECK(accounts.revoke(call.in_query("principal"),
                             call.in_query("pattern"), actions));
    return Answer{.drops = policy_drop()};
}

Result<Answer> list_visibility(const Administration&, Accounts& accounts,
                               const Caller&, const Call& call) {
    LS_TRY(all, accounts.list_visibility());
    LS_TRY(next, cut_page(call, all, [](const VisibilityInfo& one) {
               return one.pattern;
           }));
    Json list = Json::array();
    for (const auto& one : all) {
        list.push_back(visibility_json(one));
    }
    return Answer{.body = {{"visibility", list}}, .next = next};
}

Result<Answer> set_visibility(const Administration&, Accounts& accounts,
                              const Caller&, const Call& call) {
    LS_CHECK(accounts.set_visibility(call.text("pattern"),
                                     call.text("visibility") == "public"));
    return Answer{.drops = policy_drop()};
}

Result<Answer> remove_visibility(const Administration&, Accounts& accounts,
                                 const Caller&, const Call& call) {
    LS_CHECK(accounts.remove_visibility(call.in_query("pattern")));
    return Answer{.drops = policy_drop()};
}

Result<Answer> can(const Administration&, Accounts& accounts, const Caller&,
                   const Call& call) {
    LS_TRY(action, read_action(call));
    auto principal = call.in_query("principal");
    auto repository = call.in_query("repository");
    LS_TRY(answer, accounts.can(principal, action, repository));
    return Answer{.body = can_json(principal, action, repository, answer)};
}

Route row(Method method, std::string_view pattern, AdministratorHandler handle,
          std::string_view summary, std::span<const Field> query = {}) {
    Route route;
    route.method = method;
    route.pattern = pattern;
    route.right = Right::administrator;
    route.handle = handle;
    route.status = 204;
    route.summary = summary;
    route.query = query;
    return route;
}

Route answering(Route route, int status, const Schema& response) {
    route.status = status;
    route.response = &response;
    return route;
}

Route taking(Route route, const Schema& request) {
    route.request = &request;
    return route;
}

// What it is about has the policy's version.
Route conditional(Route route) {
    route.conditional = true;
    return route;
}

const std::array kRoutes = {
    answering(row(Method::get, "/tokens", &list_tokens,
                  "list tokens, without their secrets", kListParameters),
              200, kTokens),
    answering(taking(row(Method::post, "/tokens", &create_token,
                         "make a token for anybody; its secret is shown once"),
                     kTokenWish),
              201, kNewToken),
    row(Method::remove, "/tokens/{id}", &revoke_token, "end a token at once"),
    taking(row(Method::post, "/tokens/revoke", &revoke_whole,
               "end a token of which only the secret is known"),
           kRevoked),

    answering(row(Method::get, "/certificates", &list_certificates,
                  "list client certificates", kListParameters),
              200, kCertificates),
    taking(row(Method::post, "/certificates", &add_certificate,
               "let somebody log in by a certificate"),
           kNewCertificate),
    row(Method::remove, "/certificates/{fingerprint}", &remove_certificate,
        "take a certificate no longer"),

    conditional(answering(row(Method::get, "/grants", &list_grants,
                              "list grants", kListParameters),
                          200, kGrants)),
    conditional(taking(row(Method::post, "/grants", &add_grant,
                           "allow actions, beside those granted before"),
                       kNewGrant)),
    conditional(row(Method::remove, "/grants", &remove_grant,
                    "take actions away again", kGrantParameters)),

    conditional(answering(row(Method::get, "/visibility", &list_visibility,
                              "list rules of visibility", kPageParameters),
                          200, kRules)),
    conditional(taking(row(Method::put, "/visibility", &set_visibility,
                           "make repositories public or private"),
                       kNewVisibility)),
    conditional(row(Method::remove, "/visibility", &remove_visibility,
                    "remove a rule of visibility", kPatternParameters)),

    answering(row(Method::get, "/can", &can, "whether somebody may, and why",
                  kCanParameters),
              200, kCan),
};

}  // namespace

std::span<const Route> right_routes() {
    return kRoutes;
}

}  // namespace longshore::api
