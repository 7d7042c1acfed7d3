// Issuers of the tokens of CI systems and clusters, and their rules.
#include <array>
#include <string>
#include <utility>

#include "api/documents.hpp"
#include "api/token_wish.hpp"
#include "auth/issuers.hpp"
#include "common/protocol.hpp"
#include "common/range.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::array<std::string_view, 3> kSources = {"discovery", "url",
                                                      "file"};

constexpr Field kIssuerName = renamed(
    kNameField, "name", "letters, digits and . _ - @ +; at most 64", true);
constexpr Field kUrlField{.name = "url",
                          .kind = K::text,
                          .description = "what its tokens say as iss",
                          .example = R"("https://kubernetes.example.org")",
                          .max = 1024};
constexpr Field kAudiences{.name = "audiences",
                           .kind = K::texts,
                           .description = "its tokens are for one of these",
                           .example = R"(["registry.example.org"])",
                           .max = 16};
constexpr Field kKeysUrl{.name = "keys_url",
                         .kind = K::text,
                         .description =
                             "where its keys are; null: as its "
                             "discovery document says",
                         .example = "null",
                         .required = false,
                         .nullable = true,
                         .max = 1024};
constexpr Field kJwks{.name = "jwks",
                      .kind = K::free,
                      .description =
                          "its keys, a JWK Set; then nothing is "
                          "fetched",
                      .example = R"({"keys":[{"kty":"OKP","crv":"Ed25519",
                          "kid":"2027-01","x":
                          "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})",
                      .required = false};
constexpr Field kCaFile{.name = "ca_file",
                        .kind = K::text,
                        .description =
                            "root certificates of its server, a "
                            "file of registryd's machine; null: "
                            "the system's",
                        .example = "null",
                        .required = false,
                        .nullable = true,
                        .max = 4096};
constexpr Field kNetwork{.name = "private_network",
                         .kind = K::flag,
                         .description = "its server has a private address",
                         .example = "false",
                         .required = false};
constexpr Field kLeeway{.name = "leeway_s",
                        .kind = K::number,
                        .description = "how much clocks may differ, 0 to 60",
                        .example = "30",
                        .required = false};
constexpr Field kLifetime{.name = "max_lifetime_s",
                          .kind = K::number,
                          .description = "longest lifetime of a token",
                          .example = "86400",
                          .required = false};

constexpr Field needed(Field field) {
    field.required = true;
    return field;
}

constexpr Field spared(Field field) {
    field.required = false;
    return field;
}

constexpr std::array kIssuerFields = {
    kIssuerName,
    kUrlField,
    kAudiences,
    Field{.name = "keys_from",
          .kind = K::word,
          .description = "where its keys come from",
          .example = R"("file")",
          .words = kSources},
    needed(kKeysUrl),
    needed(kCaFile),
    needed(kNetwork),
    needed(kLeeway),
    needed(kLifetime),
    Field{"created", K::time, "when it was made", R"("2027-01-31T09:30:00Z")"},
    Field{"fetched", K::time, "when its keys were read", "null", true, true},
    Field{"error", K::text, "of the last attempt to fetch keys", R"("")"},
    Field{"keys", K::texts, "its keys: kid and algorithm",
          "[\"2027-01 (EdDSA)\"]"},
    Field{"rules", K::number, "how many rules it has", "1"},
};
constexpr std::array kIssuersFields = {
    Field{.name = "issuers", .kind = K::objects, .of = &kIssuer},
};
constexpr std::array kNewIssuerFields = {kIssuerName, kUrlField, kAudiences,
                                         kKeysUrl,    kJwks,     kCaFile,
                                         kNetwork,    kLeeway,   kLifetime};
constexpr std::array kIssuerChangeFields = {
    spared(kAudiences), kJwks,   spared(kKeysUrl), kCaFile,
    kNetwork,           kLeeway, kLifetime};

constexpr Field kWhen{.name = "when",
                      .kind = K::texts,
                      .description = "CLAIM=PATTERN, all of which must hold",
                      .example = R"(["repository=acme/app"])",
                      .max = 16};
constexpr Field kAs{.name = "as",
                    .kind = K::text,
                    .description =
                        "the service account that tokens act as; "
                        "without it they have the actions",
                    .example = R"("")",
                    .required = false,
                    .max = 128};
constexpr Field kRuleActions{.name = "actions",
                             .kind = K::words,
                             .description =
                                 "what tokens may do; admin implies "
                                 "the others",
                             .example = R"(["pull","push"])",
                             .required = false,
                             .max = 4,
                             .words = kActionWords};
