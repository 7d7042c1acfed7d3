// Retention: policies, immutable tags, what a run would do, and runs.
#include <chrono>
#include <string>
#include <vector>

#include "api/retention_documents.hpp"
#include "common/clock.hpp"
#include "ctl/commands.hpp"
#include "ctl/runs.hpp"
#include "db/database.hpp"
#include "db/retention.hpp"
#include "formats/oci/manifest_parse.hpp"
#include "jobs/retention_job.hpp"
#include "registry/links.hpp"
#include "registry/retention.hpp"
#include "registry/retention_rules.hpp"
#include "registry/takeover.hpp"
#include "registry/uses.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

constexpr std::size_t kRunsShown = 10;

Result<RetentionRules> rules_of(Context& context) {
    LS_TRY(database, context.database());
    return RetentionRules(*database, context.actor());
}

std::string counts(std::int64_t tags, std::int64_t manifests) {
    return std::to_string(tags) + " tags, " + std::to_string(manifests) +
           " manifests";
}

int say(const Context& context, const RetentionRun& run) {
    return say_run(context, run, api::run_json(run),
                   "deleted: " + counts(run.tags, run.manifests) + "; " +
                       std::to_string(run.spared) + " spared",
                   "run " + std::to_string(run.id) + " will begin soon");
}

// The daemon does it; we wait for its row.
Result<int> ask_daemon(Context& context) {
    LS_TRY(rules, rules_of(context));
    LS_TRY(run, rules.want_run(context.args.repository));
    LS_CHECK(wait_for(context, run, "run", db::find_retention_run));
    return say(context, run);
}

// There is no daemon: this process has the database alone.
Result<int> run_here(Context& context, const Config& config,
                     Database& database) {
    LS_TRY(store, open_file_store(config.root));
    Takeover takeover(database, *store, parse_manifest);
    LS_CHECK(takeover.open());
    Links links(database, *store);
    LS_CHECK(links.start());
    Uses uses(database);
    LS_CHECK(uses.start());
    auto publish = [&](const std::vector<std::string>& keys) {
        leave_drops(database, keys);
    };
    Retention retention(database, links, uses, publish,
                        std::chrono::milliseconds(0));
    RetentionJob job(database, retention, takeover, {});
    LS_TRY(run, job.run_now(context.args.repository));
    LS_CHECK(links.sweep());
    return say(context, run);
}

}  // namespace

Result<int> set_retention(Context& context) {
    const auto& args = context.args;
    NewRetentionPolicy wanted;
    wanted.pattern = args.pattern;
    wanted.keep_last = args.keep_last;
    wanted.keep_tags = args.keep_tags;
    wanted.keep_pulled_days = args.keep_pulled_days;
    wanted.keep_younger_days = args.keep_younger_days;
    wanted.delete_untagged_days = args.delete_untagged_days;
    LS_TRY(rules, rules_of(context));
    LS_TRY(policy, rules.set(wanted));
    return say_done(context, "set", args.pattern + ": " + policy_text(policy),
                    api::policy_json(policy));
}

Result<int> list_retention(Context& context) {
    LS_TRY(rules, rules_of(context));
    LS_TRY(policies, rules.list());
    Json list = Json::array();
    Table table({"PATTERN", "RULES"});
    for (const auto& policy : policies) {
        list.push_back(api::policy_json(policy));
        table.add({policy.pattern.text(), policy_text(policy)});
    }
    if (context.json()) {
        print_json({{"policies", list}});
    } else {
        table.print();
    }
    return kDone;
}

Result<int> remove_retention(Context& context) {
    const auto& pattern = context.args.pattern;
    LS_TRY(rules, rules_of(context));
    LS_CHECK(rules.remove(pattern));
    return say_done(context, "removed", "policy of " + pattern + " removed",
                    {{"pattern", pattern}});
}

Result<int> preview_retention(Context& context) {
    LS_TRY(rules, rules_of(context));
    Json removals = Json::array();
    RetentionOptions options;
    options.repository = context.args.repository;
    options.now_ms = unix_ms();
    options.visit = [&](std::string_view name, const Removal& removal) {
        if (context.json()) {
            removals.push_back(api::removal_json(name, removal));
            return;
        }
        bool is_tag = removal.kind == Removal::Kind::tag;
        print_line(std::string(name) +
                   (is_tag ? " tag " + removal.tag : " manifest") + " " +
                   removal.digest + ": " + std::string(why_text(removal.why)));
    };
    LS_TRY(report, rules.preview(options));
    if (context.json()) {
        print_json({{"removals", removals},
                    {"tags", report.tags},
                    {"manifests", report.manifests}});
    } else {
        print_line("would delete: " + counts(report.tags, report.manifests));
    }
    return kDone;
}

Result<int> run_retention(Context& context) {
    LS_TRY(config, context.config());
    LS_TRY(alone, open_alone(*config));
    return alone ? run_here(context, *config, *alone) : ask_daemon(context);
}

Result<int> show_retention(Context& context) {
    LS_TRY(config, context.config());
    LS_TRY(rules, rules_of(context));
    LS_TRY(runs, rules.list_runs(kRunsShown));
    if (context.json()) {
        Json list = Json::array();
        for (const auto& run : runs) {
            list.push_back(api::run_json(run));
        }
        print_json({{"interval_seconds", config->retention_interval_s},
                    {"runs", list}});
        return kDone;
    }
    print_line("every " + std::to_string(config->retention_interval_s) + " s");
    Table table({"RUN", "STATE", "REPOSITORY", "STARTED", "ENDED", "TAGS",
                 "MANIFESTS", "SPARED", "ERROR"});
    for (const auto& run : runs) {
        table.add({std::to_string(run.id), run.state,
                   run.repository.empty() ? "all" : run.repository,
                   time_text(run.started_at_ms, ""),
                   time_text(run.ended_at_ms, ""), std::to_string(run.tags),
                   std::to_string(run.manifests), std::to_string(run.spared),
                   run.error});
    }
    table.print();
    return kDone;
}

Result<int> add_immutable_tags(Context& context) {
    const auto& args = context.args;
    LS_TRY(rules, rules_of(context));
    LS_CHECK(rules.add_immutable(args.pattern, args.tag_pattern));
    return say_done(
        context, "added",
        "tags " + args.tag_pattern + " of " + args.pattern + " are immutable",
        {{"pattern", args.pattern}, {"tags", args.tag_pattern}});
}

Result<int> list_immutable_tags(Context& context) {
    LS_TRY(rules, rules_of(context));
    LS_TRY(all, rules.list_immutable());
    Json list = Json::array();
    Table table({"PATTERN", "TAGS"});
    for (const auto& rule : all) {
        list.push_back(api::immutable_json(rule));
        table.add({rule.pattern.text(), rule.tags.text()});
    }
    if (context.json()) {
        print_json({{"immutable", list}});
    } else {
        table.print();
    }
    return kDone;
}

Result<int> remove_immutable_tags(Context& context) {
    const auto& args = context.args;
    LS_TRY(rules, rules_of(context));
    LS_CHECK(rules.remove_immutable(args.pattern, args.tag_pattern));
    return say_done(context, "removed",
                    "tags " + args.tag_pattern + " of " + args.pattern +
                        " are immutable no more",
                    {{"pattern", args.pattern}, {"tags", args.tag_pattern}});
}

}  // namespace longshore
