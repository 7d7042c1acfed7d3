// Policies of retention, immutable tags, runs.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "api/documents.hpp"
#include "api/retention_documents.hpp"
#include "api/route.hpp"
#include "common/clock.hpp"
#include "registry/retention_rules.hpp"

namespace longshore::api {
namespace {

using K = FieldKind;

constexpr std::size_t kRuns = 100;

constexpr Field optional_number(std::string_view name,
                                std::string_view description,
                                std::string_view example) {
    return {.name = name,
            .kind = K::number,
            .description = description,
            .example = example,
            .required = false};
}

constexpr Field time_field(std::string_view name) {
    return {.name = name,
            .kind = K::time,
            .example = R"("2026-11-30T12:00:00Z")",
            .nullable = true};
}

constexpr Field kTagsField{.name = "tags",
                           .kind = K::text,
                           .description = "tags: * is any text",
                           .example = R"("v*")",
                           .max = 128,
                           .format = "^[A-Za-z0-9_*][A-Za-z0-9._*-]{0,127}$"};
constexpr Field kRepositoryField{.name = "repository",
                                 .kind = K::text,
                                 .description = "only this one; without it all",
                                 .example = R"("team/app")",
                                 .required = false,
                                 .max = 255};

constexpr std::array kPolicyFields = {
    kPatternField,
    optional_number("keep_last", "the newest tags; 0: no such rule", "10"),
    Field{.name = "keep_tags",
          .kind = K::texts,
          .description = "patterns of tags: * is any text",
          .example = R"(["v*"])",
          .required = false,
          .max = kMaxKeepTags},
    optional_number("keep_pulled_days", "what was pulled within these days",
                    "30"),
    optional_number("keep_younger_days", "what was pushed within these days",
                    "14"),
    optional_number("delete_untagged_days",
                    "manifests that no tag leads to go so long after their "
                    "last use; 0: they stay",
                    "7")};
const Schema kPolicy{"RetentionPolicy", "Which tags and manifests stay.",
                     kPolicyFields};
const Schema kNewPolicy{"NewRetentionPolicy", "A policy of a pattern.",
                        kPolicyFields};
constexpr std::array kPoliciesFields = {
    Field{.name = "policies", .kind = K::objects, .of = &kPolicy}};
const Schema kPolicies{"RetentionPolicies", "Policies, by pattern.",
                       kPoliciesFields};

constexpr std::array kImmutableFields = {kPatternField, kTagsField};
const Schema kImmutable{"ImmutableTags",
                        "Tags that are neither moved nor deleted.",
                        kImmutableFields};
const Schema kNewImmutable{"NewImmutableTags", "A rule.", kImmutableFields};
constexpr std::array kImmutablesFields = {
    Field{.name = "immutable", .kind = K::objects, .of = &kImmutable}};
const Schema kImmutables{"ImmutableTagRules", "Rules, by patterns.",
                         kImmutablesFields};

constexpr std::array kRemovalFields = {
    Field{.name = "repository",
          .kind = K::text,
          .description = "",
          .example = R"("team/app")"},
    Field{.name = "tag",
          .kind = K::text,
          .description = "null: the manifest itself",
          .example = R"("build-17")",
          .nullable = true},
    Field{.name = "digest",
          .kind = K::text,
          .description = "of the manifest",
          .example = R"("sha256:0")"},
    Field{.name = "why",
          .kind = K::text,
          .description = "",
          .example = R"("no rule keeps it")"}};
const Schema kRemoval{"RetentionRemoval", "A tag or manifest that goes.",
                      kRemovalFields};
constexpr std::array kPreviewFields = {Field{.name = "removals",
                                             .kind = K::objects,
                                             .description = "the first n",
                                             .of = &kRemoval},
                                       Field{.name = "tags",
                                             .kind = K::number,
                                             .description = "how many go",
                                             .example = "12"},
                                       Field{.name = "manifests",
                                             .kind = K::number,
                                             .description = "how many go",
                                             .example = "3"}};
const Schema kPreview{"RetentionPreview", "What a run would do now.",
                      kPreviewFields};

constexpr std::array kRunFields = {
    Field{.name = "id", .kind = K::number, .example = "4"},
    Field{.name = "state",
          .kind = K::text,
          .description = "wanted, running, done or failed",
          .example = R"("done")"},
    Field{.name = "repository",
          .kind = K::text,
          .description = "null: all",
          .example = "null",
          .nullable = true},
    time_field("wanted"),
    time_field("started"),
    time_field("ended"),
    Field{.name = "tags",
          .kind = K::number,
          .description = "that were deleted",
          .example = "12"},
    Field{.name = "manifests",
          .kind = K::number,
          .description = "that were deleted",
          .example = "3"},
    Field{.name = "spared",
          .kind = K::number,
          .description = "changed or used since they were looked at",
          .example = "0"},
    Field{.name = "error",
          .kind = K::text,
          .description = "why it failed, or empty",
          .example = R"("")"}};
const Schema kRun{"RetentionRun", "A run.", kRunFields};
constexpr std::array kRunsFields = {
    Field{.name = "runs", .kind = K::objects, .of = &kRun}};
const Schema kRunList{"RetentionRuns", "The last runs, the newest first.",
                      kRunsFields};
constexpr std::array kWishFields = {kRepositoryField};
const Schema kWish{"RetentionRunWish", "A run that is asked for.", kWishFields};

constexpr std::array kPatternParameters = {kPatternField};
constexpr std::array kRuleParameters = {kPatternField, kTagsField};
constexpr std::array kPreviewParameters = {kPageSizeParameter,
                                           kRepositoryField};

std::int64_t number(const Call& call, std::string_view member) {
    auto found = call.body.find(member);
    return found == call.body.end() ? 0 : found->get<std::int64_t>();
}

template <typename T>
std::vector<Json> documents(const std::vector<T>& all, Json (*json)(const T&)) {
    std::vector<Json> out;
    out.reserve(all.size());
    for (const auto& one : all) {
        out.push_back(json(one));
    }
    return out;
}

Result<Answer> list(const Administration&, RetentionRules& rules,
                    const Call& call) {
    LS_TRY(all, rules.list());
    auto policies = documents(all, &policy_json);
    LS_TRY(next, cut_page(call, policies, [](const Json& one) {
               return one.at("pattern").get<std::string>();
           }));
    return Answer{.body = {{"policies", policies}}, .next = next};
}

Result<Answer> set(const Administration&, RetentionRules& rules,
                   const Call& call) {
    NewRetentionPolicy wanted;
    wanted.pattern = call.text("pattern");
    wanted.keep_last = number(call, "keep_last");
    auto tags = call.body.find("keep_tags");
    if (tags != call.body.end()) {
        wanted.keep_tags = tags->get<std::vector<std::string>>();
    }
    wanted.keep_pulled_days = number(call, "keep_pulled_days");
    wanted.keep_younger_days = number(call, "keep_younger_days");
    wanted.delete_untagged_days = number(call, "delete_untagged_days");
    LS_TRY(made, rules.set(wanted));
    return Answer{.body = policy_json(made)};
}

Result<Answer> remove(const Administration&, RetentionRules& rules,
                      const Call& call) {
    LS_CHECK(rules.remove(call.in_query("pattern")));
    return Answer{};
}

Result<Answer> list_immutable(const Administration&, RetentionRules& rules,
                              const Call& call) {
    LS_TRY(all, rules.list_immutable());
    auto found = documents(all, &immutable_json);
    LS_TRY(next, cut_page(call, found, [](const Json& one) {
               return one.at("pattern").get<std::string>() + " " +
                      one.at("tags").get<std::string>();
           }));
    return Answer{.body = {{"immutable", found}}, .next = next};
}

Result<Answer> add_immutable(const Administration&, RetentionRules& rules,
                             const Call& call) {
    LS_CHECK(rules.add_immutable(call.text("pattern"), call.text("tags")));
    return Answer{};
}

Result<Answer> remove_immutable(const Administration&, RetentionRules& rules,
                                const Call& call) {
    LS_CHECK(rules.remove_immutable(call.in_query("pattern"),
                                    call.in_query("tags")));
    return Answer{};
}

Result<Answer> preview(const Administration&, RetentionRules& rules,
                       const Call& call) {
    LS_TRY(n, page_size(call));
    Json removals = Json::array();
    RetentionOptions options;
    options.repository = call.in_query("repository");
    options.now_ms = unix_ms();
    options.visit = [&](std::string_view name, const Removal& removal) {
        if (removals.size() < n) {
            removals.push_back(removal_json(name, removal));
        }
    };
    LS_TRY(report, rules.preview(options));
    return Answer{.body = {{"removals", removals},
                           {"tags", report.tags},
                           {"manifests", report.manifests}}};
}

Result<Answer> list_runs(const Administration&, RetentionRules& rules,
                         const Call&) {
    LS_TRY(all, rules.list_runs(kRuns));
    Json out = Json::array();
    for (const auto& one : all) {
        out.push_back(run_json(one));
    }
    return Answer{.body = {{"runs", out}}};
}

Result<Answer> want_run(const Administration&, RetentionRules& rules,
                        const Call& call) {
    LS_TRY(run, rules.want_run(call.text("repository")));
    return Answer{.body = run_json(run)};
}

constexpr Route row(Method method, std::string_view pattern,
                    RetentionHandler handle, std::string_view summary,
                    std::span<const Field> query = {}) {
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

constexpr Route answering(Route route, int status, const Schema& response) {
    route.status = status;
    route.response = &response;
    return route;
}

constexpr Route taking(Route route, const Schema& request) {
    route.request = &request;
    return route;
}

const std::array kRoutes = {
    answering(row(Method::get, "/retention", &list,
                  "list policies of retention", kPageParameters),
              200, kPolicies),
    answering(taking(row(Method::put, "/retention", &set,
                         "set the policy of a pattern"),
                     kNewPolicy),
              200, kPolicy),
    row(Method::remove, "/retention", &remove, "remove a policy",
        kPatternParameters),
    answering(row(Method::get, "/retention/preview", &preview,
                  "what a run would do now", kPreviewParameters),
              200, kPreview),
    answering(
        row(Method::get, "/retention/runs", &list_runs, "list the last runs"),
        200, kRunList),
    answering(taking(row(Method::post, "/retention/runs", &want_run,
                         "ask for a run; it begins within a second"),
                     kWish),
              202, kRun),
    answering(row(Method::get, "/immutable-tags", &list_immutable,
                  "list rules of immutable tags", kPageParameters),
              200, kImmutables),
    taking(row(Method::put, "/immutable-tags", &add_immutable,
               "let nobody move or delete tags"),
           kNewImmutable),
    row(Method::remove, "/immutable-tags", &remove_immutable,
        "remove a rule of immutable tags", kRuleParameters)};

}  // namespace

std::span<const Route> retention_routes() {
    return kRoutes;
}

}  // namespace longshore::api
