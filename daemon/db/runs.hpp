// Statements of what all tables of runs have: collections, retention_runs,
// scrubs.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <string_view>

#include "db/database.hpp"
#include "model/run.hpp"

namespace longshore::db {

struct RunTable {
    Sql find;
    Sql list;
    Sql first;
    Sql end_open;
    Sql prune;
};
extern const RunTable kCollections;
extern const RunTable kRetentionRuns;
extern const RunTable kScrubs;

/// The first columns of `find` and `list`, 0 to 5; the table's own follow.
void read_run(const Rows& rows, Run& run);
/// The id of the oldest that is in this state; 0: none is.
Result<std::int64_t> first_run(Transaction& t, const RunTable& table,
                               std::string_view state);
/// Those that a daemon was at when it ended become failed.
Result<void> end_open_runs(Transaction& t, const RunTable& table,
                           std::int64_t at_ms);
/// Forgets all but the newest `n` that are over.
Result<void> prune_runs(Transaction& t, const RunTable& table, std::size_t n);

}  // namespace longshore::db
