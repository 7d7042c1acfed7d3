#include "db/connection.hpp"

#include <cassert>
#include <charconv>

#include <fcntl.h>
#include <unistd.h>

#include "common/encoding.hpp"

namespace longshore {
namespace {

Code code_of(int sqlite_code) noexcept {
    switch (sqlite_code & 0xff) {
        case SQLITE_CONSTRAINT:
            return Code::conflict;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return Code::corrupt;
        case SQLITE_FULL:
        case SQLITE_IOERR:
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_NOMEM:
        case SQLITE_PERM:
            return Code::unavailable;
        default:
            return Code::internal;
    }
}

// NORMAL would let the last commits be lost with the power; FULL syncs the
// log once per commit, which the group shares.
constexpr const char* kWriterSettings =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA wal_autocheckpoint = 4000;"
    "PRAGMA journal_size_limit = 67108864;"
    "PRAGMA cache_size = -65536;"
    "PRAGMA temp_store = MEMORY;";

constexpr const char* kReaderSettings =
    "PRAGMA query_only = ON;"
    "PRAGMA cache_size = -8192;"
    "PRAGMA temp_store = MEMORY;";

constexpr int kBusyTimeoutMs = 5000;
constexpr int kCopyPauseMs = 20;

// Whoever may look into the folder must not read the hashes of passwords; the
// files beside it get the same permissions. Only a new one is opened: to close
// one would take away the locks that this process has on it.
void make_private(const std::string& file) noexcept {
    int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd >= 0) {
        ::close(fd);
    }
}

}  // namespace

// The running state of a prepared statement; gives it back when it goes.
class Connection::Cursor final : public Rows {
public:
    Cursor(const Connection& owner, Prepared& prepared)
        : owner_(owner), prepared_(prepared) {
        prepared_.busy = true;
    }

    ~Cursor() override {
        sqlite3_reset(prepared_.statement);
        sqlite3_clear_bindings(prepared_.statement);
        prepared_.busy = false;
    }
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;

    Result<bool> next() override {
        int code = sqlite3_step(prepared_.statement);
        if (code == SQLITE_ROW) {
            return true;
        }
        if (code == SQLITE_DONE) {
            return false;
        }
        return owner_.error(code, sqlite3_sql(prepared_.statement));
    }

    bool is_null(int column) const override {
        return sqlite3_column_type(prepared_.statement, column) == SQLITE_NULL;
    }

    std::int64_t integer(int column) const override {
        return sqlite3_column_int64(prepared_.statement, column);
    }

    std::string_view text(int column) const override {
        const auto* bytes = sqlite3_column_text(prepared_.statement, column);
        int size = sqlite3_column_bytes(prepared_.statement, column);
        return bytes == nullptr
                   ? std::string_view()
                   : std::string_view(reinterpret_cast<const char*>(bytes),
                                      static_cast<std::size_t>(size));
    }

private:
    const Connection& owner_;
    Prepared& prepared_;
};

Result<std::unique_ptr<Connection>> Connection::open(const std::string& file,
                                                     bool read_only) {
    if (!read_only) {
        make_private(file);
    }
    // A reader opens read-write too: it may have to make the shared-memory
    // file; query_only keeps it from writing content.
    LS_TRY(connection,
           open_with(file.c_str(), SQLITE_OPEN_READWRITE |
                                       (read_only ? 0 : SQLITE_OPEN_CREATE)));
    sqlite3_busy_timeout(connection->db_, kBusyTimeoutMs);
    LS_CHECK(connection->script(read_only ? kReaderSettings : kWriterSettings));
    return connection;
}