constexpr Field kRepositories{.name = "repositories",
                              .kind = K::texts,
                              .description =
                                  "patterns; {claim} is the value "
                                  "of a claim",
                              .example = R"(["acme/app/**"])",
                              .required = false,
                              .max = 8};
constexpr std::array kRuleFields = {
    Field{"id", K::number, "its number", "7"},
    Field{"issuer", K::text, "whose tokens", R"("cluster")"},
    kWhen,
    needed(kAs),
    needed(kRuleActions),
    needed(kRepositories),
};
constexpr std::array kRulesFields = {
    Field{.name = "rules", .kind = K::objects, .of = &kIssuerRule},
};
constexpr std::array kNewRuleFields = {kWhen, kAs, kRuleActions, kRepositories};

const Schema kIssuers{"Issuers", "Issuers, by name.", kIssuersFields};
const Schema kNewIssuer{"NewIssuer", "Whose tokens are to be taken.",
                        kNewIssuerFields};
const Schema kIssuerChange{"IssuerChange", "What is to be another.",
                           kIssuerChangeFields};
const Schema kIssuerRules{"IssuerRules", "Rules, by number.", kRulesFields};
const Schema kNewIssuerRule{"NewIssuerRule", "What tokens may do.",
                            kNewRuleFields};

Json nullable_json(const std::string& text) {
    return text.empty() ? Json() : Json(text);
}

Json issuer_json(const IssuerInfo& info) {
    return {{"name", info.name},
            {"url", info.url},
            {"audiences", info.audiences},
            {"keys_from", info.keys_from},
            {"keys_url", nullable_json(info.keys_url)},
            {"ca_file", nullable_json(info.ca_file)},
            {"private_network", info.private_network},
            {"leeway_s", info.leeway_s},
            {"max_lifetime_s", info.max_lifetime_s},
            {"created", time_json(info.created_at_ms)},
            {"fetched", time_json(info.fetched_at_ms)},
            {"error", info.error},
            {"keys", info.keys},
            {"rules", info.rules}};
}

Json rule_json(const IssuerRuleInfo& rule) {
    return {{"id", rule.id},
            {"issuer", rule.issuer},
            {"when", rule.conditions},
            {"as", rule.service},
            {"actions", actions_json(rule.actions)},
            {"repositories", rule.patterns}};
}

Answer changed(Json body = {}) {
    return Answer{.body = std::move(body),
                  .drops = {std::string(key::kPolicy)}};
}

// Members that may be missing; of those that are there the schema was asked.
template <typename T>
std::optional<T> given(const Call& call, std::string_view member) {
    auto found = call.body.find(member);
    return found == call.body.end() || found->is_null()
               ? std::nullopt
               : std::optional<T>(found->get<T>());
}

bool says(const Call& call, std::string_view member) {
    return call.body.contains(member);
}

std::string keys_of(const Call& call) {
    return says(call, "jwks") ? call.body.at("jwks").dump() : std::string();
}

Result<Answer> list(const Administration&, Issuers& issuers, const Call& call) {
    LS_TRY(all, issuers.list());
    LS_TRY(next,
           cut_page(call, all, [](const IssuerInfo& one) { return one.name; }));
    Json documents = Json::array();
    for (const auto& info : all) {
        documents.push_back(issuer_json(info));
    }
    return Answer{.body = {{"issuers", documents}}, .next = next};
}

Result<Answer> create(const Administration&, Issuers& issuers,
                      const Call& call) {
    longshore::NewIssuer wanted;
    wanted.name = call.text("name");
    wanted.url = call.text("url");
    wanted.audiences =
        call.body.at("audiences").get<std::vector<std::string>>();
    wanted.keys_url = call.text("keys_url");
    wanted.keys = keys_of(call);
    wanted.ca_file = call.text("ca_file");
    wanted.private_network =
        given<bool>(call, "private_network").value_or(false);
    wanted.leeway_s =
        given<std::int64_t>(call, "leeway_s").value_or(wanted.leeway_s);
    wanted.max_lifetime_s = given<std::int64_t>(call, "max_lifetime_s")
                                .value_or(wanted.max_lifetime_s);
    LS_CHECK(issuers.add(wanted));
    LS_TRY(info, issuers.find(wanted.name));
    auto answer = changed(issuer_json(info));
    answer.location = "/issuers/" + info.name;
    return answer;
}

Result<Answer> show(const Administration&, Issuers& issuers, const Call& call) {
    LS_TRY(info, issuers.find(call.in_path("name")));
    return Answer{.body = issuer_json(info)};
}

Result<Answer> change(const Administration&, Issuers& issuers,
                      const Call& call) {
    longshore::IssuerChange wanted;
    wanted.audiences = given<std::vector<std::string>>(call, "audiences");
    wanted.keys_url = call.text("keys_url");
    wanted.keys = keys_of(call);
    // null is a value: the address that discovery says, unless keys are given.
    wanted.discovery = says(call, "keys_url") && wanted.keys_url.empty() &&
                       wanted.keys.empty();
    if (says(call, "ca_file")) {
        wanted.ca_file = call.text("ca_file");
    }
    wanted.private_network = given<bool>(call, "private_network");
    wanted.leeway_s = given<std::int64_t>(call, "leeway_s");
    wanted.max_lifetime_s = given<std::int64_t>(call, "max_lifetime_s");
    const auto& name = call.in_path("name");
    LS_CHECK(issuers.change(name, wanted));
    LS_TRY(info, issuers.find(name));
    return changed(issuer_json(info));
}

Result<Answer> remove(const Administration&, Issuers& issuers,
                      const Call& call) {
    LS_CHECK(issuers.remove(call.in_path("name")));
    return changed();
}

Result<Answer> list_rules(const Administration&, Issuers& issuers,
                          const Call& call) {
    LS_TRY(all, issuers.list_rules(call.in_path("name")));
    // Of one length, so that they sort as numbers do.
    LS_TRY(next, cut_page(call, all, [](const IssuerRuleInfo& one) {
               auto digits = std::to_string(one.id);
               return std::string(20 - digits.size(), '0') + digits;
           }));
    Json documents = Json::array();
    for (const auto& rule : all) {
        documents.push_back(rule_json(rule));
    }
    return Answer{.body = {{"rules", documents}}, .next = next};
}

Result<Answer> add_rule(const Administration&, Issuers& issuers,
                        const Call& call) {
    longshore::NewIssuerRule wanted;
    wanted.issuer = call.in_path("name");
    wanted.conditions = call.body.at("when").get<std::vector<std::string>>();
    wanted.service = call.text("as");
    auto words = call.body.find("actions");
    if (words != call.body.end() && !words->empty()) {
        LS_TRY(actions, read_actions(*words));
        wanted.actions = actions;
    }
    wanted.patterns = given<std::vector<std::string>>(call, "repositories")
                          .value_or(std::vector<std::string>());
    LS_TRY(id, issuers.add_rule(wanted));
    auto answer =
        changed(rule_json({id, wanted.issuer, wanted.conditions, wanted.service,
                           wanted.actions, wanted.patterns}));
    answer.location =
        "/issuers/" + wanted.issuer + "/rules/" + std::to_string(id);
    return answer;
}

Result<Answer> remove_rule(const Administration&, Issuers& issuers,
                           const Call& call) {
    auto id = parse_decimal(call.in_path("id"));
    if (!id || *id > INT64_MAX) {
        return Error{Code::not_found, "there is no such rule"};
    }
    LS_CHECK(issuers.remove_rule(static_cast<std::int64_t>(*id),
                                 call.in_path("name")));
    return changed();
}

constexpr Route row(Method method, std::string_view pattern,
                    IssuerHandler handle, std::string_view summary) {
    Route route;
    route.method = method;
    route.pattern = pattern;
    route.right = Right::administrator;
    route.handle = handle;
    route.status = 204;
    route.summary = summary;
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
    paged(answering(row(Method::get, "/issuers", &list,
                        "list issuers, and the state of their keys"),
                    200, kIssuers)),
    answering(taking(row(Method::post, "/issuers", &create,
                         "take tokens of an issuer; they do nothing until "
                         "there is a rule"),
                     kNewIssuer),
              201, kIssuer),
    answering(row(Method::get, "/issuers/{name}", &show,
                  "what is known of an issuer"),
              200, kIssuer),
    answering(taking(row(Method::patch, "/issuers/{name}", &change,
                         "change an issuer; what its tokens were given ends"),
                     kIssuerChange),
              200, kIssuer),
    row(Method::remove, "/issuers/{name}", &remove,
        "take its tokens no longer, with its rules"),
    paged(answering(row(Method::get, "/issuers/{name}/rules", &list_rules,
                        "list the rules of an issuer"),
                    200, kIssuerRules)),
    answering(taking(row(Method::post, "/issuers/{name}/rules", &add_rule,
                         "give tokens rights"),
                     kNewIssuerRule),
              201, kIssuerRule),
    row(Method::remove, "/issuers/{name}/rules/{id}", &remove_rule,
        "end what a rule gives"),
};

}  // namespace

const Schema kIssuer{"Issuer", "Whose tokens are taken.", kIssuerFields};
const Schema kIssuerRule{"IssuerRule", "What tokens may do.", kRuleFields};

std::span<const Route> issuer_routes() {
    return kRoutes;
}

}  // namespace longshore::api
