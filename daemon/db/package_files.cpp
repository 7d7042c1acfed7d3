// The part of packages.hpp that is about files, search and downloads.
#include "db/package_rows.hpp"

namespace longshore::db {
namespace {

Result<Digests> read_digests(const Rows& row) {
    return Digests{text_at(row, 0), text_at(row, 1), text_at(row, 2),
                   text_at(row, 3)};
}

Result<Owner> read_owner(const Rows& row) {
    return Owner{row.integer(0), text_at(row, 1), row.integer(2),
                 text_at(row, 3)};
}

Result<IndexRow> read_index_row(const Rows& row) {
    IndexRow out;
    LS_TRY(file, read_file(row));
    out.file = std::move(file);
    out.version = version_at(row, 14);
    out.package_id = row.integer(23);
    out.package_name = row.text(24);
    out.package_key = row.text(25);
    return out;
}

Result<FileBucket> read_bucket(const Rows& row) {
    return FileBucket{row.integer(0), row.integer(1)};
}

// A file was added, changed or is about to be removed.
Result<void> touch_bucket(Transaction& t, Id file) {
    return done(
        t.execute("INSERT INTO file_buckets (repository_id, bucket, revision)"
                  " SELECT repository_id, id / $2, 1 FROM files WHERE id = $1"
                  " ON CONFLICT (repository_id, bucket)"
                  " DO UPDATE SET revision = file_buckets.revision + 1",
                  {file, kBucketFiles}));
}

Result<Found> read_found(const Rows& row) {
    Found found;
    LS_TRY(package, read_package(row));
    found.package = std::move(package);
    found.repository = row.integer(11);
    return found;
}

}  // namespace

Result<std::vector<StoredFile>> files_of_package(Transaction& t, Id package) {
    return all_rows(
        t,
        "SELECT f.id, f.version_id, f.path, b.digest, b.size_bytes, f.role,"
        " f.media_type, f.data, f.created_at_ms, f.downloads,"
        " COALESCE(d.md5, ''), COALESCE(d.sha1, ''), COALESCE(d.sha512, ''),"
        " COALESCE(d.blake2b_256, '')"
        " FROM versions v JOIN files f ON f.version_id = v.id"
        " JOIN blobs b ON b.id = f.blob_id"
        " LEFT JOIN blob_digests d ON d.blob_id = f.blob_id"
        " WHERE v.package_id = $1 ORDER BY f.version_id, f.path",
        {package}, read_file);
}

Result<std::vector<StoredFile>> files_of_version(Transaction& t, Id version) {
    return all_rows(
        t,
        "SELECT f.id, f.version_id, f.path, b.digest, b.size_bytes, f.role,"
        " f.media_type, f.data, f.created_at_ms, f.downloads,"
        " COALESCE(d.md5, ''), COALESCE(d.sha1, ''), COALESCE(d.sha512, ''),"
        " COALESCE(d.blake2b_256, '')"
        " FROM files f JOIN blobs b ON b.id = f.blob_id"
        " LEFT JOIN blob_digests d ON d.blob_id = f.blob_id"
        " WHERE f.version_id = $1 ORDER BY f.path",
        {version}, read_file);
}

Result<std::optional<StoredFile>> find_file(Transaction& t, Id repository,
                                            std::string_view path) {
    return first_row(
        t,
        "SELECT f.id, f.version_id, f.path, b.digest, b.size_bytes, f.role,"
        " f.media_type, f.data, f.created_at_ms, f.downloads,"
        " COALESCE(d.md5, ''), COALESCE(d.sha1, ''), COALESCE(d.sha512, ''),"
        " COALESCE(d.blake2b_256, '')"
        " FROM files f JOIN blobs b ON b.id = f.blob_id"
        " LEFT JOIN blob_digests d ON d.blob_id = f.blob_id"
        " WHERE f.repository_id = $1 AND f.path = $2",
        {repository, path}, read_file);
}

Result<std::optional<StoredFile>> find_file_with(Transaction& t, Id repository,
                                                 const Digest& digest) {
    return first_row(
        t,
        "SELECT f.id, f.version_id, f.path, b.digest, b.size_bytes, f.role,"
        " f.media_type, f.data, f.created_at_ms, f.downloads,"
        " COALESCE(d.md5, ''), COALESCE(d.sha1, ''), COALESCE(d.sha512, ''),"
        " COALESCE(d.blake2b_256, '')"
        " FROM blobs b JOIN files f ON f.blob_id = b.id"
        " LEFT JOIN blob_digests d ON d.blob_id = f.blob_id"
        " WHERE b.digest = $2 AND f.repository_id = $1 LIMIT 1",
        {repository, digest.text()}, read_file);
}

Result<Owner> owner_of(Transaction& t, Id version) {
    LS_TRY(owner,
           first_row(t,
                     "SELECT p.id, p.key, v.id, v.key FROM versions v"
                     " JOIN packages p ON p.id = v.package_id WHERE v.id = $1",
                     {version}, read_owner));
    return owner.value_or(Owner{});
}

Result<std::vector<StoredFile>> list_files(Transaction& t, Id repository,
                                           std::string_view prefix,
                                           std::size_t n,
                                           std::string_view last) {
    auto end = above(prefix);
    return all_rows(
        t,
        "SELECT f.id, f.version_id, f.path, b.digest, b.size_bytes, f.role,"
        " f.media_type, f.data, f.created_at_ms, f.downloads,"
        " COALESCE(d.md5, ''), COALESCE(d.sha1, ''), COALESCE(d.sha512, ''),"
        " COALESCE(d.blake2b_256, '')"
        " FROM files f JOIN blobs b ON b.id = f.blob_id"
        " LEFT JOIN blob_digests d ON d.blob_id = f.blob_id"
        " WHERE f.repository_id = $1 AND f.path > $2 AND f.path >= $3"
        " AND f.path < $4 ORDER BY f.path LIMIT $5",
        {repository, last, prefix, end, integer(n)}, read_file);
}

Result<Id> add_file(Transaction& t, Id repository, Id version,
                    const StoredFile& file, Id blob) {
    LS_CHECK(put_digests(t, blob, file.digests));
    auto owner = version == 0 ? Value(nullptr) : Value(version);
    LS_TRY(id,
           one_integer(t,
                       "INSERT INTO files (repository_id, version_id, path,"
                       " blob_id, role, media_type, data, created_at_ms,"
                       " downloads) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)"
                       " RETURNING id",
                       {repository, owner, file.path, blob, file.role,
                        file.media_type, file.data, file.created_at_ms}));
    LS_CHECK(touch_bucket(t, id.value_or(0)));
    return id.value_or(0);
}

Result<void> change_file(Transaction& t, const StoredFile& file) {
    LS_CHECK(touch_bucket(t, file.id));
    return done(t.execute("UPDATE files SET data = $2 WHERE id = $1",
                          {file.id, file.data}));
}

Result<void> delete_file(Transaction& t, Id file) {
    LS_CHECK(touch_bucket(t, file));
    LS_CHECK(put_properties(t, 0, Subject::file, file, {}));
    LS_CHECK(done(
        t.execute("DELETE FROM file_downloads WHERE file_id = $1", {file})));
    return done(t.execute("DELETE FROM files WHERE id = $1", {file}));
}

Result<void> put_digests(Transaction& t, Id blob, const Digests& digests) {
    return done(t.execute(
        "INSERT INTO blob_digests (blob_id, md5, sha1, sha512, blake2b_256)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (blob_id) DO UPDATE SET"
        " md5 = CASE blob_digests.md5 WHEN '' THEN excluded.md5"
        "  ELSE blob_digests.md5 END,"
        " sha1 = CASE blob_digests.sha1 WHEN '' THEN excluded.sha1"
        "  ELSE blob_digests.sha1 END,"
        " sha512 = CASE blob_digests.sha512 WHEN '' THEN excluded.sha512"
        "  ELSE blob_digests.sha512 END,"
        " blake2b_256 = CASE blob_digests.blake2b_256 WHEN ''"
        "  THEN excluded.blake2b_256 ELSE blob_digests.blake2b_256 END",
        {blob, digests.md5, digests.sha1, digests.sha512,
         digests.blake2b_256}));
}

Result<std::optional<Digests>> digests_of(Transaction& t, Id blob) {
    return first_row(t,
                     "SELECT md5, sha1, sha512, blake2b_256 FROM blob_digests"
                     " WHERE blob_id = $1",
                     {blob}, read_digests);
}

Result<std::vector<IndexRow>> index_rows(Transaction& t, Id repository,
                                         std::size_t n, Id after, Id last) {
    return all_rows(
        t,
        "SELECT f.id, f.version_id, f.path, b.digest, b.size_bytes, f.role,"
        " f.media_type, f.data, f.created_at_ms, f.downloads,"
        " COALESCE(d.md5, ''), COALESCE(d.sha1, ''), COALESCE(d.sha512, ''),"
        " COALESCE(d.blake2b_256, ''),"
        " v.id, v.key, v.version, v.sort_key, v.state, v.reason, v.data,"
        " v.publisher, v.published_at_ms, p.id, p.name, p.key"
        " FROM files f JOIN blobs b ON b.id = f.blob_id"
        " LEFT JOIN blob_digests d ON d.blob_id = f.blob_id"
        " JOIN versions v ON v.id = f.version_id"
        " JOIN packages p ON p.id = v.package_id"
        " WHERE f.repository_id = $1 AND f.id > $2 AND f.id <= $4"
        " ORDER BY f.id LIMIT $3",
        {repository, after, integer(n), last}, read_index_row);
}

Result<std::vector<FileBucket>> file_buckets(Transaction& t, Id repository) {
    return all_rows(t,
                    "SELECT bucket, revision FROM file_buckets"
                    " WHERE repository_id = $1 ORDER BY bucket",
                    {repository}, read_bucket);
}

Result<std::vector<Found>> search_packages(Transaction& t,
                                           std::string_view match,
                                           std::size_t n, std::size_t skip) {
    // A word that very many packages have must not sort them all: what was
    // made last of the matches stands for them.
    return all_rows(
        t,
        "SELECT p.id, p.key, p.name, p.revision, p.data, p.summary,"
        " p.keywords, p.created_at_ms, p.updated_at_ms, p.downloads,"
        " p.latest, p.repository_id FROM"
        " (SELECT rowid AS id FROM package_search WHERE package_search MATCH $1"
        "  ORDER BY rowid DESC LIMIT 2000) found"
        " JOIN packages p ON p.id = found.id"
        " ORDER BY p.downloads DESC, length(p.key), p.key, p.repository_id"
        " LIMIT $2 OFFSET $3",
        {match, integer(n), integer(skip)}, read_found);
}

Result<std::size_t> count_found(Transaction& t, std::string_view match,
                                std::size_t most) {
    LS_TRY(count,
           one_integer(t,
                       "SELECT count(*) FROM (SELECT 1 FROM package_search"
                       " WHERE package_search MATCH $1 LIMIT $2)",
                       {match, integer(most)}));
    return static_cast<std::size_t>(count.value_or(0));
}

Result<void> count_download(Transaction& t, Id repository,
                            std::string_view path, std::uint64_t count,
                            std::int64_t day) {
    auto number = static_cast<std::int64_t>(count);
    LS_TRY(file, one_integer(t,
                             "UPDATE files SET downloads = downloads + $3"
                             " WHERE repository_id = $1 AND path = $2"
                             " RETURNING id",
                             {repository, path, number}));
    if (!file) {
        return {};
    }
    LS_CHECK(done(
        t.execute("UPDATE packages SET downloads = downloads + $2 WHERE id ="
                  " (SELECT v.package_id FROM files f JOIN versions v"
                  "  ON v.id = f.version_id WHERE f.id = $1)",
                  {*file, number})));
    return done(
        t.execute("INSERT INTO file_downloads (file_id, day, count)"
                  " VALUES ($1, $2, $3) ON CONFLICT (file_id, day) DO UPDATE"
                  " SET count = file_downloads.count + excluded.count",
                  {*file, day, number}));
}

}  // namespace longshore::db
