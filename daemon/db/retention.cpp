#include "db/retention.hpp"

#include "common/range.hpp"
#include "db/journal.hpp"
#include "db/rows.hpp"
#include "db/runs.hpp"

namespace longshore::db {
namespace {

constexpr std::string_view kUsesSince = "uses_since";

std::optional<std::int64_t> optional_integer(const Rows& row, int column) {
    return row.is_null(column) ? std::nullopt
                               : std::optional(row.integer(column));
}

Result<RetentionPolicy> read_policy(const Rows& row) {
    auto pattern = Pattern::parse(row.text(0));
    if (!pattern) {
        return Error{Code::corrupt, "a policy of retention has the pattern " +
                                        std::string(row.text(0))};
    }
    RetentionPolicy policy{std::move(*pattern)};
    policy.keep_last = row.integer(1);
    auto tags = row.text(2);
    while (!tags.empty()) {
        auto end = tags.find(' ');
        auto parsed = TagPattern::parse(tags.substr(0, end));
        if (!parsed) {
            return Error{Code::corrupt, parsed.error().message};
        }
        policy.keep_tags.push_back(std::move(*parsed));
        tags.remove_prefix(end == tags.npos ? tags.size() : end + 1);
    }
    policy.keep_pulled_days = row.integer(3);
    policy.keep_younger_days = row.integer(4);
    policy.delete_untagged_days = row.integer(5);
    policy.changed_at_ms = row.integer(6);
    return policy;
}

Result<ImmutableTags> read_immutable(const Rows& row) {
    auto pattern = Pattern::parse(row.text(0));
    auto tags = TagPattern::parse(row.text(1));
    if (!pattern || !tags) {
        return Error{Code::corrupt,
                     "a rule of immutable tags has the patterns " +
                         std::string(row.text(0)) + " " +
                         std::string(row.text(1))};
    }
    return ImmutableTags{std::move(*pattern), std::move(*tags)};
}

Result<TagRow> read_tag(const Rows& row) {
    return TagRow{std::string(row.text(0)), row.integer(1), row.integer(2)};
}

Result<RepositoryFacts::Manifest> read_manifest(const Rows& row) {
    return RepositoryFacts::Manifest{
        row.integer(0), std::string(row.text(1)), optional_integer(row, 2),
        row.integer(3), row.integer(4),           row.integer(5)};
}

Result<RetentionRun> read_retention_run(const Rows& row) {
    RetentionRun run;
    read_run(row, run);
    run.repository = row.text(6);
    run.tags = row.integer(7);
    run.manifests = row.integer(8);
    run.spared = row.integer(9);
    return run;
}

// Of those tags of the name that companion_of() knows, and more, the images
// that are in any repository.
Result<void> add_elsewhere(Transaction& t, std::int64_t name_id,
                           RepositoryFacts& facts) {
    // '.' is behind '-', and 'g' behind all digits of a digest.
    static constexpr Sql kElsewhere =
        "SELECT DISTINCT c.image FROM (SELECT substr(tag, 1, 6) || ':'"
        " || substr(tag, 8, 64) AS image FROM tags WHERE name_id = $1"
        " AND ((tag >= 'sha256-' AND tag < 'sha256.')"
        " OR (tag >= 'sha512-' AND tag < 'sha512.'))) c"
        " WHERE EXISTS (SELECT 1 FROM blobs b"
        " JOIN manifests m ON m.blob_id = b.id"
        " WHERE b.digest >= c.image AND b.digest < c.image || 'g')";
    LS_TRY(images, all_texts(t, kElsewhere, {name_id}));
    facts.elsewhere.insert(images.begin(), images.end());
    return {};
}

}  // namespace

// Rules

Result<std::vector<RetentionPolicy>> list_retention_policies(Transaction& t) {
    return all_rows<RetentionPolicy>(
        t,
        "SELECT pattern, keep_last, keep_tags, keep_pulled_days,"
        " keep_younger_days, delete_untagged_days, changed_at_ms"
        " FROM retention_policies ORDER BY pattern",
        {}, read_policy);
}

Result<void> put_retention_policy(Transaction& t,
                                  const RetentionPolicy& policy) {
    std::string tags;
    for (const auto& pattern : policy.keep_tags) {
        tags += (tags.empty() ? "" : " ") + pattern.text();
    }
    return done(t.execute(
        "INSERT INTO retention_policies (pattern, keep_last, keep_tags,"
        " keep_pulled_days, keep_younger_days, delete_untagged_days,"
        " changed_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (pattern) DO UPDATE SET"
        " keep_last = excluded.keep_last, keep_tags = excluded.keep_tags,"
        " keep_pulled_days = excluded.keep_pulled_days,"
        " keep_younger_days = excluded.keep_younger_days,"
        " delete_untagged_days = excluded.delete_untagged_days,"
        " changed_at_ms = excluded.changed_at_ms",
        {policy.pattern.text(), policy.keep_last, tags, policy.keep_pulled_days,
         policy.keep_younger_days, policy.delete_untagged_days,
         policy.changed_at_ms}));
}

Result<bool> delete_retention_policy(Transaction& t, std::string_view pattern) {
    return any(t.execute("DELETE FROM retention_policies WHERE pattern = $1",
                         {pattern}));
}

Result<std::vector<ImmutableTags>> list_immutable_tags(Transaction& t) {
    return all_rows<ImmutableTags>(
        t, "SELECT pattern, tags FROM immutable_tags ORDER BY pattern, tags",
        {}, read_immutable);
}

Result<void> put_immutable_tags(Transaction& t, const ImmutableTags& rule,
                                std::int64_t at_ms) {
    return done(
        t.execute("INSERT INTO immutable_tags (pattern, tags, created_at_ms)"
                  " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                  {rule.pattern.text(), rule.tags.text(), at_ms}));
}

Result<bool> delete_immutable_tags(Transaction& t, std::string_view pattern,
                                   std::string_view tags) {
    return any(
        t.execute("DELETE FROM immutable_tags WHERE pattern = $1 AND tags = $2",
                  {pattern, tags}));
}

Result<std::vector<std::string>> tags_leading_to(Transaction& t,
                                                 std::int64_t name_id,
                                                 std::int64_t blob_id) {
    return all_texts(t,
                     "WITH RECURSIVE up (id) AS (SELECT CAST($2 AS BIGINT)"
                     " UNION SELECT r.manifest_id FROM up"
                     " JOIN manifest_references r"
                     " ON r.target_id = up.id AND r.name_id = $1)"
                     " SELECT t.tag FROM up JOIN tags t"
                     " ON t.name_id = $1 AND t.blob_id = up.id ORDER BY t.tag",
                     {name_id, blob_id});
}

// Content of a name

Result<std::vector<NameRow>> list_name_rows(Transaction& t, std::size_t n,
                                            std::int64_t after) {
    return all_rows<NameRow>(
        t,
        "SELECT id, name FROM names WHERE id > $1 AND indexed = 1"
        " ORDER BY id LIMIT $2",
        {after, integer(n)}, [](const Rows& row) -> Result<NameRow> {
            return NameRow{row.integer(0), std::string(row.text(1))};
        });
}

Result<RepositoryFacts> repository_facts(Transaction& t, const NameRow& name) {
    RepositoryFacts facts;
    facts.name = name.name;
    LS_TRY(since, uses_since(t));
    facts.uses_since_ms = since;
    LS_TRY(
        tags,
        all_rows<RepositoryFacts::Tag>(
            t, "SELECT tag, blob_id, moved_at_ms FROM tags WHERE name_id = $1",
            {name.id}, [](const Rows& row) -> Result<RepositoryFacts::Tag> {
                return RepositoryFacts::Tag{std::string(row.text(0)),
                                            row.integer(1), row.integer(2)};
            }));
    facts.tags = std::move(tags);
    LS_TRY(manifests,
           all_rows<RepositoryFacts::Manifest>(
               t,
               "SELECT m.blob_id, b.digest, m.subject_id, m.pushed_at_ms,"
               " coalesce(u.pulled_at_ms, 0), coalesce(u.held_at_ms, 0)"
               " FROM manifests m JOIN blobs b ON b.id = m.blob_id"
               " LEFT JOIN manifest_uses u"
               " ON u.name_id = m.name_id AND u.blob_id = m.blob_id"
               " WHERE m.name_id = $1 ORDER BY m.blob_id",
               {name.id}, read_manifest));
    facts.manifests = std::move(manifests);
    LS_TRY(
        children,
        all_rows<RepositoryFacts::Child>(
            t,
            "SELECT manifest_id, target_id FROM manifest_references"
            " WHERE name_id = $1 AND kind = 2",
            {name.id}, [](const Rows& row) -> Result<RepositoryFacts::Child> {
                return RepositoryFacts::Child{row.integer(0), row.integer(1)};
            }));
    facts.children = std::move(children);
    LS_CHECK(add_elsewhere(t, name.id, facts));
    return facts;
}

Result<bool> has_companion_image(Transaction& t, const std::string& key) {
    // 'g' is behind all digits of a digest.
    auto end = key + "g";
    LS_TRY(found,
           one_integer(t,
                       "SELECT 1 FROM blobs b WHERE b.digest >= $1"
                       " AND b.digest < $2 AND EXISTS (SELECT 1"
                       " FROM manifests m WHERE m.blob_id = b.id) LIMIT 1",
                       {key, end}));
    return found.has_value();
}

Result<bool> has_image(Transaction& t, std::int64_t name_id,
                       const std::string& key) {
    auto end = key + "g";
    LS_TRY(found, one_integer(t,
                              "SELECT 1 FROM blobs b WHERE b.digest >= $2"
                              " AND b.digest < $3 AND EXISTS (SELECT 1"
                              " FROM manifests m WHERE m.name_id = $1"
                              " AND m.blob_id = b.id) LIMIT 1",
                              {name_id, key, end}));
    return found.has_value();
}

Result<std::optional<TagRow>> find_tag(Transaction& t, std::int64_t name_id,
                                       std::string_view tag) {
    return first_row<TagRow>(t,
                             "SELECT tag, blob_id, moved_at_ms FROM tags"
                             " WHERE name_id = $1 AND tag = $2",
                             {name_id, tag}, read_tag);
}

Result<std::vector<TagRow>> list_newest_tags(Transaction& t,
                                             std::int64_t name_id,
                                             std::size_t n,
                                             std::int64_t pushed_at_ms,
                                             std::string_view tag) {
    return all_rows<TagRow>(
        t,
        "SELECT tag, blob_id, moved_at_ms FROM tags WHERE name_id = $1"
        " AND (moved_at_ms, tag) < ($2, $3)"
        " ORDER BY moved_at_ms DESC, tag DESC LIMIT $4",
        {name_id, pushed_at_ms, tag, integer(n)}, read_tag);
}

Result<std::optional<RepositoryFacts::Manifest>> find_manifest_facts(
    Transaction& t, std::int64_t name_id, std::int64_t blob_id) {
    return first_row<RepositoryFacts::Manifest>(
        t,
        "SELECT m.blob_id, b.digest, m.subject_id, m.pushed_at_ms,"
        " coalesce(u.pulled_at_ms, 0), coalesce(u.held_at_ms, 0)"
        " FROM manifests m JOIN blobs b ON b.id = m.blob_id"
        " LEFT JOIN manifest_uses u"
        " ON u.name_id = m.name_id AND u.blob_id = m.blob_id"
        " WHERE m.name_id = $1 AND m.blob_id = $2",
        {name_id, blob_id}, read_manifest);
}

Result<bool> is_led_to(Transaction& t, std::int64_t name_id,
                       std::int64_t blob_id) {
    LS_TRY(found,
           one_integer(t,
                       "SELECT 1 WHERE EXISTS (SELECT 1 FROM tags"
                       " WHERE name_id = $1 AND blob_id = $2)"
                       " OR EXISTS (SELECT 1 FROM manifest_references"
                       " WHERE target_id = $2 AND name_id = $1 AND kind = 2)"
                       " OR EXISTS (SELECT 1 FROM manifests m JOIN manifests s"
                       " ON s.name_id = m.name_id AND s.blob_id = m.subject_id"
                       " WHERE m.name_id = $1 AND m.blob_id = $2)",
                       {name_id, blob_id}));
    return found.has_value();
}

// Uses

Result<std::int64_t> uses_since(Transaction& t) {
    LS_TRY(text, meta(t, kUsesSince));
    if (text.empty()) {
        return std::int64_t{0};
    }
    auto number = parse_decimal(text);
    if (!number) {
        return Error{Code::corrupt, "uses_since is no time: " + text};
    }
    return static_cast<std::int64_t>(*number);
}

Result<void> set_uses_since(Transaction& t, std::int64_t at_ms) {
    return set_meta(t, kUsesSince, std::to_string(at_ms));
}

Result<std::optional<Use>> find_use(Transaction& t, std::string_view name,
                                    std::string_view reference) {
    static constexpr Sql kOfTag =
        "SELECT t.name_id, t.blob_id, coalesce(u.pulled_at_ms, 0)"
        " FROM names n JOIN tags t ON t.name_id = n.id"
        " LEFT JOIN manifest_uses u"
        " ON u.name_id = t.name_id AND u.blob_id = t.blob_id"
        " WHERE n.name = $1 AND t.tag = $2";
    static constexpr Sql kOfDigest =
        "SELECT m.name_id, m.blob_id, coalesce(u.pulled_at_ms, 0)"
        " FROM names n JOIN blobs b ON b.digest = $2"
        " JOIN manifests m ON m.name_id = n.id AND m.blob_id = b.id"
        " LEFT JOIN manifest_uses u"
        " ON u.name_id = m.name_id AND u.blob_id = m.blob_id"
        " WHERE n.name = $1";
    bool is_digest = reference.find(':') != reference.npos;
    return first_row<Use>(
        t, is_digest ? kOfDigest : kOfTag, {name, reference},
        [](const Rows& row) -> Result<Use> {
            return Use{row.integer(0), row.integer(1), row.integer(2)};
        });
}

Result<void> put_pull(Transaction& t, const Use& use) {
    // It may be gone since it was found.
    return done(
        t.execute("INSERT INTO manifest_uses (name_id, blob_id, pulled_at_ms,"
                  " held_at_ms) SELECT name_id, blob_id, CAST($3 AS BIGINT), 0"
                  " FROM manifests"
                  " WHERE name_id = $1 AND blob_id = $2"
                  " ON CONFLICT (name_id, blob_id) DO UPDATE SET"
                  " pulled_at_ms = excluded.pulled_at_ms",
                  {use.name_id, use.blob_id, use.pulled_at_ms}));
}

Result<void> hold_manifest(Transaction& t, std::int64_t name_id,
                           std::int64_t blob_id, std::int64_t at_ms) {
    return done(
        t.execute("INSERT INTO manifest_uses (name_id, blob_id, pulled_at_ms,"
                  " held_at_ms) VALUES ($1, $2, 0, $3)"
                  " ON CONFLICT (name_id, blob_id) DO UPDATE SET"
                  " held_at_ms = excluded.held_at_ms",
                  {name_id, blob_id, at_ms}));
}

Result<void> touch_tag(Transaction& t, std::int64_t name_id,
                       std::string_view tag, std::int64_t at_ms) {
    return done(t.execute(
        "UPDATE tags SET moved_at_ms = $3 WHERE name_id = $1 AND tag = $2",
        {name_id, tag, at_ms}));
}

// Runs

Result<void> put_retention_run(Transaction& t, RetentionRun& run) {
    if (run.id == 0) {
        LS_TRY(id, one_integer(t,
                               "INSERT INTO retention_runs (state, repository,"
                               " wanted_at_ms, started_at_ms, ended_at_ms,"
                               " tags, manifests, spared, error)"
                               " VALUES ($1, $2, $3, 0, 0, 0, 0, 0, '')"
                               " RETURNING id",
                               {run.state, run.repository, run.wanted_at_ms}));
        run.id = id.value_or(0);
    }
    return done(
        t.execute("UPDATE retention_runs SET state = $1, started_at_ms = $2,"
                  " ended_at_ms = $3, tags = $4, manifests = $5, spared = $6,"
                  " error = $7 WHERE id = $8",
                  {run.state, run.started_at_ms, run.ended_at_ms, run.tags,
                   run.manifests, run.spared, run.error, run.id}));
}

Result<std::optional<RetentionRun>> find_retention_run(Transaction& t,
                                                       std::int64_t id) {
    return first_row<RetentionRun>(t, kRetentionRuns.find, {id},
                                   read_retention_run);
}

Result<std::int64_t> last_retention_run_ms(Transaction& t) {
    LS_TRY(last, one_integer(t,
                             "SELECT coalesce(max(ended_at_ms), 0)"
                             " FROM retention_runs"
                             " WHERE repository = ''",
                             {}));
    return last.value_or(0);
}

Result<std::vector<RetentionRun>> list_retention_runs(Transaction& t,
                                                      std::size_t n) {
    return all_rows<RetentionRun>(t, kRetentionRuns.list, {integer(n)},
                                  read_retention_run);
}

}  // namespace longshore::db
