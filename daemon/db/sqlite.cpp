// Database over SQLite: one writer thread with group commit, a pool of reader
// connections, numbered schema files, one lock per folder.
#include <cerrno>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "common/probe.hpp"
#include "db/connection.hpp"
#include "db/database.hpp"
#include "db/folder_lock.hpp"
#include "db/schema.hpp"

namespace longshore {
namespace {

// More would make the first of the group wait long for the last.
constexpr std::size_t kGroupMax = 256;

// One waiting write. Lives on the stack of the thread that waits for it.
struct Job {
    const Work* work;
    Result<void> result;
    bool done = false;
    std::condition_variable answered;
};

Result<void> run_guarded(const Work& work, Transaction& transaction) noexcept {
    try {
        return work(transaction);
    } catch (const std::exception& e) {
        return Error{Code::internal,
                     std::string("in a transaction: ") + e.what()};
    }
}

Error newer_schema(std::int64_t found, std::size_t known) {
    return Error{Code::unsupported,
                 "database schema is version " + std::to_string(found) +
                     ", this program knows up to " + std::to_string(known) +
                     ": a newer version wrote it"};
}

Result<std::int64_t> schema_version(Connection& connection) {
    static constexpr Sql kVersion = "PRAGMA user_version";
    LS_TRY(rows, connection.query(kVersion, {}));
    LS_TRY(found, rows->next());
    return found ? rows->integer(0) : 0;
}

Result<void> migrate(Connection& connection) {
    auto files = schema_files();
    LS_TRY(version, schema_version(connection));
    if (version > static_cast<std::int64_t>(files.size())) {
        return newer_schema(version, files.size());
    }
    for (auto n = static_cast<std::size_t>(version); n < files.size(); ++n) {
        std::string script = "BEGIN IMMEDIATE;\n";
        script += files[n];
        script += "PRAGMA user_version = " + std::to_string(n + 1) + ";\n";
        script += "COMMIT;";
        if (auto done = connection.script(script.c_str()); !done) {
            if (!connection.idle()) {
                (void)connection.script("ROLLBACK");
            }
            return std::move(done).error();
        }
        LS_PROBE(migration, committed);
    }
    return {};
}

class SqliteDatabase final : public Database {
public:
    explicit SqliteDatabase(const DatabaseSettings& settings)
        : settings_(settings),
          file_(settings.folder + "/" + std::string(kDatabaseFile)) {
        // So that to give one back needs no memory.
        idle_readers_.reserve(settings.readers);
    }

    ~SqliteDatabase() override {
        {
            std::lock_guard guard(write_mutex_);
            stopping_ = true;
        }
        write_wanted_.notify_all();
        if (writer_thread_.joinable()) {
            writer_thread_.join();
        }
        idle_readers_.clear();
        writer_.reset();
    }

    Result<void> open() {
        if (settings_.read_only) {
            LS_TRY(reader, Connection::open(file_, true));
            LS_TRY(version, schema_version(*reader));
            auto known = schema_files().size();
            if (version != static_cast<std::int64_t>(known)) {
                return newer_schema(version, known);
            }
            idle_readers_.push_back(std::move(reader));
            open_readers_ = 1;
            return {};
        }
        if (settings_.beside) {
            LS_CHECK(open_beside());
        } else {
            LS_CHECK(lock_.take(settings_.folder));
            LS_TRY(writer, Connection::open(file_, false));
            writer_ = std::move(writer);
            LS_CHECK(migrate(*writer_));
        }
        writer_thread_ = std::thread([this]() noexcept { write_loop(); });
        return {};
    }

    Result<void> open_beside() {
        if (::stat(file_.c_str(), &opened_) != 0) {
            return errno_error("open " + file_, errno);
        }
        FolderLock same;
        LS_CHECK(hold_file(same));
        LS_TRY(writer, Connection::open(file_, false));
        writer_ = std::move(writer);
        LS_TRY(version, schema_version(*writer_));
        auto known = schema_files().size();
        if (version != static_cast<std::int64_t>(known)) {
            return Error{Code::unsupported, "database schema is version " +
                                                std::to_string(version) +
                                                ", this program works with " +
                                                std::to_string(known) +
                                                " only"};
        }
        return {};
    }

    // What a rebuild is about to replace, or has replaced, must not take a
    // write: it would be lost.
    Result<void> hold_file(FolderLock& same) const {
        LS_CHECK(same.take_to_write_beside(settings_.folder));
        struct stat now {};
        if (::stat(file_.c_str(), &now) != 0 || now.st_ino != opened_.st_ino ||
            now.st_dev != opened_.st_dev) {
            return Error{Code::conflict,
                         "the database was made anew meanwhile and nothing "
                         "was changed: do it again"};
        }
        return {};
    }

    Result<void> write(const Work& work) override {
        if (settings_.read_only) {
            return Error{Code::internal, "database was opened read-only"};
        }
        Job job{&work, {}, false, {}};
        std::unique_lock guard(write_mutex_);
        if (stopping_) {
            return Error{Code::unavailable, "database is closing"};
        }
        waiting_.push_back(&job);
        write_wanted_.notify_one();
        job.answered.wait(guard, [&] { return job.done; });
        return std::move(job.result);
    }

