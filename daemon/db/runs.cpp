#include "db/runs.hpp"

#include "db/rows.hpp"

namespace longshore::db {

// `own`: the columns that the others have not.
#define LS_RUN_TABLE(table, name, own)                                         \
    const RunTable table = {                                                   \
        .find = "SELECT " LS_RUN_COLUMNS own " FROM " name " WHERE id = $1",   \
        .list = "SELECT " LS_RUN_COLUMNS own " FROM " name                     \
                " ORDER BY id DESC LIMIT $1",                                  \
        .first = "SELECT coalesce(min(id), 0) FROM " name " WHERE state = $1", \
        .end_open = "UPDATE " name                                             \
                    " SET state = 'failed', ended_at_ms = $1,"                 \
                    " error = 'it was cut off'"                                \
                    " WHERE state = 'running'",                                \
        .prune = "DELETE FROM " name                                           \
                 " WHERE state IN ('done', 'failed')"                          \
                 " AND id <= (SELECT max(id) FROM " name ") - $1",             \
    }
#define LS_RUN_COLUMNS \
    "id, state, wanted_at_ms, started_at_ms, ended_at_ms, error, "
LS_RUN_TABLE(kCollections, "collections", "deep, links, blobs, bytes, kept");
LS_RUN_TABLE(kRetentionRuns, "retention_runs",
             "repository, tags, manifests, spared");
LS_RUN_TABLE(kScrubs, "scrubs",
             "kind, shelf, digest_before, files, bytes, damaged,"
             " database_state");
#undef LS_RUN_COLUMNS
#undef LS_RUN_TABLE

void read_run(const Rows& rows, Run& run) {
    run.id = rows.integer(0);
    run.state = rows.text(1);
    run.wanted_at_ms = rows.integer(2);
    run.started_at_ms = rows.integer(3);
    run.ended_at_ms = rows.integer(4);
    run.error = rows.text(5);
}

Result<std::int64_t> first_run(Transaction& t, const RunTable& table,
                               std::string_view state) {
    LS_TRY(id, one_integer(t, table.first, {state}));
    return id.value_or(0);
}

Result<void> end_open_runs(Transaction& t, const RunTable& table,
                           std::int64_t at_ms) {
    return done(t.execute(table.end_open, {at_ms}));
}

Result<void> prune_runs(Transaction& t, const RunTable& table, std::size_t n) {
    return done(t.execute(table.prune, {integer(n)}));
}

}  // namespace longshore::db
