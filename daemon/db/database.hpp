// The one face of the database: transactions over constant SQL text. SQLite
// stands behind it (db/sqlite.cpp); the text and the calls are such that
// PostgreSQL can. Writes of all threads that wait at the same moment share
// one durable commit; readers never wait for the writer.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// A statement: text that was known when the program was compiled, so no
/// input can ever become part of it. Placeholders are `$1` `$2` …
class Sql {
public:
    consteval Sql(const char* text) : text_(text) {}
    constexpr std::string_view text() const noexcept { return text_; }

private:
    std::string_view text_;
};

/// A bound value. Text is borrowed until the call that takes it returns, for
/// query() until its Rows are gone.
class Value {
public:
    enum class Kind : std::uint8_t { null, integer, text };

    Value(std::nullptr_t) noexcept {}
    Value(std::int64_t number) noexcept
        : kind_(Kind::integer), integer_(number) {}
    Value(std::string_view bytes) noexcept : kind_(Kind::text), text_(bytes) {}
    Value(const std::string& bytes) noexcept
        : kind_(Kind::text), text_(bytes) {}
    Value(std::string&&) = delete;

    Kind kind() const noexcept { return kind_; }
    std::int64_t integer() const noexcept { return integer_; }
    std::string_view text() const noexcept { return text_; }

private:
    Kind kind_ = Kind::null;
    std::int64_t integer_ = 0;
    std::string_view text_;
};

/// Rows of one query, visited once. Columns count from 0; what text() returns
/// lives until the next call of next().
class Rows {
public:
    virtual ~Rows() = default;

    /// Goes to the next row; false after the last.
    /// @errors unavailable, corrupt
    virtual Result<bool> next() = 0;
    virtual bool is_null(int column) const = 0;
    virtual std::int64_t integer(int column) const = 0;
    virtual std::string_view text(int column) const = 0;
};

/// What a closure given to Database::read or ::write works with. Used by one
/// thread, not kept after the closure returns; all Rows must be gone by then.
class Transaction {
public:
    virtual ~Transaction() = default;

    /// @errors unavailable, conflict (a constraint), corrupt, internal
    virtual Result<std::unique_ptr<Rows>> query(
        Sql sql, std::initializer_list<Value> values) = 0;

    /// Returns the number of rows changed. @errors as query()
    virtual Result<std::int64_t> execute(
        Sql sql, std::initializer_list<Value> values) = 0;
};

using Work = std::function<Result<void>(Transaction&)>;

class Database {
public:
    virtual ~Database() = default;

    /// Runs `work` in a write transaction and returns when it is durable. An
    /// Error from `work` undoes only what it did. `work` must touch nothing
    /// but the transaction and its own captures: it runs on the writer's
    /// thread, and its effects are void if the commit fails.
    /// @errors those of `work`; unavailable when the commit failed
    /// @thread any; blocks
    virtual Result<void> write(const Work& work) = 0;

    /// Runs `work` on a snapshot, in the calling thread.
    /// @errors those of `work`; unavailable
    /// @thread any
    virtual Result<void> read(const Work& work) = 0;
};

struct DatabaseSettings {
    std::string folder;        // <root>/db
    std::size_t readers = 16;  // connections, opened when first needed
    bool read_only = false;    // neither lock nor migration nor write()
    /// Neither lock nor migration: another process may have the folder, and
    /// write() waits for its writes, up to 5 s, or fails with conflict when
    /// the file is being, or was, replaced. For small changes by a tool.
    bool beside = false;
};

/// Opens (or makes) longshore.sqlite in the folder, brings its schema up to
/// date and holds the folder's lock until it is destroyed.
/// @errors conflict (another process has the folder, or with `beside` makes
///         the database anew), unsupported (a newer version wrote it; with
///         `read_only` or `beside`: any other), not_found (`beside`),
///         unavailable, corrupt
Result<std::unique_ptr<Database>> open_sqlite(const DatabaseSettings& settings);

/// File name of the database within its folder.
inline constexpr std::string_view kDatabaseFile = "longshore.sqlite";
/// Folder within it where a rebuild makes the new one.
inline constexpr std::string_view kRebuildFolder = "rebuild";

}  // namespace longshore
