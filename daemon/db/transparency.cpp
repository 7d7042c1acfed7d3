#include "db/transparency.hpp"

#include "db/rows.hpp"

namespace longshore::db {
namespace {

Result<LogRow> read_log_row(const Rows& row) {
    return LogRow{row.integer(0), std::string(row.text(1)),
                  std::string(row.text(2))};
}

}  // namespace

Result<std::int64_t> log_size(Transaction& t, std::int64_t repository) {
    LS_TRY(last, one_integer(t,
                             "SELECT number FROM log_records"
                             " WHERE repository_id = $1"
                             " ORDER BY number DESC LIMIT 1",
                             {repository}));
    return last ? *last + 1 : 0;
}

Result<std::optional<LogRow>> find_log_record(Transaction& t,
                                              std::int64_t repository,
                                              std::string_view subject) {
    return first_row(t,
                     "SELECT number, record, subject FROM log_records"
                     " WHERE repository_id = $1 AND subject = $2",
                     {repository, subject}, read_log_row);
}

Result<std::vector<LogRow>> log_records(Transaction& t, std::int64_t repository,
                                        std::int64_t first, std::size_t n) {
    return all_rows(t,
                    "SELECT number, record, subject FROM log_records"
                    " WHERE repository_id = $1 AND number >= $2"
                    " ORDER BY number LIMIT $3",
                    {repository, first, integer(n)}, read_log_row);
}

Result<void> add_log_record(Transaction& t, std::int64_t repository,
                            const LogRow& row) {
    return done(
        t.execute("INSERT INTO log_records (repository_id, number, subject,"
                  " record) VALUES ($1, $2, $3, $4)",
                  {repository, row.number, row.subject, row.record}));
}

Result<std::vector<std::string>> log_hashes(Transaction& t,
                                            std::int64_t repository,
                                            const LogPlace& first,
                                            std::size_t n) {
    return all_texts(t,
                     "SELECT hash FROM log_hashes WHERE repository_id = $1"
                     " AND level = $2 AND number >= $3 ORDER BY number"
                     " LIMIT $4",
                     {repository, first.level, first.number, integer(n)});
}

Result<void> add_log_hash(Transaction& t, std::int64_t repository,
                          const LogPlace& place, std::string_view hash) {
    return done(
        t.execute("INSERT INTO log_hashes (repository_id, level, number, hash)"
                  " VALUES ($1, $2, $3, $4)",
                  {repository, place.level, place.number, hash}));
}

Result<void> delete_log(Transaction& t, std::int64_t repository) {
    LS_CHECK(done(t.execute("DELETE FROM log_hashes WHERE repository_id = $1",
                            {repository})));
    return done(t.execute("DELETE FROM log_records WHERE repository_id = $1",
                          {repository}));
}

}  // namespace longshore::db
