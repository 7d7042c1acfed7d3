#include "jobs/rebuild.hpp"

#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "db/database.hpp"
#include "db/folder_lock.hpp"
#include "jobs/indexer.hpp"
#include "registry/publisher.hpp"
#include "store/blob_store.hpp"

namespace longshore {
namespace {

namespace fs = std::filesystem;

// Writes that were acknowledged last may have their links only in the old
// database.
Result<void> finish_old(const std::string& folder, BlobStore& store) {
    LS_TRY(database, open_sqlite({folder}));
    return Publisher(*database, store, ManifestPolicy{}).start();
}

Result<void> fill(const std::string& folder, BlobStore& store,
                  ManifestReader reader) {
    LS_TRY(database, open_sqlite({folder}));
    Takeover takeover(*database, store, reader);
    return Indexer(takeover).run();
}

Error failed(std::string_view what, const std::error_code& code) {
    return errno_error(what, code.value());
}

Result<void> swap_in(const fs::path& from, const fs::path& folder) {
    std::error_code code;
    auto file = folder / kDatabaseFile;
    // Its log first: it must never meet the new file.
    for (const auto* suffix : {"-wal", "-shm"}) {
        fs::remove(file.string() + suffix, code);
        if (code) {
            return failed("remove " + file.string() + suffix, code);
        }
    }
    if (fs::exists(file, code)) {
        fs::rename(file, file.string() + ".old", code);
        if (code) {
            return failed("rename " + file.string(), code);
        }
    }
    fs::rename(from / kDatabaseFile, file, code);
    if (code) {
        return failed("rename to " + file.string(), code);
    }
    int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)::fsync(fd);
        ::close(fd);
    }
    return {};
}

}  // namespace

Result<RebuildReport> rebuild(const std::string& database_folder,
                              BlobStore& store, ManifestReader reader) {
    RebuildReport report;
    fs::path folder(database_folder);
    std::error_code code;
    if (fs::exists(folder / kDatabaseFile, code)) {
        auto finished = finish_old(database_folder, store);
        if (!finished) {
            if (finished.error().code == Code::conflict) {
                return std::move(finished).error();
            }
            report.old_database = finished.error().message;
        }
    }
    fs::create_directories(folder, code);
    if (code) {
        return failed("make " + database_folder, code);
    }
    FolderLock lock;
    LS_CHECK(lock.take(database_folder));
    auto work = folder / "rebuild";
    fs::remove_all(work, code);
    auto filled = fill(work.string(), store, reader);
    if (filled) {
        filled = swap_in(work, folder);
    }
    fs::remove_all(work, code);
    LS_CHECK(std::move(filled));
    return report;
}

}  // namespace longshore
