// Statements of the transparency logs (schema 0008). Rows are added and read,
// never changed. What they mean is said in registry/transparency.hpp.
// @errors of all functions here: those of Transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.hpp"

namespace longshore::db {

struct LogRow {
    std::int64_t number = 0;
    std::string record;
    std::string subject;
};

/// How many records there are.
Result<std::int64_t> log_size(Transaction& t, std::int64_t repository);
Result<std::optional<LogRow>> find_log_record(Transaction& t,
                                              std::int64_t repository,
                                              std::string_view subject);
/// From number `first` on.
Result<std::vector<LogRow>> log_records(Transaction& t, std::int64_t repository,
                                        std::int64_t first, std::size_t n);
/// @errors conflict: number or subject is there already
Result<void> add_log_record(Transaction& t, std::int64_t repository,
                            const LogRow& row);

struct LogPlace {
    std::int64_t level = 0;
    std::int64_t number = 0;
};
/// Of one level, from that number on.
Result<std::vector<std::string>> log_hashes(Transaction& t,
                                            std::int64_t repository,
                                            const LogPlace& first,
                                            std::size_t n);
Result<void> add_log_hash(Transaction& t, std::int64_t repository,
                          const LogPlace& place, std::string_view hash);

/// For a repository that goes.
Result<void> delete_log(Transaction& t, std::int64_t repository);

}  // namespace longshore::db
