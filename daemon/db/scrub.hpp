// Statements of the scrubber: its passes, what was found damaged, and the
// check of the database itself.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.hpp"
#include "db/database.hpp"
#include "model/run.hpp"

namespace longshore::db {

/// One pass over all that is stored; 0012 says what each means.
struct Scrub : Run {
    std::string kind = "files";
    std::int64_t shelf = 0;
    std::string digest_before;
    std::int64_t files = 0;
    std::int64_t bytes = 0;
    std::int64_t damaged = 0;
    std::string database_state;
};
/// Makes its row; sets the id.
Result<void> add_scrub(Transaction& t, Scrub& scrub);
Result<void> put_scrub(Transaction& t, const Scrub& scrub);
Result<std::optional<Scrub>> find_scrub(Transaction& t, std::int64_t id);
/// The newest first.
Result<std::vector<Scrub>> list_scrubs(Transaction& t, std::size_t n);
/// When one over the files last came to its end, whatever it found; 0: never.
Result<std::int64_t> last_scrub_ms(Transaction& t);
/// The last one that checked the database.
Result<std::optional<Scrub>> last_database_check(Transaction& t);
/// A damaged file; 0012 says what each means.
struct Damage {
    std::string digest;
    std::string area = "blob";
    std::string state = "suspect";
    std::string problem;
    std::int64_t size_bytes = 0;
    std::string file;
    std::string used_by;
    std::int64_t found_at_ms = 0;
    std::int64_t closed_at_ms = 0;
};
/// Makes the row, or takes the place of an earlier one.
Result<void> put_damage(Transaction& t, const Damage& damage);
/// The bytes are here again; nothing if there is no such damage.
Result<void> close_damage(Transaction& t, const Digest& digest,
                          std::string_view area, std::int64_t now_ms);
/// True if the blob was taken away and is not back.
Result<bool> is_damaged(Transaction& t, const Digest& digest);
/// In order of digest and area, after those given.
Result<std::vector<Damage>> open_damages(Transaction& t, std::size_t n,
                                         std::string_view digest,
                                         std::string_view area);
Result<std::int64_t> count_open_damages(Transaction& t);
/// The newest first.
Result<std::vector<Damage>> closed_damages(Transaction& t, std::size_t n);
/// Forgets those that were closed before.
Result<void> prune_damages(Transaction& t, std::int64_t before_ms);

/// "repository path" of what has the document's bytes.
Result<std::vector<std::string>> document_uses(Transaction& t,
                                               const Digest& digest,
                                               std::size_t n);
/// Makes all documents of the scopes that have the digest be made anew: their
/// rows go, the scopes are stale. True if there were any.
Result<bool> drop_document_scopes(Transaction& t, const Digest& digest,
                                  std::int64_t now_ms);

/// Names of the tables, for check_table().
Result<std::vector<std::string>> list_tables(Transaction& t);
/// What is wrong with a table and its indexes, at most 100 lines; empty if
/// all is well. PostgreSQL's file of this has amcheck in its place.
/// @errors corrupt too: it cannot be read at all
Result<std::vector<std::string>> check_table(Transaction& t,
                                             std::string_view name);

}  // namespace longshore::db
