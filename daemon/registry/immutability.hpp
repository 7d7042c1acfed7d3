// Immutability: tags that are neither moved nor deleted, nor lose what they
// lead to. Called in the transaction of the write that it may refuse.
// @errors of all functions here: conflict with reason DENIED, in words that a
// client shows; those of Transaction.
#pragma once

#include <string_view>

#include "common/result.hpp"
#include "db/database.hpp"
#include "db/oci.hpp"

namespace longshore {

/// Of a tag that names something else now, or that is to go.
Result<void> check_tag_mutable(Transaction& t, std::string_view name,
                               std::string_view tag, std::string_view what);

/// Of a manifest or blob that is to go: no immutable tag may lead to it.
Result<void> check_removable(Transaction& t, std::string_view name,
                             db::Id name_id, db::Id blob);

}  // namespace longshore
