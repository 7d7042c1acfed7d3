// TransparencyLog: what a repository has published, as a list that only grows
// and a Merkle tree over it (RFC 6962 section 2.1, SHA-256), so whoever has
// seen a tree can prove that nothing in it was changed or taken out. Records
// come with publishing, in its transaction (PackageDraft::log_records), and
// stay when what they tell of is deleted. Who signs a tree and in which shape
// it is served is the format's business. Thread-safe; blocks on the database.
// @errors of all functions here: unavailable, corrupt; others where said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace longshore {

class Database;
class Transaction;

struct LogDraft {
    std::string subject;  // found by it; has one record for ever
    std::string record;
};

struct LogTree {
    std::int64_t size = 0;
    std::string root;  // 32 bytes
};

struct LogEntry {
    std::int64_t number = 0;
    std::string record;
    LogTree tree;  // one that holds it
};

class TransparencyLog {
public:
    explicit TransparencyLog(Database& database) : database_(database) {}

    Result<LogTree> tree(std::int64_t repository_id);

    /// @errors not_found
    Result<LogEntry> find(std::int64_t repository_id, std::string_view subject);

    /// 32 bytes for each of `n` complete subtrees of 2^level records.
    /// @errors not_found: there are not so many
    Result<std::string> hashes(std::int64_t repository_id, std::int64_t level,
                               std::int64_t first, std::size_t n);

    /// @errors not_found: there are not so many
    Result<std::vector<std::string>> records(std::int64_t repository_id,
                                             std::int64_t first, std::size_t n);

    /// For the Publisher. The same record again changes nothing.
    /// @errors conflict: the subject has another record
    static Result<void> append(Transaction& t, std::int64_t repository_id,
                               const LogDraft& draft);

private:
    Database& database_;
};

}  // namespace longshore
