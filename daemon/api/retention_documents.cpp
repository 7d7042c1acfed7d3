#include "api/retention_documents.hpp"

#include "api/documents.hpp"

namespace longshore::api {

Json policy_json(const RetentionPolicy& policy) {
    Json tags = Json::array();
    for (const auto& pattern : policy.keep_tags) {
        tags.push_back(pattern.text());
    }
    return {{"pattern", policy.pattern.text()},
            {"keep_last", policy.keep_last},
            {"keep_tags", tags},
            {"keep_pulled_days", policy.keep_pulled_days},
            {"keep_younger_days", policy.keep_younger_days},
            {"delete_untagged_days", policy.delete_untagged_days}};
}

Json immutable_json(const ImmutableTags& rule) {
    return {{"pattern", rule.pattern.text()}, {"tags", rule.tags.text()}};
}

Json removal_json(std::string_view name, const Removal& removal) {
    bool is_tag = removal.kind == Removal::Kind::tag;
    return {{"repository", name},
            {"tag", is_tag ? Json(removal.tag) : Json()},
            {"digest", removal.digest},
            {"why", why_text(removal.why)}};
}

Json run_json(const RetentionRun& run) {
    return {
        {"id", run.id},
        {"state", run.state},
        {"repository", run.repository.empty() ? Json() : Json(run.repository)},
        {"wanted", time_json(run.wanted_at_ms)},
        {"started", time_json(run.started_at_ms)},
        {"ended", time_json(run.ended_at_ms)},
        {"tags", run.tags},
        {"manifests", run.manifests},
        {"spared", run.spared},
        {"error", run.error}};
}

}  // namespace longshore::api
