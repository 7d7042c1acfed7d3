#include "registry/retention_rules.hpp"

#include "common/clock.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"
#include "db/retention.hpp"

namespace longshore {
namespace {

Result<void> tell(Transaction& t, const Actor& actor, std::string_view action,
                  const std::string& pattern, std::string detail) {
    db::AuditEntry entry;
    entry.at_ms = unix_ms();
    entry.action = action;
    entry.actor = actor;
    entry.repository = pattern;
    entry.detail = std::move(detail);
    LS_TRY(added, db::append_audit(t, entry));
    static_cast<void>(added);
    return {};
}

Result<RetentionPolicy> parse(const NewRetentionPolicy& wanted) {
    LS_TRY(pattern, Pattern::parse(wanted.pattern));
    RetentionPolicy policy{std::move(pattern)};
    policy.keep_last = wanted.keep_last;
    for (const auto& text : wanted.keep_tags) {
        LS_TRY(tags, TagPattern::parse(text));
        policy.keep_tags.push_back(std::move(tags));
    }
    policy.keep_pulled_days = wanted.keep_pulled_days;
    policy.keep_younger_days = wanted.keep_younger_days;
    policy.delete_untagged_days = wanted.delete_untagged_days;
    policy.changed_at_ms = unix_ms();
    LS_CHECK(check_policy(policy));
    return policy;
}

}  // namespace

Result<std::vector<RetentionPolicy>> RetentionRules::list() {
    std::vector<RetentionPolicy> policies;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_retention_policies(t));
        policies = std::move(found);
        return {};
    }));
    return policies;
}

Result<RetentionPolicy> RetentionRules::set(const NewRetentionPolicy& wanted) {
    LS_TRY(policy, parse(wanted));
    LS_CHECK(database_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::put_retention_policy(t, policy));
        return tell(t, actor_, "retention.set", wanted.pattern,
                    policy_text(policy));
    }));
    return policy;
}

Result<void> RetentionRules::remove(const std::string& pattern) {
    return database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(gone, db::delete_retention_policy(t, pattern));
        if (!gone) {
            return Error{Code::not_found,
                         "there is no policy of retention for " + pattern};
        }
        return tell(t, actor_, "retention.remove", pattern, "");
    });
}

Result<std::vector<ImmutableTags>> RetentionRules::list_immutable() {
    std::vector<ImmutableTags> rules;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_immutable_tags(t));
        rules = std::move(found);
        return {};
    }));
    return rules;
}

Result<void> RetentionRules::add_immutable(const std::string& pattern,
                                           const std::string& tags) {
    LS_TRY(names, Pattern::parse(pattern));
    LS_TRY(parsed, TagPattern::parse(tags));
    ImmutableTags rule{std::move(names), std::move(parsed)};
    return database_.write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::put_immutable_tags(t, rule, unix_ms()));
        return tell(t, actor_, "immutable.add", pattern, tags);
    });
}

Result<void> RetentionRules::remove_immutable(const std::string& pattern,
                                              const std::string& tags) {
    return database_.write([&](Transaction& t) -> Result<void> {
        LS_TRY(gone, db::delete_immutable_tags(t, pattern, tags));
        if (!gone) {
            return Error{Code::not_found, "there is no rule that tags " + tags +
                                              " of " + pattern +
                                              " are immutable"};
        }
        return tell(t, actor_, "immutable.remove", pattern, tags);
    });
}

Result<RetentionRun> RetentionRules::want_run(const std::string& repository) {
    RetentionRun run;
    run.repository = repository;
    run.wanted_at_ms = unix_ms();
    LS_CHECK(database_.write(
        [&](Transaction& t) { return db::put_retention_run(t, run); }));
    return run;
}

Result<std::vector<RetentionRun>> RetentionRules::list_runs(std::size_t n) {
    std::vector<RetentionRun> runs;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::list_retention_runs(t, n));
        runs = std::move(found);
        return {};
    }));
    return runs;
}

}  // namespace longshore
