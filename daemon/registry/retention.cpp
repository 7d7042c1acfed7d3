#include "registry/retention.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <thread>
#include <tuple>

#include "common/protocol.hpp"
#include "db/database.hpp"
#include "db/retention.hpp"
#include "registry/effects.hpp"
#include "registry/links.hpp"
#include "registry/takeover.hpp"
#include "registry/uses.hpp"

namespace longshore {
namespace {

constexpr std::size_t kNames = 200;        // looked at in one snapshot
constexpr std::size_t kTogether = 10'000;  // removals that settle together
constexpr std::size_t kBatch = 100;        // of one transaction
constexpr std::size_t kNewest = 1000;      // tags read at once
constexpr std::chrono::milliseconds kStep{50};

const Actor& ourselves() {
    static const Actor kActor = [] {
        Actor actor;
        actor.credential = "local";
        actor.peer = "registryd";
        return actor;
    }();
    return kActor;
}

bool is_stopping(const RetentionOptions& options) {
    return options.stopping && options.stopping();
}

// The rules of one name, as of one transaction.
struct Rules {
    std::optional<RetentionPolicy> policy;
    std::vector<ImmutableTags> immutable;
};

Result<Rules> rules_of(Transaction& t, std::string_view name) {
    Rules rules;
    LS_TRY(policies, db::list_retention_policies(t));
    if (const auto* policy = policy_of(policies, name)) {
        rules.policy = *policy;
    }
    LS_TRY(immutable, db::list_immutable_tags(t));
    rules.immutable = std::move(immutable);
    return rules;
}

// Looks again, in the transaction that removes.
class Recheck {
public:
    /// `used`: digests that somebody asked for and that the tables do not
    /// know of yet.
    Recheck(Transaction& t, std::int64_t name_id, std::string_view name,
            const std::set<std::string>& used, std::int64_t now_ms)
        : t_(t), name_id_(name_id), name_(name), used_(used), now_ms_(now_ms) {}

    Result<void> begin() {
        LS_TRY(rules, rules_of(t_, name_));
        rules_ = std::move(rules);
        LS_TRY(since, db::uses_since(t_));
        since_ms_ = since;
        return rules_.policy && rules_.policy->keep_last > 0 ? find_last()
                                                             : Result<void>();
    }

    /// Whether it goes still.
    Result<bool> goes(const Removal& removal) {
        if (!rules_.policy) {
            return false;
        }
        bool matters = removal.kind == Removal::Kind::manifest ||
                       rules_.policy->keep_pulled_days > 0;
        if (matters && used_.count(removal.digest) > 0) {
            return false;
        }
        return removal.kind == Removal::Kind::tag ? tag_goes(removal)
                                                  : manifest_goes(removal);
    }

private:
    // The last of those that `keep_last` keeps.
    Result<void> find_last() {
        auto left = rules_.policy->keep_last;
        std::int64_t at_ms = std::numeric_limits<std::int64_t>::max();
        std::string tag;
        for (;;) {
            LS_TRY(page,
                   db::list_newest_tags(t_, name_id_, kNewest, at_ms, tag));
            for (auto& row : page) {
                at_ms = row.pushed_at_ms;
                tag = std::move(row.tag);
                LS_TRY(companion, is_companion(tag));
                left -= companion ? 0 : 1;
                if (left == 0) {
                    last_.emplace(at_ms, tag);
                    return {};
                }
            }
            if (page.size() < kNewest) {
                last_.emplace(std::numeric_limits<std::int64_t>::min(), "");
                return {};
            }
        }
    }

    Result<bool> is_companion(const std::string& tag) {
        auto image = companion_of(tag);
        if (!image) {
            return false;
        }
        return db::has_companion_image(t_, *image);
    }

