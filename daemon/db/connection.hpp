// One SQLite connection with its prepared statements: the Transaction that
// closures see. Used by one thread at a time. Private to db/.
// @errors of all functions here: those of Transaction.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <sqlite3.h>

#include "db/database.hpp"

namespace longshore {

class Connection final : public Transaction {
public:
    /// @errors unavailable, corrupt
    static Result<std::unique_ptr<Connection>> open(const std::string& file,
                                                    bool read_only);
    /// A file that nobody changes: for reading alone, without a lock and
    /// without files beside it. What it holds is not trusted.
    static Result<std::unique_ptr<Connection>> open_frozen(
        const std::string& file);
    /// An empty database that ends with the connection.
    static Result<std::unique_ptr<Connection>> open_in_memory();
    ~Connection() override;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Result<std::unique_ptr<Rows>> query(
        Sql sql, std::initializer_list<Value> values) override;
    Result<std::int64_t> execute(Sql sql,
                                 std::initializer_list<Value> values) override;

    /// Text without placeholders, perhaps several statements.
    Result<void> script(const char* text);

    /// The whole database as it is at this moment into an empty file, while
    /// others write. Not durable when the call returns.
    Result<void> copy_to(const std::string& file);

    /// True while no transaction is open (SQLite ends one by itself after a
    /// full disk or an I/O error).
    bool idle() const noexcept { return sqlite3_get_autocommit(db_) != 0; }

private:
    struct Prepared {
        sqlite3_stmt* statement = nullptr;
        std::vector<int> slots;  // SQLite's index of $1, $2 …
        bool busy = false;
    };
    class Cursor;

    explicit Connection(sqlite3* db) : db_(db) {}
    static Result<std::unique_ptr<Connection>> open_with(const char* file,
                                                         int flags);
    Result<Prepared*> prepare(Sql sql, std::initializer_list<Value> values);
    Error error(int code, std::string_view what) const;

    sqlite3* db_;
    std::unordered_map<std::string_view, Prepared> prepared_;
};

}  // namespace longshore
