#include "db/oci.hpp"

#include "db/rows.hpp"

namespace longshore::db {
namespace {

// Columns of a StoredManifest: digest, media type, size. A digest that the
// tables hold was parsed before it was stored; one that does not parse now
// means a damaged file.
Result<StoredManifest> stored_manifest(const Rows& row) {
    StoredManifest manifest;
    if (!Digest::parse(row.text(0), manifest.digest)) {
        return Error{Code::corrupt, "database holds the broken digest " +
                                        std::string(row.text(0))};
    }
    manifest.media_type = row.text(1);
    manifest.size_bytes = static_cast<std::uint64_t>(row.integer(2));
    return manifest;
}

Result<std::optional<StoredManifest>> one_manifest(
    Transaction& t, Sql sql, std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    LS_TRY(found, rows->next());
    if (!found) {
        return std::optional<StoredManifest>();
    }
    LS_TRY(manifest, stored_manifest(*rows));
    return std::optional(std::move(manifest));
}

Result<std::vector<Sized>> all_sized(Transaction& t, Sql sql,
                                     std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    std::vector<Sized> all;
    for (;;) {
        LS_TRY(found, rows->next());
        if (!found) {
            return all;
        }
        Sized row{std::string(rows->text(0)), std::nullopt};
        if (!rows->is_null(1)) {
            row.size_bytes = static_cast<std::uint64_t>(rows->integer(1));
        }
        all.push_back(std::move(row));
    }
}

Result<std::vector<std::pair<Id, Id>>> all_pairs(
    Transaction& t, Sql sql, std::initializer_list<Value> values) {
    LS_TRY(rows, t.query(sql, values));
    std::vector<std::pair<Id, Id>> all;
    for (;;) {
        LS_TRY(found, rows->next());
        if (!found) {
            return all;
        }
        all.emplace_back(rows->integer(0), rows->integer(1));
    }
}

}  // namespace

// Names.

Result<std::optional<Name>> find_name(Transaction& t, std::string_view name) {
    static constexpr Sql kFindName =
        "SELECT id, indexed FROM names WHERE name = $1";
    LS_TRY(rows, t.query(kFindName, {name}));
    LS_TRY(found, rows->next());
    if (!found) {
        return std::optional<Name>();
    }
    return std::optional(Name{rows->integer(0), rows->integer(1) != 0});
}

Result<Name> ensure_name(Transaction& t, std::string_view name) {
    // The default OCI repository has id 1, see schema 0001.
    static constexpr Sql kInsertName =
        "INSERT INTO names (repository_id, name, indexed)"
        " SELECT 1, $1, CASE WHEN EXISTS (SELECT 1 FROM meta"
        " WHERE key = 'takeover' AND value = 'complete') THEN 1 ELSE 0 END"
        " RETURNING id, indexed";
    LS_TRY(known, find_name(t, name));
    if (known) {
        return *known;
    }
    LS_TRY(rows, t.query(kInsertName, {name}));
    LS_TRY(found, rows->next());
    if (!found) {
        return Error{Code::internal, "insert of a name returned no row"};
    }
    Name made{rows->integer(0), rows->integer(1) != 0};
    LS_TRY(more, rows->next());
    (void)more;
    return made;
}

Result<void> mark_indexed(Transaction& t, Id name) {
    static constexpr Sql kMarkIndexed =
        "UPDATE names SET indexed = 1 WHERE id = $1";
    return done(t.execute(kMarkIndexed, {name}));
}

Result<std::optional<std::string>> next_unindexed(Transaction& t, Id last) {
    static constexpr Sql kNextUnindexed =
        "SELECT name FROM names WHERE indexed = 0 AND id > $1"
        " ORDER BY id LIMIT 1";
    return one_text(t, kNextUnindexed, {last});
}

Result<bool> has_content(Transaction& t, const Name& name) {
    static constexpr Sql kHasContent =
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM manifests WHERE name_id = $1)"
        " OR EXISTS (SELECT 1 FROM name_blobs WHERE name_id = $1)";
    if (!name.indexed) {
        return true;
    }
    LS_TRY(found, one_integer(t, kHasContent, {name.id}));
    return found.has_value();
}

Result<std::vector<std::string>> list_names(Transaction& t, std::size_t n,
                                            std::string_view last) {
    static constexpr Sql kListNames =
        "SELECT n.name FROM names n WHERE n.name > $1 AND (n.indexed = 0"
        " OR EXISTS (SELECT 1 FROM manifests m WHERE m.name_id = n.id)"
        " OR EXISTS (SELECT 1 FROM name_blobs l WHERE l.name_id = n.id))"
        " ORDER BY n.name LIMIT $2";
    return all_texts(t, kListNames, {last, integer(n)});
}