    Result<bool> tag_goes(const Removal& removal) {
        LS_TRY(row, db::find_tag(t_, name_id_, removal.tag));
        LS_TRY(manifest,
               db::find_manifest_facts(t_, name_id_, removal.manifest));
        if (!row || !manifest || row->manifest != removal.manifest ||
            row->pushed_at_ms != removal.pushed_at_ms ||
            immutable_by(rules_.immutable, name_, removal.tag) != nullptr) {
            return false;
        }
        const auto& policy = *rules_.policy;
        if (removal.why == Removal::Why::companion) {
            auto image = companion_of(removal.tag);
            LS_TRY(here, db::has_image(t_, name_id_, *image));
            return !here && policy.delete_untagged_days > 0;
        }
        LS_TRY(companion, is_companion(removal.tag));
        return policy.has_tag_rules() && !companion && !is_of_last(removal) &&
               !keeps_tag(policy, removal.tag, row->pushed_at_ms,
                          manifest->pulled_at_ms, since_ms_, now_ms_);
    }

    bool is_of_last(const Removal& removal) const {
        return last_ && std::tie(removal.pushed_at_ms, removal.tag) >=
                            std::tie(last_->first, last_->second);
    }

    Result<bool> manifest_goes(const Removal& removal) {
        LS_TRY(manifest,
               db::find_manifest_facts(t_, name_id_, removal.manifest));
        auto days = rules_.policy->delete_untagged_days;
        if (!manifest || days == 0 ||
            now_ms_ - last_use_ms(*manifest, since_ms_) <
                days * kRetentionDayMs) {
            return false;
        }
        LS_TRY(led_to, db::is_led_to(t_, name_id_, removal.manifest));
        return !led_to;
    }

