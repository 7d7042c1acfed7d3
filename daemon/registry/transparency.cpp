#include "registry/transparency.hpp"

#include <bit>

#include "common/encoding.hpp"
#include "common/hash.hpp"
#include "db/transparency.hpp"

namespace longshore {
namespace {

using std::string_view_literals::operator""sv;

std::string leaf_hash(std::string_view record) {
    Hash hash(Algorithm::sha256);
    hash.update("\0"sv);
    hash.update(record);
    return std::string(hash.digest().encoded());
}

// Of two hashes in hex.
std::string node_hash(std::string_view left, std::string_view right) {
    Hash hash(Algorithm::sha256);
    hash.update("\1"sv);
    hash.update(hex_decode(left));
    hash.update(hex_decode(right));
    return std::string(hash.digest().encoded());
}

Error corrupt() {
    return Error{Code::corrupt, "a hash of the transparency log is missing"};
}

Result<std::string> hash_at(Transaction& t, std::int64_t repository,
                            const db::LogPlace& place) {
    LS_TRY(found, db::log_hashes(t, repository, place, 1));
    if (found.empty()) {
        return corrupt();
    }
    return std::move(found[0]);
}

// The tree of all records: its complete subtrees, the largest first, joined
// from the right.
Result<LogTree> tree_in(Transaction& t, std::int64_t repository) {
    LS_TRY(size, db::log_size(t, repository));
    std::string root;
    auto left = static_cast<std::uint64_t>(size);
    while (left > 0) {
        auto level = std::countr_zero(left);
        left &= left - 1;
        db::LogPlace place{level, static_cast<std::int64_t>(left >> level)};
        LS_TRY(hash, hash_at(t, repository, place));
        root = root.empty() ? hash : node_hash(hash, root);
    }
    if (size == 0) {
        root = digest_of(Algorithm::sha256, "").encoded();
    }
    return LogTree{size, hex_decode(root)};
}

}  // namespace

Result<LogTree> TransparencyLog::tree(std::int64_t repository_id) {
    LogTree tree;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, tree_in(t, repository_id));
        tree = std::move(found);
        return {};
    }));
    return tree;
}

Result<LogEntry> TransparencyLog::find(std::int64_t repository_id,
                                       std::string_view subject) {
    LogEntry entry;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::find_log_record(t, repository_id, subject));
        if (!found) {
            return Error{Code::not_found,
                         std::string(subject) + " has no record in the log"};
        }
        entry.number = found->number;
        entry.record = std::move(found->record);
        LS_TRY(tree, tree_in(t, repository_id));
        entry.tree = std::move(tree);
        return {};
    }));
    return entry;
}

Result<std::string> TransparencyLog::hashes(std::int64_t repository_id,
                                            std::int64_t level,
                                            std::int64_t first, std::size_t n) {
    std::string bytes;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::log_hashes(t, repository_id, {level, first}, n));
        if (found.size() != n) {
            return Error{Code::not_found, "the log has no such tile yet"};
        }
        for (const auto& hash : found) {
            bytes += hex_decode(hash);
        }
        return {};
    }));
    return bytes;
}

Result<std::vector<std::string>> TransparencyLog::records(
    std::int64_t repository_id, std::int64_t first, std::size_t n) {
    std::vector<std::string> records;
    LS_CHECK(database_.read([&](Transaction& t) -> Result<void> {
        LS_TRY(found, db::log_records(t, repository_id, first, n));
        if (found.size() != n) {
            return Error{Code::not_found, "the log has no such tile yet"};
        }
        for (auto& row : found) {
            records.push_back(std::move(row.record));
        }
        return {};
    }));
    return records;
}

Result<void> TransparencyLog::append(Transaction& t, std::int64_t repository_id,
                                     const LogDraft& draft) {
    LS_TRY(known, db::find_log_record(t, repository_id, draft.subject));
    if (known) {
        return known->record == draft.record
                   ? Result<void>()
                   : Result<void>(Error{
                         Code::conflict,
                         draft.subject +
                             " was published before with other contents"});
    }
    LS_TRY(number, db::log_size(t, repository_id));
    LS_CHECK(db::add_log_record(t, repository_id,
                                {number, draft.record, draft.subject}));
    auto hash = leaf_hash(draft.record);
    db::LogPlace place{0, number};
    LS_CHECK(db::add_log_hash(t, repository_id, place, hash));
    // A right child completes its parent.
    while (place.number % 2 == 1) {
        LS_TRY(left,
               hash_at(t, repository_id, {place.level, place.number - 1}));
        hash = node_hash(left, hash);
        place = {place.level + 1, place.number / 2};
        LS_CHECK(db::add_log_hash(t, repository_id, place, hash));
    }
    return {};
}

}  // namespace longshore
