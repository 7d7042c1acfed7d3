// All of package repositories (schema 0005) from one database into a new one,
// with the ids that they have: what a rebuild must not lose, for no disk has
// it.
#pragma once

#include "common/result.hpp"
#include "db/database.hpp"

namespace longshore::db {

/// In batches, each one transaction. `to` has no repository but the default
/// one and no blob; nobody writes to `from` meanwhile.
/// @errors those of Database; conflict
Result<void> copy_packages(Database& from, Database& to);

}  // namespace longshore::db