    Transaction& t_;
    std::int64_t name_id_;
    std::string_view name_;
    const std::set<std::string>& used_;
    std::int64_t now_ms_;
    Rules rules_;
    std::int64_t since_ms_ = 0;
    std::optional<std::pair<std::int64_t, std::string>> last_;
};

Result<void> take(Transaction& t, Effects& effects, std::int64_t name_id,
                  std::string_view name, const Removal& removal) {
    auto event = event_of("", name, "");
    event.digest = removal.digest;
    auto detail = "retention: " + std::string(why_text(removal.why));
    if (removal.kind == Removal::Kind::manifest) {
        return remove_manifest(t, effects, ourselves(), name_id,
                               removal.manifest, event, detail);
    }
    LS_CHECK(remove_tag(t, effects, ourselves(), name_id, removal.tag, event,
                        detail));
    // What goes with its image does not wait once more.
    return removal.why == Removal::Why::companion
               ? Result<void>()
               : db::hold_manifest(t, name_id, removal.manifest, event.at_ms);
}

// Of the names after `after`; false once there are none left.
Result<bool> plan_next(Database& database, const RetentionOptions& options,
                       std::int64_t& after,
                       std::vector<PlannedRemovals>& planned) {
    bool more = false;
    auto look = [&](Transaction& t) -> Result<void> {
        LS_TRY(policies, db::list_retention_policies(t));
        if (policies.empty()) {
            return {};
        }
        LS_TRY(immutable, db::list_immutable_tags(t));
        LS_TRY(names, db::list_name_rows(t, kNames, after));
        more = names.size() == kNames;
        for (const auto& name : names) {
            after = name.id;
            bool wanted =
                options.repository.empty() || options.repository == name.name;
            const auto* policy =
                wanted ? policy_of(policies, name.name) : nullptr;
            if (policy == nullptr) {
                continue;
            }
            LS_TRY(facts, db::repository_facts(t, name));
            auto found =
                plan_retention(facts, *policy, immutable, options.now_ms);
            if (!found.empty()) {
                planned.push_back({name.id, name.name, std::move(found)});
                // A snapshot is not held for longer than it has to be.
                more = true;
                return {};
            }
        }
        return {};
    };
    LS_CHECK(database.read(look));
    return more;
}

void count(RetentionReport& report, const Removal& removal) {
    ++(removal.kind == Removal::Kind::tag ? report.tags : report.manifests);
}

}  // namespace

Result<RetentionReport> preview_retention(Database& database,
                                          const RetentionOptions& options) {
    LS_CHECK(database.read(check_indexed));
    RetentionReport report;
    std::int64_t after = 0;
    for (bool more = true; more && !is_stopping(options);) {
        std::vector<PlannedRemovals> planned;
        LS_TRY(rest, plan_next(database, options, after, planned));
        more = rest;
        for (const auto& one : planned) {
            for (const auto& removal : one.removals) {
                count(report, removal);
                if (options.visit) {
                    options.visit(one.name, removal);
                }
            }
        }
    }
    return report;
}

Result<RetentionReport> Retention::run(const RetentionOptions& options) {
    RetentionReport report;
    std::int64_t after = 0;
    for (bool more = true; more && !is_stopping(options);) {
        std::vector<Planned> planned;
        std::size_t removals = 0;
        while (more && removals < kTogether && !is_stopping(options)) {
            auto before = planned.size();
            LS_TRY(rest, plan_next(database_, options, after, planned));
            more = rest;
            for (auto i = before; i < planned.size(); ++i) {
                removals += planned[i].removals.size();
            }
        }
        LS_CHECK(settle(options, planned));
        for (const auto& one : planned) {
            LS_CHECK(apply(options, one, report));
        }
    }
    return report;
}

// From here on every nginx asks us for what is to go, and so whoever asks is
// seen; what they were told before is told to us within that time.
Result<void> Retention::settle(const RetentionOptions& options,
                               const std::vector<Planned>& planned) {
    std::vector<std::string> keys;
    for (const auto& one : planned) {
        for (const auto& removal : one.removals) {
            if (removal.kind == Removal::Kind::manifest) {
                keys.push_back(key::manifest(one.name, removal.digest));
            }
        }
    }
    if (!keys.empty()) {
        publish_(keys);
        auto end = std::chrono::steady_clock::now() + settle_;
        while (std::chrono::steady_clock::now() < end &&
               !is_stopping(options)) {
            std::this_thread::sleep_for(kStep);
        }
    }
    return uses_.flush();
}

Result<void> Retention::apply(const RetentionOptions& options,
                              const Planned& planned, RetentionReport& report) {
    std::span<const Removal> rest(planned.removals);
    while (!rest.empty() && !is_stopping(options)) {
        auto batch = rest.first(std::min(rest.size(), kBatch));
        rest = rest.subspan(batch.size());
        LS_CHECK(remove(options, planned, batch, report));
    }
    return {};
}

Result<void> Retention::remove(const RetentionOptions& options,
                               const Planned& planned,
                               std::span<const Removal> batch,
                               RetentionReport& report) {
    std::vector<std::string> references;
    for (const auto& removal : batch) {
        references.push_back(removal.digest);
    }
    std::set<std::string> used;
    auto closed = uses_.close(planned.name, references, used);
    std::vector<const Removal*> gone;
    auto work = [&](Transaction& t, Effects& effects) -> Result<void> {
        gone.clear();
        Recheck recheck(t, planned.name_id, planned.name, used, options.now_ms);
        LS_CHECK(recheck.begin());
        for (const auto& removal : batch) {
            LS_TRY(goes, recheck.goes(removal));
            if (goes) {
                LS_CHECK(
                    take(t, effects, planned.name_id, planned.name, removal));
                gone.push_back(&removal);
            }
        }
        return {};
    };
    LS_TRY(written, commit(database_, links_, work));
    publish_(written.drops);
    report.spared += static_cast<std::int64_t>(batch.size() - gone.size());
    for (const auto* removal : gone) {
        count(report, *removal);
        if (options.visit) {
            options.visit(planned.name, *removal);
        }
    }
    return {};
}

}  // namespace longshore
