// Changes: what every change of accounts, rights and issuers has in common. It
// is one transaction, made only if the policy still is what the caller looked
// at, and the audit log's row of it is in that transaction. Thread-safe; blocks
// on the database.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "model/actor.hpp"

namespace longshore {

class Database;
class Transaction;

/// Versions of the policy one of which there must be when something is
/// written; none: any.
using ExpectedVersions = std::optional<std::vector<std::int64_t>>;

class Changes {
public:
    /// `actor` is who makes them.
    Changes(Database& database, Actor actor, ExpectedVersions expected)
        : database_(database),
          actor_(std::move(actor)),
          expected_(std::move(expected)) {}

    /// @errors precondition_failed (another version), unavailable, corrupt;
    ///         those of `work`
    Result<void> write(const std::function<Result<void>(Transaction&)>& work);

    /// The audit log's row, at the end of the transaction. `target`: whom or
    /// what it is about; `repository`: its name or pattern, or "".
    /// @errors unavailable, corrupt
    Result<void> tell(Transaction& t, std::string_view action,
                      std::string target, std::string repository,
                      std::string detail) const;

private:
    Database& database_;
    Actor actor_;
    ExpectedVersions expected_;
};

}  // namespace longshore
