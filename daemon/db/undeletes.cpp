#include "db/undeletes.hpp"

#include "db/rows.hpp"

namespace longshore::db {
namespace {

constexpr std::int64_t kKept = 1000;

Result<Undelete> read_undelete(const Rows& rows) {
    Undelete undelete;
    undelete.id = rows.integer(0);
    undelete.state = rows.text(1);
    undelete.wanted_at_ms = rows.integer(2);
    undelete.peer = rows.text(3);
    undelete.name = rows.text(4);
    undelete.digest = rows.text(5);
    undelete.tags = rows.text(6);
    undelete.manifests = rows.integer(7);
    undelete.blobs = rows.integer(8);
    undelete.missing = rows.text(9);
    undelete.error = rows.text(10);
    return undelete;
}

}  // namespace

Result<void> put_undelete(Transaction& t, Undelete& undelete) {
    if (undelete.id == 0) {
        LS_TRY(id,
               one_integer(t,
                           "INSERT INTO undeletes (state, wanted_at_ms, peer,"
                           " name, digest, tags, manifests, blobs, missing,"
                           " error) VALUES ('wanted', $1, $2, $3, $4, $5, 0,"
                           " 0, '', '') RETURNING id",
                           {undelete.wanted_at_ms, undelete.peer, undelete.name,
                            undelete.digest, undelete.tags}));
        undelete.id = id.value_or(0);
        LS_CHECK(
            done(t.execute("DELETE FROM undeletes"
                           " WHERE state <> 'wanted' AND id <= $1",
                           {undelete.id - kKept})));
    }
    return done(
        t.execute("UPDATE undeletes SET state = $2, manifests = $3,"
                  " blobs = $4, missing = $5, error = $6 WHERE id = $1",
                  {undelete.id, undelete.state, undelete.manifests,
                   undelete.blobs, undelete.missing, undelete.error}));
}

Result<std::optional<Undelete>> find_undelete(Transaction& t, std::int64_t id) {
    return first_row<Undelete>(
        t,
        "SELECT id, state, wanted_at_ms, peer, name, digest, tags, manifests,"
        " blobs, missing, error FROM undeletes WHERE id = $1",
        {id}, read_undelete);
}

Result<std::optional<Undelete>> wanted_undelete(Transaction& t) {
    return first_row<Undelete>(
        t,
        "SELECT id, state, wanted_at_ms, peer, name, digest, tags, manifests,"
        " blobs, missing, error FROM undeletes WHERE state = 'wanted'"
        " ORDER BY id LIMIT 1",
        {}, read_undelete);
}

}  // namespace longshore::db
