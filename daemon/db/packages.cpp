#include "db/packages.hpp"

#include "db/package_rows.hpp"
#include "db/transparency.hpp"

namespace longshore::db {
namespace {

Result<Id> new_id(Transaction& t, Sql sql,
                  std::initializer_list<Value> values) {
    LS_TRY(id, one_integer(t, sql, values));
    return id.value_or(0);
}

std::string_view subject_name(Subject subject) noexcept {
    switch (subject) {
        case Subject::package:
            return "package";
        case Subject::version:
            return "version";
        case Subject::file:
            break;
    }
    return "file";
}

}  // namespace

Result<std::optional<Repository>> find_repository(Transaction& t,
                                                  std::string_view key) {
    return first_row(t,
                     "SELECT id, key, format, kind, description, settings,"
                     " created_at_ms FROM repositories WHERE key = $1",
                     {key}, read_repository);
}

Result<std::optional<Repository>> repository_of(Transaction& t, Id id) {
    return first_row(t,
                     "SELECT id, key, format, kind, description, settings,"
                     " created_at_ms FROM repositories WHERE id = $1",
                     {id}, read_repository);
}

Result<std::vector<Repository>> list_repositories(Transaction& t, std::size_t n,
                                                  std::string_view last) {
    return all_rows(t,
                    "SELECT id, key, format, kind, description, settings,"
                    " created_at_ms FROM repositories WHERE key > $1"
                    " ORDER BY key LIMIT $2",
                    {last, integer(n)}, read_repository);
}

Result<Id> add_repository(Transaction& t, const Repository& repository) {
    return new_id(
        t,
        "INSERT INTO repositories (key, format, kind, description, settings,"
        " created_at_ms) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        {repository.key, repository.format, kind_name(repository.kind),
         repository.description, repository.settings,
         repository.created_at_ms});
}

Result<void> change_repository(Transaction& t, const Repository& repository) {
    return done(t.execute(
        "UPDATE repositories SET description = $2,"
        " settings = $3 WHERE id = $1",
        {repository.id, repository.description, repository.settings}));
}

Result<bool> shrink_repository(Transaction& t, Id id, std::size_t n) {
    LS_TRY(
        packages,
        all_rows(t, "SELECT id FROM packages WHERE repository_id = $1 LIMIT $2",
                 {id, integer(n)}, read_id));
    for (auto package : packages) {
        LS_TRY(versions, versions_of(t, package));
        for (const auto& version : versions) {
            LS_CHECK(delete_version(t, version.id));
        }
        LS_CHECK(delete_package(t, package));
    }
    if (packages.size() == n) {
        return false;
    }
    LS_TRY(files,
           all_rows(t, "SELECT id FROM files WHERE repository_id = $1 LIMIT $2",
                    {id, integer(n)}, read_id));
    for (auto file : files) {
        LS_CHECK(delete_file(t, file));
    }
    if (files.size() == n) {
        return false;
    }
    LS_CHECK(done(t.execute(
        "INSERT INTO document_leftovers (digest, at_ms)"
        " SELECT DISTINCT digest, 0 FROM documents WHERE repository_id = $1"
        " ON CONFLICT (digest) DO NOTHING",
        {id})));
    LS_CHECK(done(
        t.execute("DELETE FROM documents WHERE repository_id = $1", {id})));
    LS_CHECK(done(
        t.execute("DELETE FROM stale_scopes WHERE repository_id = $1", {id})));
    LS_CHECK(done(
        t.execute("DELETE FROM file_buckets WHERE repository_id = $1", {id})));
    LS_CHECK(done(
        t.execute("DELETE FROM tombstones WHERE repository_id = $1", {id})));
    LS_CHECK(delete_log(t, id));
    LS_CHECK(done(t.execute("DELETE FROM repositories WHERE id = $1", {id})));
    return true;
}

Result<std::optional<StoredPackage>> find_package(Transaction& t, Id repository,
                                                  std::string_view key) {
    return first_row(
        t,
        "SELECT id, key, name, revision, data, summary, keywords,"
        " created_at_ms, updated_at_ms, downloads, latest FROM packages"
        " WHERE repository_id = $1 AND key = $2",
        {repository, key}, read_package);
}

