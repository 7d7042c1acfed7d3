#include "jobs/rebuild.hpp"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "common/clock.hpp"
#include "common/probe.hpp"
#include "db/accounts.hpp"
#include "db/audit.hpp"
#include "db/database.hpp"
#include "db/folder_lock.hpp"
#include "db/journal.hpp"
#include "db/package_copy.hpp"
#include "db/signing_keys.hpp"
#include "db/transparency.hpp"
#include "jobs/indexer.hpp"
#include "registry/publisher.hpp"
#include "registry/transparency.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAuditRows = 1000;
constexpr std::size_t kLogRows = 1000;

// What of an old database goes into the new one.
struct Kept {
    std::string folder;  // of the old database; "": it was no help
    db::AccountRows accounts;
    db::SigningRows signing;
    Actor by;
};

// Writes that were acknowledged last may have their links only in the old
// database. Those that cannot be made now end the rebuild: the disk that it
// reads would not know of them. Accounts and signing keys are nowhere but in
// it.
Result<void> finish_old(const std::string& folder, BlobStore& store,
                        Kept& kept) {
    LS_TRY(database, open_sqlite({folder}));
    LS_CHECK(Publisher(*database, store, ManifestPolicy{}).start());
    return database->read([&](Transaction& t) -> Result<void> {
        LS_TRY(rows, db::read_accounts(t));
        kept.accounts = std::move(rows);
        LS_TRY(keys, db::read_signing_keys(t));
        kept.signing = std::move(keys);
        LS_TRY(left, db::list_intents(t, 1, 0));
        if (left.empty()) {
            return {};
        }
        return Error{
            Code::unavailable,
            "link files of acknowledged writes cannot be made durable, such "
            "as " +
                left[0].name + " " + left[0].reference +
                " (the log says why); a rebuild would lose those writes: make "
                "the disk writable and try again, or move " +
                std::string(kDatabaseFile) + " away to give them up"};
    });
}

// What may be better the next time, or with a newer version of this program,
// must not be taken for a lost database.
bool may_pass(const Error& error) {
    return error.code == Code::conflict || error.code == Code::unavailable ||
           error.code == Code::timeout || error.code == Code::unsupported;
}

// The audit log as it is, or none if the old database was no help.
Result<void> copy_audit(const std::string& from, Database& to) {
    DatabaseSettings settings;
    settings.folder = from;
    settings.read_only = true;
    LS_TRY(old, open_sqlite(settings));
    db::AuditPage page;
    db::AuditFilter filter;
    filter.after_id = -1;
    db::AuditPoint checkpoint;
    do {
        LS_CHECK(old->read([&](Transaction& t) -> Result<void> {
            LS_TRY(point, db::audit_checkpoint(t));
            checkpoint = std::move(point);
            LS_TRY(read, db::list_audit(t, filter, kAuditRows, kAuditRows));
            page = std::move(read);
            return {};
        }));
        LS_CHECK(to.write([&](Transaction& t) -> Result<void> {
            if (filter.after_id < 0) {
                LS_CHECK(db::start_audit(t, checkpoint));
            }
            for (const auto& row : page.rows) {
                LS_CHECK(db::copy_audit(t, row));
            }
            return {};
        }));
        filter.after_id = page.next;
    } while (page.next != 0);
    return {};
}

// The logs that a key which is kept has signed: a shorter one under the same
// key would look like a forgery to whoever saw the longer one.
Result<void> copy_logs(const Kept& kept, Database& to) {
    DatabaseSettings settings;
    settings.folder = kept.folder;
    settings.read_only = true;
    LS_TRY(old, open_sqlite(settings));
    for (const auto& repository : kept.signing.repositories) {
        std::vector<db::LogRow> rows;
        std::int64_t first = 0;
        do {
            LS_CHECK(old->read([&](Transaction& t) -> Result<void> {
                LS_TRY(read,
                       db::log_records(t, repository.id, first, kLogRows));
                rows = std::move(read);
                return {};
            }));
            LS_CHECK(to.write([&](Transaction& t) -> Result<void> {
                for (const auto& row : rows) {
                    LS_CHECK(TransparencyLog::append(
                        t, repository.id, {row.subject, row.record}));
                }
                return {};
            }));
            first += static_cast<std::int64_t>(rows.size());
        } while (rows.size() == kLogRows);
    }
    return {};
}

// Packages and all that hangs on them, of which the disk has only the bytes.
Result<void> copy_packages(const std::string& from, Database& to) {
    DatabaseSettings settings;
    settings.folder = from;
    settings.read_only = true;
    LS_TRY(old, open_sqlite(settings));
    return db::copy_packages(*old, to);
}