// Blobs.

Result<std::optional<Blob>> find_blob(Transaction& t, const Digest& digest) {
    static constexpr Sql kFindBlob =
        "SELECT id, size_bytes FROM blobs WHERE digest = $1";
    LS_TRY(rows, t.query(kFindBlob, {digest.text()}));
    LS_TRY(found, rows->next());
    if (!found) {
        return std::optional<Blob>();
    }
    Blob blob{rows->integer(0), std::nullopt};
    if (!rows->is_null(1)) {
        blob.size_bytes = static_cast<std::uint64_t>(rows->integer(1));
    }
    return std::optional(blob);
}

Result<Id> ensure_blob(Transaction& t, const Digest& digest,
                       std::optional<std::uint64_t> size_bytes) {
    static constexpr Sql kSetSize =
        "UPDATE blobs SET size_bytes = $2 WHERE id = $1";
    static constexpr Sql kInsertBlob =
        "INSERT INTO blobs (digest, size_bytes) VALUES ($1, $2) RETURNING id";
    LS_TRY(known, find_blob(t, digest));
    auto size = size_bytes ? Value(static_cast<std::int64_t>(*size_bytes))
                           : Value(nullptr);
    if (known) {
        if (size_bytes && known->size_bytes != size_bytes) {
            LS_CHECK(done(t.execute(kSetSize, {known->id, size})));
        }
        return known->id;
    }
    LS_TRY(id, one_integer(t, kInsertBlob, {digest.text(), size}));
    if (!id) {
        return Error{Code::internal, "insert of a blob returned no row"};
    }
    return *id;
}

Result<std::optional<std::uint64_t>> find_linked(Transaction& t,
                                                 std::string_view name,
                                                 const Digest& digest) {
    static constexpr Sql kFindLinked =
        "SELECT b.size_bytes FROM names n, blobs b, name_blobs l"
        " WHERE n.name = $1 AND b.digest = $2"
        " AND l.name_id = n.id AND l.blob_id = b.id";
    LS_TRY(size, one_integer(t, kFindLinked, {name, digest.text()}));
    if (!size) {
        return std::optional<std::uint64_t>();
    }
    return std::optional(static_cast<std::uint64_t>(*size));
}

Result<bool> is_linked(Transaction& t, Id name, Id blob) {
    static constexpr Sql kIsLinked =
        "SELECT 1 FROM name_blobs WHERE name_id = $1 AND blob_id = $2";
    LS_TRY(found, one_integer(t, kIsLinked, {name, blob}));
    return found.has_value();
}

Result<bool> link_blob(Transaction& t, Id name, Id blob) {
    static constexpr Sql kLinkBlob =
        "INSERT INTO name_blobs (name_id, blob_id) VALUES ($1, $2)"
        " ON CONFLICT DO NOTHING";
    return any(t.execute(kLinkBlob, {name, blob}));
}

Result<bool> unlink_blob(Transaction& t, Id name, Id blob) {
    static constexpr Sql kUnlinkBlob =
        "DELETE FROM name_blobs WHERE name_id = $1 AND blob_id = $2";
    return any(t.execute(kUnlinkBlob, {name, blob}));
}

Result<std::vector<std::string>> names_with_blob(Transaction& t,
                                                 const Digest& digest,
                                                 std::size_t n,
                                                 std::string_view last) {
    static constexpr Sql kNamesWithBlob =
        "SELECT n.name FROM blobs b JOIN name_blobs l ON l.blob_id = b.id"
        " JOIN names n ON n.id = l.name_id WHERE b.digest = $1"
        " AND n.name > $2 ORDER BY n.name LIMIT $3";
    return all_texts(t, kNamesWithBlob, {digest.text(), last, integer(n)});
}

Result<std::vector<Sized>> list_links(Transaction& t, Id name, std::size_t n,
                                      std::string_view last) {
    static constexpr Sql kListLinks =
        "SELECT b.digest, b.size_bytes FROM name_blobs l JOIN blobs b ON b.id "
        "= l.blob_id"
        " WHERE l.name_id = $1 AND b.digest > $2 ORDER BY b.digest LIMIT $3";
    return all_sized(t, kListLinks, {name, last, integer(n)});
}

// Manifests.