Result<std::vector<StoredPackage>> list_packages(Transaction& t, Id repository,
                                                 std::string_view prefix,
                                                 std::size_t n,
                                                 std::string_view last) {
    auto end = above(prefix);
    return all_rows(
        t,
        "SELECT id, key, name, revision, data, summary, keywords,"
        " created_at_ms, updated_at_ms, downloads, latest FROM packages"
        " WHERE repository_id = $1 AND key > $2 AND key >= $3"
        " AND key < $4 ORDER BY key LIMIT $5",
        {repository, last, prefix, end, integer(n)}, read_package);
}

Result<Id> add_package(Transaction& t, Id repository,
                       const StoredPackage& package) {
    return new_id(
        t,
        "INSERT INTO packages (repository_id, key, name, revision,"
        " data, summary, keywords, created_at_ms, updated_at_ms,"
        " downloads, latest) VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $7, 0,"
        " '')"
        " RETURNING id",
        {repository, package.key, package.name, package.data, package.summary,
         package.keywords, package.created_at_ms});
}

Result<void> change_package(Transaction& t, const StoredPackage& package) {
    return done(
        t.execute("UPDATE packages SET name = $2, data = $3, summary = $4,"
                  " keywords = $5, updated_at_ms = $6, revision = revision + 1"
                  " WHERE id = $1",
                  {package.id, package.name, package.data, package.summary,
                   package.keywords, package.updated_at_ms}));
}

Result<void> renew_latest(Transaction& t, Id package) {
    return done(t.execute(
        "UPDATE packages SET latest = COALESCE((SELECT version FROM versions"
        " WHERE package_id = $1 AND state <> 'yanked'"
        " ORDER BY sort_key DESC, key DESC LIMIT 1), '') WHERE id = $1",
        {package}));
}

Result<void> delete_package(Transaction& t, Id package) {
    LS_CHECK(put_properties(t, 0, Subject::package, package, {}));
    LS_CHECK(done(
        t.execute("DELETE FROM package_search WHERE rowid = $1", {package})));
    return done(t.execute("DELETE FROM packages WHERE id = $1", {package}));
}

Result<void> index_package(Transaction& t, Id repository,
                           const StoredPackage& package) {
    auto place = "r" + std::to_string(repository);
    LS_CHECK(done(t.execute("DELETE FROM package_search WHERE rowid = $1",
                            {package.id})));
    return done(t.execute(
        "INSERT INTO package_search (rowid, name, summary, keywords, place)"
        " VALUES ($1, $2, $3, $4, $5)",
        {package.id, package.name, package.summary, package.keywords, place}));
}

Result<std::vector<StoredVersion>> versions_of(Transaction& t, Id package) {
    return all_rows(t,
                    "SELECT id, key, version, sort_key, state, reason, data,"
                    " publisher, published_at_ms FROM versions"
                    " WHERE package_id = $1 ORDER BY sort_key, key",
                    {package}, read_version);
}

Result<std::optional<StoredVersion>> find_version(Transaction& t, Id package,
                                                  std::string_view key) {
    return first_row(t,
                     "SELECT id, key, version, sort_key, state, reason, data,"
                     " publisher, published_at_ms FROM versions"
                     " WHERE package_id = $1 AND key = $2",
                     {package, key}, read_version);
}

Result<Id> add_version(Transaction& t, Id package,
                       const StoredVersion& version) {
    return new_id(
        t,
        "INSERT INTO versions (package_id, key, version, sort_key, state,"
        " reason, data, publisher, published_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
        {package, version.key, version.version, version.sort_key,
         state_name(version.state), version.reason, version.data,
         version.publisher, version.published_at_ms});
}

Result<void> change_version(Transaction& t, const StoredVersion& version) {
    return done(t.execute(
        "UPDATE versions SET state = $2, reason = $3,"
        " data = $4 WHERE id = $1",
        {version.id, state_name(version.state), version.reason, version.data}));
}

