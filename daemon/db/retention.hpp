// Statements of retention: its rules, what a repository holds as it looks at
// it, uses of manifests, and the table of its runs.
// @errors of all functions here: those of Transaction; corrupt (a rule that
// does not parse).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"
#include "model/retention.hpp"

namespace longshore::db {

// Rules.
Result<std::vector<RetentionPolicy>> list_retention_policies(Transaction& t);
/// Makes the policy of this pattern, or takes its place.
Result<void> put_retention_policy(Transaction& t,
                                  const RetentionPolicy& policy);
/// False if there was none.
Result<bool> delete_retention_policy(Transaction& t, std::string_view pattern);

Result<std::vector<ImmutableTags>> list_immutable_tags(Transaction& t);
Result<void> put_immutable_tags(Transaction& t, const ImmutableTags& rule,
                                std::int64_t at_ms);
/// False if there was none.
Result<bool> delete_immutable_tags(Transaction& t, std::string_view pattern,
                                   std::string_view tags);
/// Tags of the manifest, or of an index that leads to it, or of what has the
/// blob, in the name.
Result<std::vector<std::string>> tags_leading_to(Transaction& t,
                                                 std::int64_t name_id,
                                                 std::int64_t blob_id);

// Content of a name.
struct NameRow {
    std::int64_t id = 0;
    std::string name;
};
/// Of names that are indexed.
Result<std::vector<NameRow>> list_name_rows(Transaction& t, std::size_t n,
                                            std::int64_t after);
Result<RepositoryFacts> repository_facts(Transaction& t, const NameRow& name);

/// Whether a manifest of such a digest is in any repository.
Result<bool> has_companion_image(Transaction& t, const std::string& key);

/// The same in one name.
Result<bool> has_image(Transaction& t, std::int64_t name_id,
                       const std::string& key);

struct TagRow {
    std::string tag;
    std::int64_t manifest = 0;
    std::int64_t pushed_at_ms = 0;
};
Result<std::optional<TagRow>> find_tag(Transaction& t, std::int64_t name_id,
                                       std::string_view tag);
/// The newest first, after this one.
Result<std::vector<TagRow>> list_newest_tags(Transaction& t,
                                             std::int64_t name_id,
                                             std::size_t n,
                                             std::int64_t pushed_at_ms,
                                             std::string_view tag);
/// With its uses; nullopt: no such manifest.
Result<std::optional<RepositoryFacts::Manifest>> find_manifest_facts(
    Transaction& t, std::int64_t name_id, std::int64_t blob_id);
/// Whether a tag names it, an index has it, or its subject is there.
Result<bool> is_led_to(Transaction& t, std::int64_t name_id,
                       std::int64_t blob_id);

// Uses.
/// Since when they are recorded; 0: not yet.
Result<std::int64_t> uses_since(Transaction& t);
Result<void> set_uses_since(Transaction& t, std::int64_t at_ms);
struct Use {
    std::int64_t name_id = 0;
    std::int64_t blob_id = 0;
    std::int64_t pulled_at_ms = 0;  // 0: never
};
/// What is asked for by tag or digest; nullopt: nothing that is here.
Result<std::optional<Use>> find_use(Transaction& t, std::string_view name,
                                    std::string_view reference);
Result<void> put_pull(Transaction& t, const Use& use);
/// Of a manifest that was pushed again or lost a tag.
Result<void> hold_manifest(Transaction& t, std::int64_t name_id,
                           std::int64_t blob_id, std::int64_t at_ms);
/// The tag was pushed with the digest that it has.
Result<void> touch_tag(Transaction& t, std::int64_t name_id,
                       std::string_view tag, std::int64_t at_ms);

// Runs.
/// Makes its row if it has none.
Result<void> put_retention_run(Transaction& t, RetentionRun& run);
Result<std::optional<RetentionRun>> find_retention_run(Transaction& t,
                                                       std::int64_t id);
/// When the last one of all repositories ended, well or not; 0: never.
Result<std::int64_t> last_retention_run_ms(Transaction& t);
/// The newest ones first. At most `n`.
Result<std::vector<RetentionRun>> list_retention_runs(Transaction& t,
                                                      std::size_t n);

}  // namespace longshore::db
