// The difference between a package as it was and as it is to be, written to
// the tables. Private to registry/.
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "model/package.hpp"

namespace longshore {

class Transaction;

/// `before` is what the tables have. @errors those of Transaction;
/// invalid_argument: a tag of a version that is not there
Result<void> save_edit(Transaction& t, std::int64_t repository,
                       const StoredPackage& before, StoredPackage& after,
                       bool tombstones);

}  // namespace longshore