Result<void> tell(Database& database, const Actor& by, const char* detail) {
    return database.write([&](Transaction& t) -> Result<void> {
        db::AuditEntry entry;
        entry.at_ms = unix_ms();
        entry.action = "registry.rebuild";
        entry.actor = by;
        entry.detail = detail;
        LS_TRY(added, db::append_audit(t, entry));
        static_cast<void>(added);
        return {};
    });
}

Result<void> fill(const std::string& folder, BlobStore& store,
                  ManifestReader reader, const Kept& kept) {
    LS_TRY(database, open_sqlite({folder}));
    if (!kept.folder.empty()) {
        LS_CHECK(copy_audit(kept.folder, *database));
        LS_CHECK(copy_packages(kept.folder, *database));
    }
    LS_CHECK(tell(*database, kept.by,
                  kept.folder.empty() ? "the audit log begins anew" : ""));
    LS_CHECK(database->write([&](Transaction& t) -> Result<void> {
        LS_CHECK(db::write_accounts(t, kept.accounts));
        return db::write_signing_keys(t, kept.signing);
    }));
    if (!kept.folder.empty()) {
        LS_CHECK(copy_logs(kept, *database));
    }
    Takeover takeover(*database, store, reader);
    return Indexer(takeover).run();
}

Error failed(std::string_view what, const std::error_code& code) {
    return errno_error(what, code.value());
}

Result<void> remove(const std::string& file) {
    std::error_code code;
    fs::remove(file, code);
    return code ? failed("remove " + file, code) : Result<void>();
}

// A second name, so that at no moment the database has none: a daemon that
// found nothing there would begin with an empty one.
Result<void> keep_as(const std::string& from, const std::string& to) {
    LS_CHECK(remove(to));
    std::error_code code;
    fs::create_hard_link(from, to, code);
    if (code && code != std::errc::no_such_file_or_directory) {
        return failed("link to " + to, code);
    }
    return {};
}

// A file that is not there needs no move.
Result<void> move_if_there(const std::string& from, const std::string& to) {
    std::error_code code;
    fs::rename(from, to, code);
    if (code && code != std::errc::no_such_file_or_directory) {
        return failed("rename " + from, code);
    }
    return {};
}

Result<void> swap_in(const fs::path& from, const fs::path& folder) {
    std::error_code code;
    auto fresh = (from / kDatabaseFile).string();
    bool unfinished = fs::exists(fresh + "-wal", code);
    if (code || unfinished) {
        return Error{
            Code::unavailable,
            "the new database was not closed whole: " + fresh + "-wal is left"};
    }
    auto file = (folder / kDatabaseFile).string();
    auto old = file + ".old";
    // No log may ever meet another file than its own.
    LS_CHECK(remove(old + "-wal"));
    LS_CHECK(remove(old + "-shm"));
    LS_CHECK(keep_as(file, old));
    LS_CHECK(move_if_there(file + "-wal", old + "-wal"));
    LS_CHECK(remove(file + "-shm"));
    LS_PROBE(rebuild, moved);
    fs::rename(fresh, file, code);
    if (code) {
        return failed("rename to " + file, code);
    }
    LS_PROBE(rebuild, renamed);
    int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno_error("open " + folder.string(), errno);
    }
    int synced = ::fsync(fd);
    int error = errno;
    ::close(fd);
    return synced == 0 ? Result<void>()
                       : errno_error("sync " + folder.string(), error);
}

}  // namespace

void discard_unfinished_rebuild(const std::string& database_folder) noexcept {
    std::error_code ignored;
    fs::remove_all(fs::path(database_folder) / kRebuildFolder, ignored);
}

Result<RebuildReport> rebuild(const std::string& database_folder,
                              BlobStore& store, ManifestReader reader,
                              const Actor& by) {
    RebuildReport report;
    fs::path folder(database_folder);
    std::error_code code;
    bool has_old = fs::exists(folder / kDatabaseFile, code);
    if (code) {
        return failed("look at " + database_folder, code);
    }
    fs::create_directories(folder, code);
    if (code) {
        return failed("make " + database_folder, code);
    }
    // From before the accounts are read until the new file has the name: what
    // is changed in between would be lost.
    FolderLock alone;
    LS_CHECK(alone.take_to_replace(database_folder));
    Kept kept;
    kept.by = by;
    if (has_old) {
        auto finished = finish_old(database_folder, store, kept);
        if (!finished) {
            if (may_pass(finished.error())) {
                return std::move(finished).error();
            }
            report.old_database = finished.error().message;
        } else {
            kept.folder = database_folder;
        }
    }
    FolderLock lock;
    LS_CHECK(lock.take(database_folder));
    auto work = folder / kRebuildFolder;
    fs::remove_all(work, code);
    auto filled = fill(work.string(), store, reader, kept);
    if (filled) {
        LS_PROBE(rebuild, filled);
        filled = swap_in(work, folder);
    }
    fs::remove_all(work, code);
    LS_CHECK(std::move(filled));
    return report;
}

}  // namespace longshore