    Result<void> read(const Work& work) override {
        LS_TRY(reader, borrow());
        auto result = reader->script("BEGIN");
        if (result) {
            result = run_guarded(work, *reader);
            if (!reader->idle() && !reader->script("COMMIT")) {
                // Nothing was written; failing to end a snapshot leaves the
                // connection in doubt, so it is dropped.
                return result;
            }
        }
        reader.give_back();
        return result;
    }

private:
    void write_loop() noexcept {
        std::vector<Job*> group;
        group.reserve(kGroupMax);
        std::unique_lock guard(write_mutex_);
        for (;;) {
            write_wanted_.wait(guard,
                               [&] { return stopping_ || !waiting_.empty(); });
            if (waiting_.empty()) {
                return;
            }
            auto count = std::min(waiting_.size(), kGroupMax);
            auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
            group.assign(waiting_.begin(), end);
            waiting_.erase(waiting_.begin(), end);
            guard.unlock();
            commit_group(group);
            guard.lock();
            for (auto* job : group) {
                job->done = true;
                job->answered.notify_one();
            }
        }
    }

    // All or nothing for the commit, each for itself within it.
    void commit_group(std::vector<Job*>& group) noexcept {
        FolderLock same;
        auto outcome = settings_.beside ? hold_file(same) : Result<void>();
        if (!outcome) {
            for (auto* job : group) {
                job->result = outcome.error();
            }
            return;
        }
        outcome = writer_->script("BEGIN IMMEDIATE");
        LS_PROBE(database, begun);
        for (auto* job : group) {
            if (!outcome) {
                break;
            }
            outcome = run_in_savepoint(*job);
        }
        if (outcome) {
            LS_PROBE(database, filled);
            outcome = writer_->script("COMMIT");
            LS_PROBE(database, committed);
        }
        if (outcome) {
            return;
        }
        if (!writer_->idle()) {
            (void)writer_->script("ROLLBACK");
        }
        // Also for those that had failed by themselves: what they judged by
        // may have been written in this group, and is undone.
        for (auto* job : group) {
            job->result = Error{Code::unavailable,
                                "commit failed: " + outcome.error().message};
        }
    }

    // An Error means that the whole transaction is gone.
    Result<void> run_in_savepoint(Job& job) noexcept {
        LS_CHECK(writer_->script("SAVEPOINT one"));
        job.result = run_guarded(*job.work, *writer_);
        if (writer_->idle()) {
            // SQLite gave the transaction up (disk full, I/O error).
            return job.result
                       ? Error{Code::unavailable, "transaction was undone"}
                       : job.result.error();
        }
        if (!job.result) {
            LS_CHECK(writer_->script("ROLLBACK TO one"));
        }
        return writer_->script("RELEASE one");
    }

    // A reader's connection, which is dropped unless it is given back.
    class Borrowed {
    public:
        explicit Borrowed(SqliteDatabase& owner) noexcept : owner_(&owner) {}
        Borrowed(Borrowed&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)),
              connection_(std::move(other.connection_)) {}
        Borrowed& operator=(Borrowed&&) = delete;
        ~Borrowed() {
            if (owner_ != nullptr) {
                owner_->take_back(nullptr);
            }
        }
        Connection& operator*() const noexcept { return *connection_; }
        Connection* operator->() const noexcept { return connection_.get(); }
        void give_back() noexcept {
            std::exchange(owner_, nullptr)->take_back(std::move(connection_));
        }

    private:
        friend class SqliteDatabase;
        SqliteDatabase* owner_;
        std::unique_ptr<Connection> connection_;
    };

    Result<Borrowed> borrow() {
        std::unique_lock guard(read_mutex_);
        reader_free_.wait(guard, [&] {
            return !idle_readers_.empty() || open_readers_ < settings_.readers;
        });
        if (idle_readers_.empty()) {
            ++open_readers_;
            Borrowed borrowed(*this);
            guard.unlock();
            LS_TRY(reader, Connection::open(file_, true));
            borrowed.connection_ = std::move(reader);
            return borrowed;
        }
        Borrowed borrowed(*this);
        borrowed.connection_ = std::move(idle_readers_.back());
        idle_readers_.pop_back();
        return borrowed;
    }

    void take_back(std::unique_ptr<Connection> reader) noexcept {
        {
            std::lock_guard guard(read_mutex_);
            if (reader) {
                idle_readers_.push_back(std::move(reader));
            } else {
                --open_readers_;
            }
        }
        reader_free_.notify_one();
    }

    DatabaseSettings settings_;
    std::string file_;
    FolderLock lock_;
    struct stat opened_ {};  // the file, with `beside`

    std::unique_ptr<Connection> writer_;  // writer thread only, once started
    std::mutex write_mutex_;
    std::condition_variable write_wanted_;
    std::vector<Job*> waiting_;
    bool stopping_ = false;
    std::thread writer_thread_;

    std::mutex read_mutex_;
    std::condition_variable reader_free_;
    std::vector<std::unique_ptr<Connection>> idle_readers_;
    std::size_t open_readers_ = 0;
};

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(
    const DatabaseSettings& settings) {
    if (!settings.read_only && !settings.beside &&
        ::mkdir(settings.folder.c_str(), 0750) != 0 && errno != EEXIST) {
        return errno_error("make " + settings.folder, errno);
    }
    auto database = std::make_unique<SqliteDatabase>(settings);
    LS_CHECK(database->open());
    return std::unique_ptr<Database>(std::move(database));
}

}  // namespace longshore
