// Statements of the table of manifests that are to be brought back.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "db/database.hpp"

namespace longshore::db {

struct Undelete {
    std::int64_t id = 0;
    std::string state = "wanted";
    std::int64_t wanted_at_ms = 0;
    std::string peer;  // of the actor
    std::string name;
    std::string digest;
    std::string tags;  // words
    std::int64_t manifests = 0;
    std::int64_t blobs = 0;
    std::string missing;  // digests, words
    std::string error;
};
/// Returns its id; forgets all but the newest that are over.
Result<std::int64_t> add_undelete(Transaction& t, const Undelete& wanted);
/// State, counts, missing and error.
Result<void> put_undelete(Transaction& t, const Undelete& undelete);
Result<std::optional<Undelete>> find_undelete(Transaction& t, std::int64_t id);
/// The oldest that is wanted.
Result<std::optional<Undelete>> wanted_undelete(Transaction& t);

}  // namespace longshore::db
