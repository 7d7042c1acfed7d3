// Statements of the table of manifests that are to be brought back.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "db/database.hpp"
#include "model/run.hpp"

namespace longshore::db {

/// Its table has neither its start nor its end.
struct Undelete : Run {
    std::string peer;  // of the actor
    std::string name;
    std::string digest;
    std::string tags;  // words
    std::int64_t manifests = 0;
    std::int64_t blobs = 0;
    std::string missing;  // digests, words
};
/// Makes its row if it has none, and forgets all but the newest that are over.
Result<void> put_undelete(Transaction& t, Undelete& undelete);
Result<std::optional<Undelete>> find_undelete(Transaction& t, std::int64_t id);
/// The oldest that is wanted.
Result<std::optional<Undelete>> wanted_undelete(Transaction& t);

}  // namespace longshore::db