Result<std::optional<StoredManifest>> find_manifest(Transaction& t,
                                                    std::string_view name,
                                                    std::string_view digest) {
    static constexpr Sql kFindManifest =
        "SELECT b.digest, m.media_type, b.size_bytes"
        " FROM names n, blobs b, manifests m"
        " WHERE n.name = $1 AND b.digest = $2"
        " AND m.name_id = n.id AND m.blob_id = b.id";
    return one_manifest(t, kFindManifest, {name, digest});
}

Result<std::optional<StoredManifest>> find_tagged(Transaction& t,
                                                  std::string_view name,
                                                  std::string_view tag) {
    static constexpr Sql kFindTagged =
        "SELECT b.digest, m.media_type, b.size_bytes FROM names n"
        " JOIN tags t ON t.name_id = n.id"
        " JOIN manifests m ON m.name_id = t.name_id AND m.blob_id = t.blob_id"
        " JOIN blobs b ON b.id = m.blob_id"
        " WHERE n.name = $1 AND t.tag = $2";
    return one_manifest(t, kFindTagged, {name, tag});
}

Result<bool> has_manifest(Transaction& t, Id name, Id blob) {
    static constexpr Sql kHasManifest =
        "SELECT 1 FROM manifests WHERE name_id = $1 AND blob_id = $2";
    LS_TRY(found, one_integer(t, kHasManifest, {name, blob}));
    return found.has_value();
}

Result<void> put_manifest(Transaction& t, Id name, Id blob,
                          const ManifestRow& row) {
    static constexpr Sql kPutManifest =
        "INSERT INTO manifests (name_id, blob_id, media_type, artifact_type,"
        " annotations, subject_id, pushed_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (name_id, blob_id) DO UPDATE SET"
        " media_type = excluded.media_type,"
        " artifact_type = excluded.artifact_type,"
        " annotations = excluded.annotations,"
        " subject_id = excluded.subject_id";
    return done(
        t.execute(kPutManifest,
                  {name, blob, row.media_type, row.artifact_type,
                   row.annotations, nullable(row.subject), row.pushed_at_ms}));
}

Result<bool> add_manifest(Transaction& t, Id name, Id blob,
                          const ManifestRow& row) {
    static constexpr Sql kAddManifest =
        "INSERT INTO manifests (name_id, blob_id, media_type, artifact_type,"
        " annotations, subject_id, pushed_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    return any(
        t.execute(kAddManifest,
                  {name, blob, row.media_type, row.artifact_type,
                   row.annotations, nullable(row.subject), row.pushed_at_ms}));
}

Result<void> put_reference(Transaction& t, Id name, Id manifest, Id target,
                           ManifestReference::Kind kind) {
    static constexpr Sql kPutReference =
        "INSERT INTO manifest_references"
        " (name_id, manifest_id, target_id, kind) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING";
    return done(t.execute(kPutReference, {name, manifest, target,
                                          static_cast<std::int64_t>(kind)}));
}

Result<bool> delete_manifest(Transaction& t, Id name, Id blob) {
    static constexpr Sql kDeleteManifest =
        "DELETE FROM manifests WHERE name_id = $1 AND blob_id = $2";
    return any(t.execute(kDeleteManifest, {name, blob}));
}

Result<std::vector<Sized>> list_manifests(Transaction& t, Id name,
                                          std::size_t n,
                                          std::string_view last) {
    static constexpr Sql kListManifests =
        "SELECT b.digest, b.size_bytes FROM manifests m JOIN blobs b ON b.id = "
        "m.blob_id"
        " WHERE m.name_id = $1 AND b.digest > $2 ORDER BY b.digest LIMIT $3";
    return all_sized(t, kListManifests, {name, last, integer(n)});
}

// Tags.

Result<std::optional<std::string>> tag_digest(Transaction& t, Id name,
                                              std::string_view tag) {
    static constexpr Sql kTagDigest =
        "SELECT b.digest FROM tags t JOIN blobs b ON b.id = t.blob_id"
        " WHERE t.name_id = $1 AND t.tag = $2";
    return one_text(t, kTagDigest, {name, tag});
}

Result<void> put_tag(Transaction& t, Id name, std::string_view tag, Id blob,
                     std::int64_t at_ms) {
    static constexpr Sql kPutTag =
        "INSERT INTO tags (name_id, tag, blob_id, moved_at_ms)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (name_id, tag) DO UPDATE SET"
        " blob_id = excluded.blob_id, moved_at_ms = excluded.moved_at_ms";
    return done(t.execute(kPutTag, {name, tag, blob, at_ms}));
}