Result<std::unique_ptr<Connection>> Connection::open_with(const char* file,
                                                          int flags) {
    sqlite3* db = nullptr;
    int code = sqlite3_open_v2(file, &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Connection> connection(new Connection(db));
    if (code != SQLITE_OK) {
        return connection->error(code, std::string("open ") + file);
    }
    sqlite3_extended_result_codes(db, 1);
    return connection;
}

Result<std::unique_ptr<Connection>> Connection::open_frozen(
    const std::string& file) {
    // In a URI "?", "#" and "%" mean something.
    auto uri = "file:" + percent_encode(file, "/") + "?immutable=1";
    LS_TRY(connection,
           open_with(uri.c_str(), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI));
    sqlite3_db_config(connection->db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(connection->db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
                      nullptr);
    LS_CHECK(connection->script(kReaderSettings));
    LS_CHECK(connection->script("PRAGMA cell_size_check = ON"));
    return connection;
}

Result<std::unique_ptr<Connection>> Connection::open_in_memory() {
    return open_with(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
}

Result<void> Connection::copy_to(const std::string& file) {
    LS_TRY(target, open_with(file.c_str(), SQLITE_OPEN_READWRITE));
    // Nobody sees it before it is whole, and the caller makes it durable.
    LS_CHECK(
        target->script("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                       "PRAGMA cache_size = -8192;"));
    auto* copy = sqlite3_backup_init(target->db_, "main", db_, "main");
    if (copy == nullptr) {
        return target->error(sqlite3_errcode(target->db_), "copy to " + file);
    }
    // In one step, so that it is of one snapshot.
    int code = SQLITE_OK;
    do {
        code = sqlite3_backup_step(copy, -1);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
            sqlite3_sleep(kCopyPauseMs);
        }
    } while (code == SQLITE_BUSY || code == SQLITE_LOCKED);
    int finished = sqlite3_backup_finish(copy);
    if (code != SQLITE_DONE || finished != SQLITE_OK) {
        return target->error(finished, "copy to " + file);
    }
    return {};
}

Connection::~Connection() {
    for (auto& [text, prepared] : prepared_) {
        sqlite3_finalize(prepared.statement);
    }
    sqlite3_close(db_);
}

Result<Connection::Prepared*> Connection::prepare(
    Sql sql, std::initializer_list<Value> values) {
    auto& prepared = prepared_[sql.text()];
    if (prepared.statement == nullptr) {
        // Memory may run out at any of these: then it is not half prepared.
        prepared.slots.reserve(values.size());
        int code = sqlite3_prepare_v3(
            db_, sql.text().data(), static_cast<int>(sql.text().size()),
            SQLITE_PREPARE_PERSISTENT, &prepared.statement, nullptr);
        if (code != SQLITE_OK) {
            return error(code, sql.text());
        }
        // SQLite numbers "$n" by first appearance, so each is looked up.
        for (std::size_t n = 1; n <= values.size(); ++n) {
            auto name = "$" + std::to_string(n);
            prepared.slots.push_back(
                sqlite3_bind_parameter_index(prepared.statement, name.c_str()));
        }
    }
    if (prepared.busy) {
        return Error{Code::internal,
                     "statement is in use: " + std::string(sql.text())};
    }
    assert(prepared.slots.size() == values.size());
    std::size_t n = 0;
    for (const auto& value : values) {
        int slot = prepared.slots[n++];
        int code = SQLITE_OK;
        switch (value.kind()) {
            case Value::Kind::null:
                code = sqlite3_bind_null(prepared.statement, slot);
                break;
            case Value::Kind::integer:
                code = sqlite3_bind_int64(prepared.statement, slot,
                                          value.integer());
                break;
            case Value::Kind::text:
                code = sqlite3_bind_text64(
                    prepared.statement, slot,
                    value.text().data() != nullptr ? value.text().data() : "",
                    value.text().size(), SQLITE_STATIC, SQLITE_UTF8);
                break;
        }
        if (code != SQLITE_OK) {
            sqlite3_clear_bindings(prepared.statement);
            return error(code, sql.text());
        }
    }
    return &prepared;
}

Result<std::unique_ptr<Rows>> Connection::query(
    Sql sql, std::initializer_list<Value> values) {
    LS_TRY(prepared, prepare(sql, values));
    return std::unique_ptr<Rows>(std::make_unique<Cursor>(*this, *prepared));
}

Result<std::int64_t> Connection::execute(Sql sql,
                                         std::initializer_list<Value> values) {
    LS_TRY(prepared, prepare(sql, values));
    Cursor cursor(*this, *prepared);
    bool more = true;
    while (more) {
        LS_TRY(row, cursor.next());
        more = row;
    }
    return static_cast<std::int64_t>(sqlite3_changes64(db_));
}

Result<void> Connection::script(const char* text) {
    int code = sqlite3_exec(db_, text, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return error(code, std::string_view(text).substr(0, 80));
    }
    return {};
}

Error Connection::error(int code, std::string_view what) const {
    std::string message = "database: ";
    message += db_ != nullptr ? sqlite3_errmsg(db_) : sqlite3_errstr(code);
    message += " (";
    message += what.substr(0, 160);
    message += ")";
    return Error{code_of(code), std::move(message)};
}

}  // namespace longshore
