#include "db/package_copy.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longshore::db {
namespace {

constexpr std::int64_t kBatch = 2000;

// A column's value, while it is in neither database.
struct Cell {
    Value::Kind kind = Value::Kind::null;
    std::int64_t integer = 0;
    std::string text;

    Value value() const {
        return kind == Value::Kind::null      ? Value(nullptr)
               : kind == Value::Kind::integer ? Value(integer)
                                              : Value(text);
    }
};

// Of N columns the first K are the key that pages go by; `read` takes the key
// it goes on after and the number of rows. A kind is 'i' or 't'.
template <std::size_t K, std::size_t N>
struct Table {
    Sql read;
    Sql write;
    std::string_view kinds;
};

template <std::size_t N>
using Row = std::array<Cell, N>;

template <std::size_t N>
Row<N> read_row(const Rows& rows, std::string_view kinds) {
    Row<N> row;
    for (std::size_t i = 0; i < N; ++i) {
        int column = static_cast<int>(i);
        if (rows.is_null(column)) {
            continue;
        }
        if (kinds[i] == 'i') {
            row[i].kind = Value::Kind::integer;
            row[i].integer = rows.integer(column);
        } else {
            row[i].kind = Value::Kind::text;
            row[i].text = rows.text(column);
        }
    }
    return row;
}

template <std::size_t N, std::size_t... I>
Result<std::unique_ptr<Rows>> query(Transaction& t, Sql sql,
                                    const Row<N>& after,
                                    std::index_sequence<I...>) {
    return t.query(sql, {after[I].value()..., kBatch});
}

template <std::size_t N, std::size_t... I>
Result<std::int64_t> insert(Transaction& t, Sql sql, const Row<N>& row,
                            std::index_sequence<I...>) {
    return t.execute(sql, {row[I].value()...});
}

template <std::size_t K, std::size_t N>
Result<void> copy(Database& from, Database& to, const Table<K, N>& table) {
    // Less than every key: ids begin with 1.
    Row<N> after;
    for (std::size_t i = 0; i < K; ++i) {
        after[i].kind =
            table.kinds[i] == 'i' ? Value::Kind::integer : Value::Kind::text;
    }
    std::vector<Row<N>> batch;
    do {
        batch.clear();
        LS_CHECK(from.read([&](Transaction& t) -> Result<void> {
            LS_TRY(rows,
                   query(t, table.read, after, std::make_index_sequence<K>()));
            for (;;) {
                LS_TRY(more, rows->next());
                if (!more) {
                    return {};
                }
                batch.push_back(read_row<N>(*rows, table.kinds));
            }
        }));
        if (batch.empty()) {
            return {};
        }
        LS_CHECK(to.write([&](Transaction& t) -> Result<void> {
            for (const auto& row : batch) {
                LS_TRY(done, insert(t, table.write, row,
                                    std::make_index_sequence<N>()));
                static_cast<void>(done);
            }
            return {};
        }));
        after = batch.back();
    } while (batch.size() == static_cast<std::size_t>(kBatch));
    return {};
}

// The default OCI repository is there already.
constexpr Table<1, 7> kRepositories = {
    "SELECT id, key, format, kind, description, settings, created_at_ms"
    " FROM repositories WHERE id > $1 AND key <> '' ORDER BY id LIMIT $2",
    "INSERT INTO repositories (id, key, format, kind, description, settings,"
    " created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    "ittttti"};

constexpr Table<1, 3> kBlobs = {
    "SELECT id, digest, size_bytes FROM blobs WHERE id > $1 AND EXISTS"
    " (SELECT 1 FROM files WHERE files.blob_id = blobs.id)"
    " ORDER BY id LIMIT $2",
    "INSERT INTO blobs (id, digest, size_bytes) VALUES ($1, $2, $3)", "iti"};

constexpr Table<1, 5> kBlobDigests = {
    "SELECT blob_id, md5, sha1, sha512, blake2b_256 FROM blob_digests"
    " WHERE blob_id > $1 AND EXISTS"
    " (SELECT 1 FROM files WHERE files.blob_id = blob_digests.blob_id)"
    " ORDER BY blob_id LIMIT $2",
    "INSERT INTO blob_digests (blob_id, md5, sha1, sha512, blake2b_256)"
    " VALUES ($1, $2, $3, $4, $5)",
    "itttt"};

constexpr Table<1, 12> kPackages = {
    "SELECT id, repository_id, key, name, revision, data, summary, keywords,"
    " latest, created_at_ms, updated_at_ms, downloads FROM packages"
    " WHERE id > $1 ORDER BY id LIMIT $2",
    "INSERT INTO packages (id, repository_id, key, name, revision, data,"
    " summary, keywords, latest, created_at_ms, updated_at_ms, downloads)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    "iittittttiii"};

constexpr Table<1, 5> kSearch = {
    "SELECT id, name, summary, keywords, 'r' || repository_id FROM packages"
    " WHERE id > $1 ORDER BY id LIMIT $2",
    "INSERT INTO package_search (rowid, name, summary, keywords, place)"
    " VALUES ($1, $2, $3, $4, $5)",
    "itttt"};

constexpr Table<1, 10> kVersions = {
    "SELECT id, package_id, key, version, sort_key, state, reason, data,"
    " publisher, published_at_ms FROM versions"
    " WHERE id > $1 ORDER BY id LIMIT $2",
    "INSERT INTO versions (id, package_id, key, version, sort_key, state,"
    " reason, data, publisher, published_at_ms)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    "iittttttti"};

constexpr Table<1, 10> kFiles = {
    "SELECT id, repository_id, version_id, path, blob_id, role, media_type,"
    " data, created_at_ms, downloads FROM files"
    " WHERE id > $1 ORDER BY id LIMIT $2",
    "INSERT INTO files (id, repository_id, version_id, path, blob_id, role,"
    " media_type, data, created_at_ms, downloads)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    "iiititttii"};

constexpr Table<2, 3> kBuckets = {
    "SELECT repository_id, bucket, revision FROM file_buckets"
    " WHERE (repository_id, bucket) > ($1, $2)"
    " ORDER BY repository_id, bucket LIMIT $3",
    "INSERT INTO file_buckets (repository_id, bucket, revision)"
    " VALUES ($1, $2, $3)",
    "iii"};

constexpr Table<2, 3> kTags = {
    "SELECT package_id, tag, version_id FROM package_tags"
    " WHERE (package_id, tag) > ($1, $2) ORDER BY package_id, tag LIMIT $3",
    "INSERT INTO package_tags (package_id, tag, version_id)"
    " VALUES ($1, $2, $3)",
    "iti"};

constexpr Table<4, 5> kProperties = {
    "SELECT subject, subject_id, name, value, repository_id FROM properties"
    " WHERE (subject, subject_id, name, value) > ($1, $2, $3, $4)"
    " ORDER BY subject, subject_id, name, value LIMIT $5",
    "INSERT INTO properties (subject, subject_id, name, value, repository_id)"
    " VALUES ($1, $2, $3, $4, $5)",
    "titti"};

constexpr Table<4, 5> kTombstones = {
    "SELECT repository_id, package_key, version_key, path, removed_at_ms"
    " FROM tombstones"
    " WHERE (repository_id, package_key, version_key, path) >"
    " ($1, $2, $3, $4)"
    " ORDER BY repository_id, package_key, version_key, path LIMIT $5",
    "INSERT INTO tombstones (repository_id, package_key, version_key, path,"
    " removed_at_ms) VALUES ($1, $2, $3, $4, $5)",
    "ittti"};

constexpr Table<2, 3> kDownloads = {
    "SELECT file_id, day, count FROM file_downloads"
    " WHERE (file_id, day) > ($1, $2) ORDER BY file_id, day LIMIT $3",
    "INSERT INTO file_downloads (file_id, day, count) VALUES ($1, $2, $3)",
    "iii"};

// The bytes of documents stay where they are.
constexpr Table<4, 11> kDocuments = {
    "SELECT repository_id, path, variant, encoding, scope, digest, size_bytes,"
    " media_type, grace_ms, modified_at_ms, expires_at_ms FROM documents"
    " WHERE (repository_id, path, variant, encoding) > ($1, $2, $3, $4)"
    " ORDER BY repository_id, path, variant, encoding LIMIT $5",
    "INSERT INTO documents (repository_id, path, variant, encoding, scope,"
    " digest, size_bytes, media_type, grace_ms, modified_at_ms,"
    " expires_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    "itttttitiii"};

constexpr Table<1, 2> kLeftovers = {
    "SELECT digest, at_ms FROM document_leftovers WHERE digest > $1"
    " ORDER BY digest LIMIT $2",
    "INSERT INTO document_leftovers (digest, at_ms) VALUES ($1, $2)", "ti"};

constexpr Table<2, 4> kStale = {
    "SELECT repository_id, scope, changed, rendered FROM stale_scopes"
    " WHERE (repository_id, scope) > ($1, $2)"
    " ORDER BY repository_id, scope LIMIT $3",
    "INSERT INTO stale_scopes (repository_id, scope, changed, rendered)"
    " VALUES ($1, $2, $3, $4)",
    "itii"};

// Not of packages, but as little on disk as they are.
constexpr Table<1, 7> kRetentionPolicies = {
    "SELECT pattern, keep_last, keep_tags, keep_pulled_days,"
    " keep_younger_days, delete_untagged_days, changed_at_ms"
    " FROM retention_policies WHERE pattern > $1 ORDER BY pattern LIMIT $2",
    "INSERT INTO retention_policies (pattern, keep_last, keep_tags,"
    " keep_pulled_days, keep_younger_days, delete_untagged_days,"
    " changed_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    "titiiii"};

constexpr Table<2, 3> kImmutableTags = {
    "SELECT pattern, tags, created_at_ms FROM immutable_tags"
    " WHERE (pattern, tags) > ($1, $2) ORDER BY pattern, tags LIMIT $3",
    "INSERT INTO immutable_tags (pattern, tags, created_at_ms)"
    " VALUES ($1, $2, $3)",
    "tti"};

}  // namespace

Result<void> copy_packages(Database& from, Database& to) {
    LS_CHECK(copy(from, to, kRepositories));
    LS_CHECK(copy(from, to, kBlobs));
    LS_CHECK(copy(from, to, kBlobDigests));
    LS_CHECK(copy(from, to, kPackages));
    LS_CHECK(copy(from, to, kSearch));
    LS_CHECK(copy(from, to, kVersions));
    LS_CHECK(copy(from, to, kFiles));
    LS_CHECK(copy(from, to, kBuckets));
    LS_CHECK(copy(from, to, kTags));
    LS_CHECK(copy(from, to, kProperties));
    LS_CHECK(copy(from, to, kTombstones));
    LS_CHECK(copy(from, to, kDownloads));
    LS_CHECK(copy(from, to, kDocuments));
    LS_CHECK(copy(from, to, kLeftovers));
    LS_CHECK(copy(from, to, kRetentionPolicies));
    LS_CHECK(copy(from, to, kImmutableTags));
    return copy(from, to, kStale);
}

}  // namespace longshore::db