Result<void> add_tag(Transaction& t, Id name, std::string_view tag, Id blob,
                     std::int64_t at_ms) {
    static constexpr Sql kAddTag =
        "INSERT INTO tags (name_id, tag, blob_id, moved_at_ms)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    return done(t.execute(kAddTag, {name, tag, blob, at_ms}));
}

Result<bool> delete_tag(Transaction& t, Id name, std::string_view tag) {
    static constexpr Sql kDeleteTag =
        "DELETE FROM tags WHERE name_id = $1 AND tag = $2";
    return any(t.execute(kDeleteTag, {name, tag}));
}

Result<std::vector<std::string>> tags_of(Transaction& t, Id name, Id blob) {
    static constexpr Sql kTagsOf =
        "SELECT tag FROM tags WHERE name_id = $1 AND blob_id = $2 ORDER BY tag";
    return all_texts(t, kTagsOf, {name, blob});
}

Result<std::vector<Tagged>> list_tags(Transaction& t, Id name, std::size_t n,
                                      std::string_view last) {
    static constexpr Sql kListTags =
        "SELECT t.tag, b.digest FROM tags t JOIN blobs b ON b.id = t.blob_id"
        " WHERE t.name_id = $1 AND t.tag > $2 ORDER BY t.tag LIMIT $3";
    LS_TRY(rows, t.query(kListTags, {name, last, integer(n)}));
    std::vector<Tagged> tags;
    for (;;) {
        LS_TRY(found, rows->next());
        if (!found) {
            return tags;
        }
        tags.push_back(
            {std::string(rows->text(0)), std::string(rows->text(1))});
    }
}

Result<std::vector<NamedTag>> list_charts(Transaction& t, std::size_t n,
                                          std::string_view name,
                                          std::string_view tag) {
    return all_rows<NamedTag>(
        t,
        "SELECT n.name, g.tag, b.digest FROM manifests m"
        " JOIN tags g ON g.name_id = m.name_id AND g.blob_id = m.blob_id"
        " JOIN names n ON n.id = m.name_id JOIN blobs b ON b.id = m.blob_id"
        " WHERE m.artifact_type = 'application/vnd.cncf.helm.config.v1+json'"
        " AND (n.name, g.tag) > ($2, $3) ORDER BY n.name, g.tag LIMIT $1",
        {integer(n), name, tag}, [](const Rows& row) -> Result<NamedTag> {
            return NamedTag{std::string(row.text(0)), std::string(row.text(1)),
                            std::string(row.text(2))};
        });
}

Result<std::vector<Referrer>> list_referrers(
    Transaction& t, std::string_view name, const Digest& subject,
    std::string_view artifact_type, std::size_t n, std::string_view last) {
    // "+ 0": else SQLite, which has no statistics, would go through all
    // manifests of the name. Sorted without the annotations, which may have
    // megabytes.
    static constexpr Sql kReferrerKeys =
        "SELECT m.name_id, m.blob_id FROM names n, blobs s, manifests m,"
        " blobs b WHERE n.name = $1 AND s.digest = $2"
        " AND m.name_id + 0 = n.id AND m.subject_id = s.id AND b.id = m.blob_id"
        " AND ($3 = '' OR m.artifact_type = $3) AND b.digest > $4"
        " ORDER BY b.digest LIMIT $5";
    static constexpr Sql kReferrer =
        "SELECT b.digest, m.media_type, b.size_bytes, m.artifact_type,"
        " m.annotations FROM manifests m JOIN blobs b ON b.id = m.blob_id"
        " WHERE m.name_id = $1 AND m.blob_id = $2";
    LS_TRY(keys,
           all_pairs(t, kReferrerKeys,
                     {name, subject.text(), artifact_type, last, integer(n)}));
    std::vector<Referrer> referrers;
    std::size_t bytes = 0;
    for (auto [name_id, blob_id] : keys) {
        bool last_one = bytes > kMaxReferrerBytes;
        LS_TRY(rows, t.query(kReferrer, {name_id, blob_id}));
        LS_TRY(found, rows->next());
        if (!found) {
            return Error{Code::internal, "a referrer left its snapshot"};
        }
        LS_TRY(manifest, stored_manifest(*rows));
        referrers.push_back({std::move(manifest), std::string(rows->text(3)),
                             std::string(rows->text(4))});
        bytes += referrers.back().annotations.size();
        if (last_one) {
            break;
        }
    }
    return referrers;
}

}  // namespace longshore::db
