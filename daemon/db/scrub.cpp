#include "db/scrub.hpp"

#include "db/rows.hpp"
#include "db/runs.hpp"

namespace longshore::db {
namespace {

Result<Scrub> read_scrub(const Rows& rows) {
    Scrub scrub;
    read_run(rows, scrub);
    scrub.kind = rows.text(6);
    scrub.shelf = rows.integer(7);
    scrub.digest_before = rows.text(8);
    scrub.files = rows.integer(9);
    scrub.bytes = rows.integer(10);
    scrub.damaged = rows.integer(11);
    scrub.database_state = rows.text(12);
    return scrub;
}

Result<Damage> read_damage(const Rows& rows) {
    Damage damage;
    damage.digest = rows.text(0);
    damage.area = rows.text(1);
    damage.state = rows.text(2);
    damage.problem = rows.text(3);
    damage.size_bytes = rows.integer(4);
    damage.file = rows.text(5);
    damage.used_by = rows.text(6);
    damage.found_at_ms = rows.integer(7);
    damage.closed_at_ms = rows.integer(8);
    return damage;
}

}  // namespace

Result<void> add_scrub(Transaction& t, Scrub& scrub) {
    LS_TRY(id,
           one_integer(
               t,
               "INSERT INTO scrubs (state, kind, wanted_at_ms, started_at_ms,"
               " ended_at_ms, shelf, digest_before, files, bytes, damaged,"
               " database_state, error)"
               " VALUES ($1, $2, $3, $4, 0, 0, '', 0, 0, 0, '', '')"
               " RETURNING id",
               {scrub.state, scrub.kind, scrub.wanted_at_ms,
                scrub.started_at_ms}));
    scrub.id = id.value_or(0);
    return {};
}

Result<void> put_scrub(Transaction& t, const Scrub& scrub) {
    return done(t.execute(
        "UPDATE scrubs SET state = $1, started_at_ms = $2, ended_at_ms = $3,"
        " shelf = $4, digest_before = $5, files = $6, bytes = $7,"
        " damaged = $8, database_state = $9, error = $10 WHERE id = $11",
        {scrub.state, scrub.started_at_ms, scrub.ended_at_ms, scrub.shelf,
         scrub.digest_before, scrub.files, scrub.bytes, scrub.damaged,
         scrub.database_state, scrub.error, scrub.id}));
}

Result<std::optional<Scrub>> find_scrub(Transaction& t, std::int64_t id) {
    return first_row<Scrub>(t, kScrubs.find, {id}, read_scrub);
}

Result<std::vector<Scrub>> list_scrubs(Transaction& t, std::size_t n) {
    return all_rows<Scrub>(t, kScrubs.list, {integer(n)}, read_scrub);
}

Result<std::int64_t> last_scrub_ms(Transaction& t) {
    LS_TRY(at, one_integer(t,
                           "SELECT coalesce(max(ended_at_ms), 0) FROM scrubs"
                           " WHERE kind = 'files' AND state = 'done'",
                           {}));
    return at.value_or(0);
}

Result<std::optional<Scrub>> last_database_check(Transaction& t) {
    LS_TRY(id, one_integer(t,
                           "SELECT coalesce(max(id), 0) FROM scrubs"
                           " WHERE database_state <> ''",
                           {}));
    return find_scrub(t, id.value_or(0));
}

Result<void> put_damage(Transaction& t, const Damage& damage) {
    return done(t.execute(
        "INSERT INTO damages (digest, area, state, problem, size_bytes, file,"
        " used_by, found_at_ms, closed_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT (digest, area) DO UPDATE SET state = excluded.state,"
        " problem = excluded.problem, size_bytes = excluded.size_bytes,"
        " file = excluded.file, used_by = excluded.used_by,"
        " found_at_ms = excluded.found_at_ms,"
        " closed_at_ms = excluded.closed_at_ms",
        {damage.digest, damage.area, damage.state, damage.problem,
         damage.size_bytes, damage.file, damage.used_by, damage.found_at_ms,
         damage.closed_at_ms}));
}

Result<void> close_damage(Transaction& t, const Digest& digest,
                          std::string_view area, std::int64_t now_ms) {
    return done(
        t.execute("UPDATE damages SET state = 'closed', closed_at_ms = $3"
                  " WHERE digest = $1 AND area = $2 AND state <> 'closed'",
                  {digest.text(), area, now_ms}));
}

Result<bool> is_damaged(Transaction& t, const Digest& digest) {
    LS_TRY(found, one_integer(t,
                              "SELECT 1 FROM damages WHERE digest = $1"
                              "   AND area = 'blob' AND state = 'quarantined'",
                              {digest.text()}));
    return found.has_value();
}

Result<std::vector<Damage>> open_damages(Transaction& t, std::size_t n,
                                         std::string_view digest,
                                         std::string_view area) {
    return all_rows<Damage>(
        t,
        "SELECT digest, area, state, problem, size_bytes, file, used_by,"
        " found_at_ms, closed_at_ms FROM damages"
        " WHERE state <> 'closed' AND (digest, area) > ($2, $3)"
        " ORDER BY digest, area LIMIT $1",
        {integer(n), digest, area}, read_damage);
}

Result<std::int64_t> count_open_damages(Transaction& t) {
    LS_TRY(count, one_integer(t,
                              "SELECT count(*) FROM damages"
                              " WHERE state <> 'closed'",
                              {}));
    return count.value_or(0);
}

Result<std::vector<Damage>> closed_damages(Transaction& t, std::size_t n) {
    return all_rows<Damage>(
        t,
        "SELECT digest, area, state, problem, size_bytes, file, used_by,"
        " found_at_ms, closed_at_ms FROM damages WHERE state = 'closed'"
        " ORDER BY closed_at_ms DESC, digest LIMIT $1",
        {integer(n)}, read_damage);
}

Result<void> prune_damages(Transaction& t, std::int64_t before_ms) {
    return done(
        t.execute("DELETE FROM damages WHERE state = 'closed'"
                  "   AND closed_at_ms < $1",
                  {before_ms}));
}

Result<std::vector<std::string>> document_uses(Transaction& t,
                                               const Digest& digest,
                                               std::size_t n) {
    return all_texts(t,
                     "SELECT DISTINCT r.format || '/' || r.key || ' ' || d.path"
                     "  FROM documents d"
                     "  JOIN repositories r ON r.id = d.repository_id"
                     " WHERE d.digest = $1 LIMIT $2",
                     {digest.text(), integer(n)});
}

Result<bool> drop_document_scopes(Transaction& t, const Digest& digest,
                                  std::int64_t now_ms) {
    LS_TRY(stale,
           any(t.execute(
               "INSERT INTO stale_scopes (repository_id, scope, changed,"
               " rendered)"
               " SELECT DISTINCT repository_id, scope, $2, 0 FROM documents"
               "  WHERE digest = $1"
               " ON CONFLICT (repository_id, scope) DO UPDATE"
               " SET rendered = 0, changed = CASE WHEN stale_scopes.changed <"
               " excluded.changed THEN excluded.changed"
               " ELSE stale_scopes.changed + 1 END",
               {digest.text(), now_ms})));
    if (!stale) {
        return false;
    }
    LS_CHECK(done(
        t.execute("INSERT INTO document_leftovers (digest, at_ms)"
                  " SELECT DISTINCT d.digest, $2 FROM documents d"
                  "  JOIN documents o ON o.repository_id = d.repository_id"
                  "   AND o.scope = d.scope WHERE o.digest = $1"
                  " ON CONFLICT (digest) DO UPDATE SET at_ms = excluded.at_ms",
                  {digest.text(), now_ms})));
    LS_CHECK(
        done(t.execute("DELETE FROM documents WHERE EXISTS"
                       " (SELECT 1 FROM documents o WHERE o.digest = $1"
                       "   AND o.repository_id = documents.repository_id"
                       "   AND o.scope = documents.scope)",
                       {digest.text()})));
    return true;
}

Result<std::vector<std::string>> list_tables(Transaction& t) {
    return all_texts(t,
                     "SELECT name FROM pragma_table_list"
                     " WHERE schema = 'main' AND type IN ('table', 'shadow')"
                     " ORDER BY name",
                     {});
}

Result<std::vector<std::string>> check_table(Transaction& t,
                                             std::string_view name) {
    LS_TRY(
        lines,
        all_texts(t, "SELECT integrity_check FROM pragma_integrity_check($1)",
                  {name}));
    if (lines.size() == 1 && lines.front() == "ok") {
        lines.clear();
    }
    return lines;
}

}  // namespace longshore::db
