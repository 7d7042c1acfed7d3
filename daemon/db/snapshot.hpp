// Snapshot: the database as it was at one moment, in a file of its own. It is
// taken beside whoever writes, and read without trusting what it holds: it may
// come from a backup that somebody else could write to.
// @errors of all functions here: unavailable, corrupt, internal; others where
//         said.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"

namespace longshore {

/// Copies the database of `folder` into `file`, which is there and empty.
/// Writers do not wait; not durable when the call returns.
Result<void> take_snapshot(const std::string& folder, const std::string& file);

/// One thread.
class Snapshot {
public:
    virtual ~Snapshot() = default;

    virtual Result<void> read(const Work& work) = 0;

    /// How much of it is looked at: pages and rows, or indexes against their
    /// tables too.
    enum class Depth : std::uint8_t { quick, full };
    /// Whether it is whole, and has the tables, indexes and triggers that this
    /// program makes, no more, no less, none changed.
    /// @errors corrupt, unsupported (a newer version wrote it)
    virtual Result<void> check(Depth depth) = 0;
};

/// @errors not_found
Result<std::unique_ptr<Snapshot>> open_snapshot(const std::string& file);

namespace db {

/// A blob that the store had.
struct StoredBlob {
    std::int64_t id = 0;
    std::string digest;
    std::uint64_t size_bytes = 0;
};
/// In bytewise order of digest, after `last`, at most `n`.
Result<std::vector<StoredBlob>> list_stored_blobs(Transaction& t, std::size_t n,
                                                  std::string_view last);

/// No document is left, and all that there were are to be made anew.
Result<void> drop_documents(Transaction& t, std::int64_t now_ms);

}  // namespace db
}  // namespace longshore
