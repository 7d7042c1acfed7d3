// Retention: removes what the rules of a repository let go, through the same
// steps as a delete, in batches beside everybody else. What was planned is
// looked at again in the transaction that removes it: what was pushed, pulled,
// moved or made immutable meanwhile stays.
// @errors of all functions here: unavailable, corrupt, internal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "model/retention.hpp"

namespace longshore {

class Database;
class Links;
class Uses;

struct RetentionOptions {
    std::string repository;  // "": all
    std::int64_t now_ms = 0;
    /// Asked often; true ends the run early.
    std::function<bool()> stopping = {};
    /// Told of what goes, in order.
    std::function<void(std::string_view name, const Removal&)> visit = {};
};

struct RetentionReport {
    std::int64_t tags = 0;
    std::int64_t manifests = 0;
    std::int64_t spared = 0;  // no longer to go when it was their turn
};

/// What a run would do now; changes nothing.
/// @errors also unavailable: what lies on disk is not in the tables yet
Result<RetentionReport> preview_retention(Database& database,
                                          const RetentionOptions& options);

/// What is to go of one name.
struct PlannedRemovals {
    std::int64_t name_id = 0;
    std::string name;
    std::vector<Removal> removals;
};

class Retention {
public:
    using Publish = std::function<void(const std::vector<std::string>& keys)>;

    /// `publish` tells nginx which keys to drop; `settle` is how long it takes
    /// until every nginx has heard of it and told of who asked before.
    Retention(Database& database, Links& links, Uses& uses, Publish publish,
              std::chrono::milliseconds settle)
        : database_(database),
          links_(links),
          uses_(uses),
          publish_(std::move(publish)),
          settle_(settle) {}

    /// One pass. The takeover has to be complete. One run at a time.
    Result<RetentionReport> run(const RetentionOptions& options);

private:
    using Planned = PlannedRemovals;
    Result<void> settle(const RetentionOptions& options,
                        const std::vector<Planned>& planned);
    Result<void> apply(const RetentionOptions& options, const Planned& planned,
                       RetentionReport& report);
    Result<void> remove(const RetentionOptions& options, const Planned& planned,
                        std::span<const Removal> batch,
                        RetentionReport& report);

    Database& database_;
    Links& links_;
    Uses& uses_;
    Publish publish_;
    std::chrono::milliseconds settle_;
};

}  // namespace longshore
