// RetentionRules: what administrators do with policies of retention and with
// immutable tags: the API and registryctl both call this. Each change is one
// transaction with its row of the audit log. Thread-safe.
// @errors of all functions here: unavailable, corrupt; others where said.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "model/actor.hpp"
#include "model/retention.hpp"
#include "registry/retention.hpp"

namespace longshore {

class Database;

/// A policy as somebody typed it; 0 and empty: no such rule.
struct NewRetentionPolicy {
    std::string pattern;
    std::int64_t keep_last = 0;
    std::vector<std::string> keep_tags = {};
    std::int64_t keep_pulled_days = 0;
    std::int64_t keep_younger_days = 0;
    std::int64_t delete_untagged_days = 0;
};

class RetentionRules {
public:
    /// `actor` is who calls, for the audit log.
    RetentionRules(Database& database, Actor actor)
        : database_(database), actor_(std::move(actor)) {}

    /// By pattern.
    Result<std::vector<RetentionPolicy>> list();
    /// In the place of the one with the same pattern, if there is one.
    /// @errors invalid_argument
    Result<RetentionPolicy> set(const NewRetentionPolicy& wanted);
    /// @errors not_found
    Result<void> remove(const std::string& pattern);

    /// By patterns.
    Result<std::vector<ImmutableTags>> list_immutable();
    /// @errors invalid_argument
    Result<void> add_immutable(const std::string& pattern,
                               const std::string& tags);
    /// @errors not_found
    Result<void> remove_immutable(const std::string& pattern,
                                  const std::string& tags);

    /// @errors as preview_retention()
    Result<RetentionReport> preview(const RetentionOptions& options) {
        return preview_retention(database_, options);
    }

    /// Asks the daemon for a run; "": of all repositories.
    Result<RetentionRun> want_run(const std::string& repository);
    /// The last ones, the newest first.
    Result<std::vector<RetentionRun>> list_runs(std::size_t n);

private:
    Database& database_;
    Actor actor_;
};

}  // namespace longshore
