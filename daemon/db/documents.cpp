#include "db/documents.hpp"

#include "db/rows.hpp"

namespace longshore::db {
namespace {

Result<DocumentRow> read_document(const Rows& row) {
    DocumentRow out;
    auto& document = out.document;
    document.path = row.text(0);
    out.variant = row.text(1);
    document.encoding = row.text(2);
    out.scope = row.text(3);
    if (!Digest::parse(row.text(4), document.digest)) {
        return Error{Code::corrupt, "the database holds a bad digest"};
    }
    document.size_bytes = static_cast<std::uint64_t>(row.integer(5));
    document.media_type = row.text(6);
    out.grace_ms = row.integer(7);
    document.modified_at_ms = row.integer(8);
    return out;
}

Result<StaleScope> read_stale(const Rows& row) {
    return StaleScope{row.integer(0), std::string(row.text(1)), row.integer(2),
                      row.integer(3)};
}

Result<bool> is_document(Transaction& t, std::string_view digest) {
    LS_TRY(used,
           one_integer(t, "SELECT 1 FROM documents WHERE digest = $1 LIMIT 1",
                       {digest}));
    return used.has_value();
}

}  // namespace

Result<void> leave_over(Transaction& t, std::string_view digest,
                        std::int64_t now_ms) {
    return done(
        t.execute("INSERT INTO document_leftovers (digest, at_ms)"
                  " VALUES ($1, $2) ON CONFLICT (digest) DO UPDATE"
                  " SET at_ms = excluded.at_ms",
                  {digest, now_ms}));
}

Result<std::vector<DocumentRow>> find_documents(Transaction& t,
                                                std::int64_t repository,
                                                std::string_view path,
                                                std::string_view variant) {
    return all_rows(t,
                    "SELECT path, variant, encoding, scope, digest, size_bytes,"
                    " media_type, grace_ms, modified_at_ms FROM documents"
                    " WHERE repository_id = $1 AND path = $2 AND variant = $3"
                    " ORDER BY encoding",
                    {repository, path, variant}, read_document);
}

Result<std::vector<DocumentRow>> documents_of(Transaction& t,
                                              std::int64_t repository,
                                              std::string_view scope,
                                              std::string_view variant) {
    return all_rows(t,
                    "SELECT path, variant, encoding, scope, digest, size_bytes,"
                    " media_type, grace_ms, modified_at_ms FROM documents"
                    " WHERE repository_id = $1 AND scope = $2 AND variant = $3"
                    " AND expires_at_ms = 0",
                    {repository, scope, variant}, read_document);
}

Result<std::vector<std::string>> list_documents(Transaction& t,
                                                std::int64_t repository,
                                                std::string_view prefix,
                                                std::size_t n,
                                                std::string_view last) {
    auto end = std::string(prefix) + '\xff';
    return all_texts(t,
                     "SELECT DISTINCT path FROM documents WHERE"
                     " repository_id = $1 AND path > $2 AND path >= $3 AND"
                     " path < $4 AND expires_at_ms = 0 ORDER BY path LIMIT $5",
                     {repository, last, prefix, end, integer(n)});
}

Result<void> put_document(Transaction& t, std::int64_t repository,
                          const DocumentRow& row, std::int64_t now_ms) {
    const auto& document = row.document;
    LS_TRY(old, one_text(t,
                         "SELECT digest FROM documents WHERE repository_id ="
                         " $1 AND path = $2 AND variant = $3 AND encoding = $4",
                         {repository, document.path, row.variant,
                          document.encoding}));
    if (old && *old != document.digest.text()) {
        LS_CHECK(leave_over(t, *old, now_ms));
    }
    auto size = static_cast<std::int64_t>(document.size_bytes);
    return done(t.execute(
        "INSERT INTO documents (repository_id, path, variant, encoding, scope,"
        " digest, size_bytes, media_type, grace_ms, modified_at_ms,"
        " expires_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)"
        " ON CONFLICT (repository_id, path, variant, encoding) DO UPDATE SET"
        " scope = excluded.scope, digest = excluded.digest,"
        " size_bytes = excluded.size_bytes, media_type = excluded.media_type,"
        " grace_ms = excluded.grace_ms,"
        " modified_at_ms = excluded.modified_at_ms, expires_at_ms = 0",
        {repository, document.path, row.variant, document.encoding, row.scope,
         document.digest.text(), size, document.media_type, row.grace_ms,
         document.modified_at_ms}));
}

Result<void> end_document(Transaction& t, std::int64_t repository,
                          const DocumentRow& row, std::int64_t now_ms) {
    const auto& document = row.document;
    if (row.grace_ms > 0) {
        return done(t.execute(
            "UPDATE documents SET expires_at_ms = $5 WHERE repository_id = $1"
            " AND path = $2 AND variant = $3 AND encoding = $4",
            {repository, document.path, row.variant, document.encoding,
             now_ms + row.grace_ms}));
    }
    LS_CHECK(leave_over(t, document.digest.text(), now_ms));
    return done(
        t.execute("DELETE FROM documents WHERE repository_id = $1 AND"
                  " path = $2 AND variant = $3 AND encoding = $4",
                  {repository, document.path, row.variant, document.encoding}));
}

Result<std::vector<std::string>> variants_of(Transaction& t,
                                             std::int64_t repository,
                                             std::string_view scope) {
    return all_texts(t,
                     "SELECT variant FROM documents WHERE repository_id = $1"
                     " AND scope = $2 AND expires_at_ms = 0 GROUP BY variant"
                     " ORDER BY max(modified_at_ms) DESC",
                     {repository, scope});
}

Result<void> mark_stale(Transaction& t, std::int64_t repository,
                        std::string_view scope, std::int64_t now_ms) {
    return done(t.execute(
        "INSERT INTO stale_scopes (repository_id, scope, changed, rendered)"
        " VALUES ($1, $2, $3, 0) ON CONFLICT (repository_id, scope)"
        " DO UPDATE SET changed = CASE WHEN stale_scopes.changed <"
        " excluded.changed THEN excluded.changed"
        " ELSE stale_scopes.changed + 1 END",
        {repository, scope, now_ms}));
}

Result<std::optional<StaleScope>> find_stale(Transaction& t,
                                             std::int64_t repository,
                                             std::string_view scope) {
    return first_row(t,
                     "SELECT repository_id, scope, changed, rendered FROM"
                     " stale_scopes WHERE repository_id = $1 AND scope = $2",
                     {repository, scope}, read_stale);
}

Result<void> mark_rendered(Transaction& t, std::int64_t repository,
                           std::string_view scope, std::int64_t changed) {
    return done(
        t.execute("UPDATE stale_scopes SET rendered = $3 WHERE"
                  " repository_id = $1 AND scope = $2 AND"
                  " rendered < $3",
                  {repository, scope, changed}));
}

Result<std::vector<StaleScope>> list_stale(Transaction& t, std::size_t n,
                                           std::int64_t repository,
                                           std::string_view scope) {
    return all_rows(t,
                    "SELECT repository_id, scope, changed, rendered FROM"
                    " stale_scopes WHERE (repository_id, scope) > ($2, $3)"
                    " ORDER BY repository_id, scope LIMIT $1",
                    {integer(n), repository, scope}, read_stale);
}

Result<void> forget_stale(Transaction& t, const StaleScope& scope) {
    return done(
        t.execute("DELETE FROM stale_scopes WHERE repository_id = $1"
                  " AND scope = $2 AND changed = $3 AND rendered = $3",
                  {scope.repository, scope.scope, scope.rendered}));
}

Result<std::int64_t> delete_expired(Transaction& t, std::int64_t now_ms,
                                    std::size_t n) {
    LS_CHECK(done(t.execute(
        "INSERT INTO document_leftovers (digest, at_ms)"
        " SELECT digest, $1 FROM documents WHERE expires_at_ms > 0 AND"
        " expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2"
        " ON CONFLICT (digest) DO NOTHING",
        {now_ms, integer(n)})));
    return t.execute(
        "DELETE FROM documents WHERE (repository_id, path, variant, encoding)"
        " IN (SELECT repository_id, path, variant, encoding FROM documents"
        " WHERE expires_at_ms > 0 AND expires_at_ms <= $1"
        " ORDER BY expires_at_ms LIMIT $2)",
        {now_ms, integer(n)});
}

Result<void> drop_undurable(Transaction& t, std::int64_t now_ms) {
    // The same bytes are one file, whoever wrote it last.
    LS_CHECK(done(t.execute(
        "INSERT INTO stale_scopes (repository_id, scope, changed, rendered)"
        " SELECT DISTINCT o.repository_id, o.scope, $1, 0 FROM documents o"
        "  WHERE o.digest IN (SELECT d.digest FROM documents d"
        "    JOIN stale_scopes s ON s.repository_id = d.repository_id"
        "     AND s.scope = d.scope)"
        " ON CONFLICT (repository_id, scope) DO NOTHING",
        {now_ms})));
    LS_CHECK(done(
        t.execute("INSERT INTO document_leftovers (digest, at_ms)"
                  " SELECT DISTINCT d.digest, $1 FROM documents d"
                  "  JOIN stale_scopes s ON s.repository_id = d.repository_id"
                  "   AND s.scope = d.scope WHERE true"
                  " ON CONFLICT (digest) DO NOTHING",
                  {now_ms})));
    LS_CHECK(done(t.execute(
        "DELETE FROM documents WHERE EXISTS (SELECT 1 FROM stale_scopes s"
        "  WHERE s.repository_id = documents.repository_id"
        "    AND s.scope = documents.scope)",
        {})));
    return done(t.execute("UPDATE stale_scopes SET rendered = 0", {}));
}

Result<std::vector<std::string>> unused_leftovers(Transaction& t,
                                                  std::int64_t before_ms,
                                                  std::size_t n) {
    LS_TRY(digests,
           all_texts(t,
                     "SELECT digest FROM document_leftovers WHERE at_ms < $1"
                     " ORDER BY at_ms LIMIT $2",
                     {before_ms, integer(n)}));
    std::vector<std::string> unused;
    for (auto& digest : digests) {
        LS_TRY(used, is_document(t, digest));
        if (used) {
            LS_CHECK(forget_leftover(t, digest));
        } else {
            unused.push_back(std::move(digest));
        }
    }
    return unused;
}

Result<void> forget_leftover(Transaction& t, std::string_view digest) {
    return done(t.execute("DELETE FROM document_leftovers WHERE digest = $1",
                          {digest}));
}

Result<bool> is_known_document(Transaction& t, std::string_view digest) {
    LS_TRY(used, is_document(t, digest));
    if (used) {
        return true;
    }
    LS_TRY(left,
           one_integer(t, "SELECT 1 FROM document_leftovers WHERE digest = $1",
                       {digest}));
    return left.has_value();
}

}  // namespace longshore::db