Result<void> delete_version(Transaction& t, Id version) {
    LS_TRY(files, files_of_version(t, version));
    for (const auto& file : files) {
        LS_CHECK(delete_file(t, file.id));
    }
    LS_CHECK(done(t.execute("DELETE FROM package_tags WHERE version_id = $1",
                            {version})));
    LS_CHECK(put_properties(t, 0, Subject::version, version, {}));
    return done(t.execute("DELETE FROM versions WHERE id = $1", {version}));
}

Result<std::vector<PackageTag>> tags_of_package(Transaction& t, Id package) {
    return all_rows(t,
                    "SELECT g.tag, v.key FROM package_tags g"
                    " JOIN versions v ON v.id = g.version_id"
                    " WHERE g.package_id = $1 ORDER BY g.tag",
                    {package}, read_tag);
}

Result<void> put_package_tag(Transaction& t, Id package, std::string_view tag,
                             Id version) {
    return done(
        t.execute("INSERT INTO package_tags (package_id, tag, version_id)"
                  " VALUES ($1, $2, $3) ON CONFLICT (package_id, tag)"
                  " DO UPDATE SET version_id = excluded.version_id",
                  {package, tag, version}));
}

Result<void> delete_package_tag(Transaction& t, Id package,
                                std::string_view tag) {
    return done(
        t.execute("DELETE FROM package_tags WHERE package_id = $1 AND tag = $2",
                  {package, tag}));
}

Result<std::vector<Property>> properties_of(Transaction& t, Subject subject,
                                            Id id) {
    return all_rows(t,
                    "SELECT name, value FROM properties WHERE subject = $1"
                    " AND subject_id = $2 ORDER BY name, value",
                    {subject_name(subject), id}, read_property);
}

Result<void> put_properties(Transaction& t, Id repository, Subject subject,
                            Id id, std::span<const Property> properties) {
    LS_CHECK(done(t.execute(
        "DELETE FROM properties WHERE subject = $1 AND subject_id = $2",
        {subject_name(subject), id})));
    for (const auto& one : properties) {
        LS_CHECK(done(t.execute(
            "INSERT INTO properties (repository_id, subject, subject_id, name,"
            " value) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            {repository, subject_name(subject), id, one.name, one.value})));
    }
    return {};
}

Result<std::vector<StoredPackage>> packages_with(Transaction& t, Id repository,
                                                 const Property& property,
                                                 std::size_t n,
                                                 std::string_view last) {
    return all_rows(
        t,
        "SELECT id, key, name, revision, data, summary, keywords,"
        " created_at_ms, updated_at_ms, downloads, latest FROM packages"
        " WHERE repository_id = $1 AND key > $4 AND id IN ("
        "  SELECT subject_id FROM properties WHERE repository_id = $1"
        "   AND name = $2 AND value = $3 AND subject = 'package'"
        "  UNION SELECT v.package_id FROM properties p"
        "   JOIN versions v ON v.id = p.subject_id"
        "   WHERE p.repository_id = $1 AND p.name = $2 AND p.value = $3"
        "   AND p.subject = 'version'"
        "  UNION SELECT v.package_id FROM properties p"
        "   JOIN files f ON f.id = p.subject_id"
        "   JOIN versions v ON v.id = f.version_id"
        "   WHERE p.repository_id = $1 AND p.name = $2 AND p.value = $3"
        "   AND p.subject = 'file')"
        " ORDER BY key LIMIT $5",
        {repository, property.name, property.value, last, integer(n)},
        read_package);
}

Result<bool> is_buried(Transaction& t, Id repository, const Tombstone& stone) {
    LS_TRY(found, one_integer(t,
                              "SELECT 1 FROM tombstones WHERE repository_id ="
                              " $1 AND package_key = $2 AND version_key = $3"
                              " AND path = $4",
                              {repository, stone.package_key, stone.version_key,
                               stone.path}));
    return found.has_value();
}

Result<void> bury(Transaction& t, Id repository, const Tombstone& stone,
                  std::int64_t at_ms) {
    return done(t.execute(
        "INSERT INTO tombstones (repository_id, package_key, version_key,"
        " path, removed_at_ms) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING",
        {repository, stone.package_key, stone.version_key, stone.path, at_ms}));
}

}  // namespace longshore::db
