#include "db/collections.hpp"

#include "db/rows.hpp"
#include "db/runs.hpp"

namespace longshore::db {
namespace {

Result<UnusedLink> read_link(const Rows& rows) {
    UnusedLink link;
    link.name_id = rows.integer(0);
    link.blob_id = rows.integer(1);
    link.name = rows.text(2);
    link.digest = rows.text(3);
    link.size_bytes = static_cast<std::uint64_t>(rows.integer(4));
    return link;
}

Result<UnusedBlob> read_blob(const Rows& rows) {
    UnusedBlob blob;
    blob.id = rows.integer(0);
    blob.digest = rows.text(1);
    if (!rows.is_null(2)) {
        blob.size_bytes = static_cast<std::uint64_t>(rows.integer(2));
    }
    return blob;
}

Result<Collection> read_collection(const Rows& rows) {
    Collection run;
    read_run(rows, run);
    run.deep = rows.integer(6) != 0;
    run.links = rows.integer(7);
    run.blobs = rows.integer(8);
    run.bytes = rows.integer(9);
    run.kept = rows.integer(10);
    return run;
}

// Rows of (repository, reference), all of one kind, as long as there is room.
Result<void> add_uses(Transaction& t, std::vector<BlobUse>& uses, std::size_t n,
                      std::string_view kind, Sql sql, std::int64_t blob) {
    LS_TRY(rows, t.query(sql, {blob}));
    while (uses.size() < n) {
        LS_TRY(found, rows->next());
        if (!found) {
            break;
        }
        uses.push_back(
            {kind, std::string(rows->text(0)), std::string(rows->text(1))});
    }
    return {};
}

}  // namespace

Result<std::int64_t> last_blob(Transaction& t) {
    LS_TRY(id, one_integer(t, "SELECT coalesce(max(id), 0) FROM blobs", {}));
    return id.value_or(0);
}

Result<std::vector<UnusedLink>> list_unused_links(Transaction& t,
                                                  std::int64_t after,
                                                  std::int64_t through) {
    return all_rows<UnusedLink>(
        t,
        "SELECT l.name_id, l.blob_id, n.name, b.digest,"
        "       coalesce(b.size_bytes, 0)"
        "  FROM name_blobs l JOIN names n ON n.id = l.name_id"
        "  JOIN blobs b ON b.id = l.blob_id"
        " WHERE l.blob_id > $1 AND l.blob_id <= $2 AND n.indexed = 1"
        "   AND NOT EXISTS (SELECT 1 FROM manifest_references r"
        "                    WHERE r.target_id = l.blob_id"
        "                      AND r.name_id = l.name_id)",
        {after, through}, read_link);
}

Result<bool> delete_unused_link(Transaction& t, std::int64_t name_id,
                                std::int64_t blob_id) {
    return any(
        t.execute("DELETE FROM name_blobs WHERE name_id = $1 AND blob_id = $2"
                  "   AND NOT EXISTS (SELECT 1 FROM manifest_references r"
                  "                    WHERE r.target_id = $2"
                  "                      AND r.name_id = $1)",
                  {name_id, blob_id}));
}

Result<std::vector<UnusedBlob>> list_unused_blobs(Transaction& t,
                                                  std::int64_t after,
                                                  std::int64_t through) {
    return all_rows<UnusedBlob>(
        t,
        "SELECT id, digest, size_bytes FROM blobs b"
        " WHERE id > $1 AND id <= $2"
        "   AND NOT EXISTS (SELECT 1 FROM name_blobs WHERE blob_id = b.id)"
        "   AND NOT EXISTS (SELECT 1 FROM manifests WHERE blob_id = b.id)"
        "   AND NOT EXISTS (SELECT 1 FROM manifest_references"
        "                    WHERE target_id = b.id)"
        "   AND NOT EXISTS (SELECT 1 FROM manifests WHERE subject_id = b.id)"
        "   AND NOT EXISTS (SELECT 1 FROM files WHERE blob_id = b.id)",
        {after, through}, read_blob);
}

Result<bool> is_unused_blob(Transaction& t, std::int64_t id) {
    LS_TRY(unused, list_unused_blobs(t, id - 1, id));
    return !unused.empty();
}

Result<bool> delete_unused_blob(Transaction& t, std::int64_t id) {
    LS_TRY(unused, is_unused_blob(t, id));
    if (!unused) {
        return false;
    }
    LS_CHECK(
        done(t.execute("DELETE FROM blob_digests WHERE blob_id = $1", {id})));
    return any(t.execute("DELETE FROM blobs WHERE id = $1", {id}));
}

Result<std::optional<std::int64_t>> repositories_of_unreferred(
    Transaction& t, std::int64_t blob) {
    return one_integer(
        t,
        "SELECT (SELECT count(*) FROM name_blobs WHERE blob_id = b.id)"
        "  FROM blobs b WHERE id = $1"
        "   AND NOT EXISTS (SELECT 1 FROM manifests WHERE blob_id = b.id)"
        "   AND NOT EXISTS (SELECT 1 FROM manifest_references"
        "                    WHERE target_id = b.id)"
        "   AND NOT EXISTS (SELECT 1 FROM manifests WHERE subject_id = b.id)"
        "   AND NOT EXISTS (SELECT 1 FROM files WHERE blob_id = b.id)",
        {blob});
}

Result<std::vector<BlobUse>> list_uses(Transaction& t, std::int64_t blob,
                                       std::size_t n) {
    std::vector<BlobUse> uses;
    LS_CHECK(add_uses(t, uses, n, "tag",
                      "SELECT n.name, g.tag FROM tags g"
                      "  JOIN names n ON n.id = g.name_id"
                      " WHERE g.blob_id = $1",
                      blob));
    LS_CHECK(add_uses(t, uses, n, "manifest",
                      "SELECT n.name, b.digest FROM manifests m"
                      "  JOIN names n ON n.id = m.name_id"
                      "  JOIN blobs b ON b.id = m.blob_id"
                      " WHERE m.blob_id = $1",
                      blob));
    // In the order of ManifestReference::Kind.
    constexpr std::string_view kKinds[] = {"config", "layer", "child"};
    LS_TRY(rows, t.query("SELECT n.name, b.digest, r.kind"
                         "  FROM manifest_references r"
                         "  JOIN names n ON n.id = r.name_id"
                         "  JOIN blobs b ON b.id = r.manifest_id"
                         " WHERE r.target_id = $1",
                         {blob}));
    while (uses.size() < n) {
        LS_TRY(found, rows->next());
        if (!found) {
            break;
        }
        uses.push_back({kKinds[static_cast<std::size_t>(rows->integer(2))],
                        std::string(rows->text(0)),
                        std::string(rows->text(1))});
    }
    rows.reset();
    LS_CHECK(add_uses(t, uses, n, "subject",
                      "SELECT n.name, b.digest FROM manifests m"
                      "  JOIN names n ON n.id = m.name_id"
                      "  JOIN blobs b ON b.id = m.blob_id"
                      " WHERE m.subject_id = $1",
                      blob));
    LS_CHECK(add_uses(t, uses, n, "link",
                      "SELECT n.name, b.digest FROM name_blobs l"
                      "  JOIN names n ON n.id = l.name_id"
                      "  JOIN blobs b ON b.id = l.blob_id"
                      " WHERE l.blob_id = $1",
                      blob));
    LS_CHECK(add_uses(t, uses, n, "file",
                      "SELECT r.format || '/' || r.key, f.path FROM files f"
                      "  JOIN repositories r ON r.id = f.repository_id"
                      " WHERE f.blob_id = $1",
                      blob));
    return uses;
}

Result<void> put_collection(Transaction& t, Collection& run) {
    if (run.id == 0) {
        LS_TRY(id, one_integer(
                       t,
                       "INSERT INTO collections (state, deep, wanted_at_ms,"
                       " started_at_ms, ended_at_ms, links, blobs, bytes, kept,"
                       " error) VALUES ($1, $2, $3, 0, 0, 0, 0, 0, 0, '')"
                       " RETURNING id",
                       {run.state, std::int64_t{run.deep}, run.wanted_at_ms}));
        run.id = id.value_or(0);
    }
    return done(t.execute(
        "UPDATE collections SET state = $1, started_at_ms = $2,"
        " ended_at_ms = $3, links = $4, blobs = $5, bytes = $6, kept = $7,"
        " error = $8 WHERE id = $9",
        {run.state, run.started_at_ms, run.ended_at_ms, run.links, run.blobs,
         run.bytes, run.kept, run.error, run.id}));
}

Result<std::optional<Collection>> find_collection(Transaction& t,
                                                  std::int64_t id) {
    return first_row<Collection>(t, kCollections.find, {id}, read_collection);
}

Result<LastCollections> last_collections(Transaction& t) {
    LS_TRY(rows, t.query("SELECT coalesce(max(ended_at_ms), 0),"
                         "       coalesce(max(ended_at_ms * deep), 0)"
                         "  FROM collections WHERE state = 'done'",
                         {}));
    LS_TRY(found, rows->next());
    LastCollections last;
    if (found) {
        last = {rows->integer(0), rows->integer(1)};
    }
    return last;
}

Result<std::vector<Collection>> list_collections(Transaction& t,
                                                 std::size_t n) {
    return all_rows<Collection>(t, kCollections.list, {integer(n)},
                                read_collection);
}

}  // namespace longshore::db
