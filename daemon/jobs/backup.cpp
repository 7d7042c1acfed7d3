#include "jobs/backup.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "common/clock.hpp"
#include "common/token.hpp"
#include "db/collections.hpp"
#include "db/snapshot.hpp"
#include "registry/takeover.hpp"
#include "store/package_store.hpp"
#include "store/root_marks.hpp"

namespace longshore {
namespace {

constexpr std::size_t kPage = 1000;
// Written, made durable and renamed together.
constexpr std::size_t kBatch = 256;
constexpr std::uint64_t kBatchBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMaxKey = 4096;

constexpr std::string_view kIncoming = "incoming";

// A file of the backup itself, hashed while it is written.
class OwnFile {
public:
    static Result<OwnFile> make(const FileTree& tree, const std::string& name,
                                std::string_view path) {
        LS_TRY(writer, tree.create(BackupFolder::path(name, path)));
        return OwnFile(std::move(writer), std::string(path));
    }

    Result<void> write(std::string_view bytes) {
        hash_.update(bytes);
        size_ += bytes.size();
        return writer_->write(bytes);
    }

    Result<BackupFile> finish() {
        LS_CHECK(writer_->sync());
        return BackupFile{path_, size_, std::string(hash_.digest().encoded())};
    }

private:
    OwnFile(std::unique_ptr<TreeWriter> writer, std::string path)
        : writer_(std::move(writer)), path_(std::move(path)) {}

    std::unique_ptr<TreeWriter> writer_;
    std::string path_;
    std::uint64_t size_ = 0;
    Hash hash_{Algorithm::sha256};
};

// Takes blobs into the folder, a batch at a time.
class Pool {
public:
    explicit Pool(const FileTree& tree) : tree_(tree) {}

    /// True if it is there already, of that size.
    Result<bool> has(const ListedBlob& blob) const {
        LS_TRY(size, tree_.size(BackupFolder::blob(blob.digest)));
        return size == blob.size_bytes;
    }

    /// @errors corrupt: the source is not what its digest says
    Result<void> add(const ListedBlob& blob, const ByteSource& source) {
        auto name = std::string(kIncoming) + "/" + std::to_string(next_++);
        LS_TRY(writer, tree_.create(name));
        auto digest = hash_all(
            source, blob.digest.algorithm(),
            [&](std::string_view bytes) -> Result<void> {
                auto written = writer->write(bytes);
                if (!written) {
                    written_ = written.error();  // ours, not the source's
                }
                return written;
            });
        bool same = digest && *digest == blob.digest;
        if (!same) {
            LS_CHECK(tree_.remove(name));
        }
        if (written_) {
            return std::move(*written_);
        }
        if (!digest) {
            return Error{Code::corrupt, digest.error().message};
        }
        if (!same) {
            return Error{Code::corrupt, "the store has other bytes"};
        }
        bytes_ += blob.size_bytes;
        waiting_.push_back({std::move(name), blob.digest, std::move(writer)});
        if (waiting_.size() >= kBatch || bytes_ >= kBatchBytes) {
            return flush();
        }
        return {};
    }

    /// What was added is there, and durable.
    Result<void> flush() {
        for (const auto& one : waiting_) {
            LS_CHECK(one.writer->sync());
        }
        std::set<std::string> shelves;
        for (const auto& one : waiting_) {
            auto shelf = BackupFolder::shelf(one.digest);
            if (shelves.insert(shelf).second) {
                LS_CHECK(tree_.make_folder(shelf));
            }
            LS_CHECK(tree_.rename(one.file, BackupFolder::blob(one.digest)));
        }
        std::set<std::string> above;
        for (const auto& shelf : shelves) {
            LS_CHECK(tree_.sync_folder(shelf));
            above.insert(shelf.substr(0, shelf.rfind('/')));
        }
        for (const auto& folder : above) {
            LS_CHECK(tree_.sync_folder(folder));
        }
        if (!above.empty()) {
            LS_CHECK(tree_.sync_folder("blobs"));
        }
        waiting_.clear();
        bytes_ = 0;
        return {};
    }

private:
    struct Waiting {
        std::string file;
        Digest digest;
        std::unique_ptr<TreeWriter> writer;
    };
    const FileTree& tree_;
    std::uint64_t next_ = 0;
    std::vector<Waiting> waiting_;
    std::uint64_t bytes_ = 0;
    std::optional<Error> written_;
};

// One backup that is being made.
class Making {
public:
    Making(BackupFolder& folder, const BackupOrder& order,
           const TellDamage& tell)
        : tree_(folder.tree()), order_(order), tell_(tell), pool_(tree_) {}

    Result<BackupReport> run(const std::string& name) {
        auto& manifest = report_.manifest;
        manifest.name = name;
        manifest.program = order_.program;
        manifest.started_ms = unix_ms();
        LS_CHECK(tree_.make_folder(BackupFolder::path(name, "keys/token")));
        {
            // From before the snapshot: what it names stays until it is here.
            LS_TRY(lease, BackupLease::hold(order_.root));
            LS_CHECK(database());
            LS_CHECK(keys());
            LS_CHECK(blobs());
        }
        manifest.ended_ms = unix_ms();
        std::sort(manifest.files.begin(), manifest.files.end(),
                  [](const BackupFile& a, const BackupFile& b) {
                      return a.path < b.path;
                  });
        LS_CHECK(finish());
        return std::move(report_);
    }

private:
    std::string path(std::string_view file) const {
        return BackupFolder::path(report_.manifest.name, file);
    }

    Result<void> database() {
        { LS_TRY(writer, tree_.create(path(kBackupDatabase))); }
        auto file = tree_.path() + "/" + path(kBackupDatabase);
        LS_CHECK(take_snapshot(order_.database, file));
        LS_TRY(opened, open_snapshot(file));
        snapshot_ = std::move(opened);
        LS_CHECK(snapshot_->check(Snapshot::Depth::quick));
        LS_CHECK(snapshot_->read(check_indexed));
        LS_TRY(source, tree_.read(path(kBackupDatabase)));
        LS_TRY(digest, hash_all(*source, Algorithm::sha256, {}));
        report_.manifest.files.push_back({std::string(kBackupDatabase),
                                          source->size(),
                                          std::string(digest.encoded())});
        return tree_.sync();  // SQLite wrote it
    }

    // After the database: what it holds is sealed with the key that is there.
    Result<void> keys() {
        LS_TRY(root, FileTree::open(order_.root, {}));
        LS_CHECK(key(root, "keys/signing.key"));
        LS_TRY(names, root.names("keys/token"));
        for (const auto& name : names) {
            auto file = "keys/token/" + name;
            if (is_backup_path(file)) {
                LS_CHECK(key(root, file));
            }
        }
        return {};
    }

    Result<void> key(const FileTree& root, const std::string& file) {
        auto text = root.read_text(file, kMaxKey);
        if (!text) {
            // There is none, or one that signed is just going.
            return text.error().code == Code::not_found
                       ? Result<void>()
                       : std::move(text).error();
        }
        LS_TRY(own, OwnFile::make(tree_, report_.manifest.name, file));
        auto written = own.write(*text);
        wipe(*text);
        LS_CHECK(std::move(written));
        LS_TRY(done, own.finish());
        report_.manifest.files.push_back(std::move(done));
        return {};
    }

    static void wipe(std::string& text) noexcept {
        volatile char* at = text.data();
        for (std::size_t i = 0; i < text.size(); ++i) {
            at[i] = 0;
        }
    }

    Result<void> blobs() {
        LS_TRY(store, open_package_store(order_.root,
                                         std::make_shared<DigestLocks>()));
        LS_TRY(list, OwnFile::make(tree_, report_.manifest.name, kBackupBlobs));
        LS_TRY(missing,
               OwnFile::make(tree_, report_.manifest.name, kBackupMissing));
        std::vector<db::StoredBlob> page;
        std::string last;
        do {
            LS_CHECK(snapshot_->read([&](Transaction& t) -> Result<void> {
                LS_TRY(rows, db::list_stored_blobs(t, kPage, last));
                page = std::move(rows);
                return {};
            }));
            std::string lines;
            std::string lost;
            for (const auto& row : page) {
                LS_TRY(digest, Digest::parse(row.digest));
                ListedBlob blob{digest, row.size_bytes};
                LS_TRY(took, take(*store, blob, row.id));
                if (took == Took::yes) {
                    lines += blob.line();
                } else if (took == Took::no) {
                    lost += blob.line();
                }
                last = row.digest;
            }
            LS_CHECK(list.write(lines));
            LS_CHECK(missing.write(lost));
        } while (page.size() == kPage);
        LS_CHECK(pool_.flush());
        LS_TRY(blobs, list.finish());
        LS_TRY(gone, missing.finish());
        report_.manifest.files.push_back(std::move(blobs));
        report_.manifest.files.push_back(std::move(gone));
        return {};
    }

    enum class Took : std::uint8_t { yes, no, not_needed };

    Result<Took> take(PackageStore& store, const ListedBlob& blob,
                      std::int64_t id) {
        auto& manifest = report_.manifest;
        LS_TRY(there, pool_.has(blob));
        if (!there) {
            auto copied = copy(store, blob);
            if (!copied && copied.error().code != Code::corrupt &&
                copied.error().code != Code::not_found) {
                return std::move(copied).error();
            }
            if (!copied) {
                LS_TRY(unused, is_unused(id));
                if (unused) {
                    return Took::not_needed;
                }
                ++manifest.missing;
                tell_(blob.digest.str() + ": " + copied.error().message);
                return Took::no;
            }
            ++report_.copied;
            report_.copied_bytes += blob.size_bytes;
        }
        ++manifest.blobs;
        manifest.blob_bytes += blob.size_bytes;
        return Took::yes;
    }

    Result<void> copy(PackageStore& store, const ListedBlob& blob) {
        auto source = store.open_blob(blob.digest);
        if (!source) {
            auto code = source.error().code;
            return Error{code == Code::not_found ? code : Code::corrupt,
                         code == Code::not_found ? "not in the store"
                                                 : source.error().message};
        }
        if ((*source)->size() != blob.size_bytes) {
            return Error{Code::corrupt, "has " +
                                            std::to_string((*source)->size()) +
                                            " bytes in the store, " +
                                            std::to_string(blob.size_bytes) +
                                            " in the database"};
        }
        return pool_.add(blob, **source);
    }

    // What an earlier end of the collector left: a row without its file.
    Result<bool> is_unused(std::int64_t id) {
        bool unused = false;
        LS_CHECK(snapshot_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(answer, db::is_unused_blob(t, id));
            unused = answer;
            return {};
        }));
        return unused;
    }

    // The manifest last, when all that it names is durable.
    Result<void> finish() {
        const auto& name = report_.manifest.name;
        for (const char* folder : {"keys/token", "keys"}) {
            LS_CHECK(tree_.sync_folder(path(folder)));
        }
        auto own = "backups/" + name;
        LS_CHECK(tree_.sync_folder(own));
        LS_CHECK(tree_.sync_folder("backups"));
        LS_CHECK(tree_.sync_folder(""));
        auto fresh = path("manifest.new");
        {
            LS_TRY(writer, tree_.create(fresh));
            LS_CHECK(writer->write(report_.manifest.text()));
            LS_CHECK(writer->sync());
        }
        LS_CHECK(tree_.rename(fresh, path(kManifestFile)));
        return tree_.sync_folder(own);
    }

    const FileTree& tree_;
    const BackupOrder& order_;
    const TellDamage& tell_;
    Pool pool_;
    std::unique_ptr<Snapshot> snapshot_;
    BackupReport report_;
};

// What a create or a prune that was killed left.
Result<void> clear_unfinished(BackupFolder& folder) {
    LS_TRY(unfinished, folder.unfinished());
    for (const auto& name : unfinished) {
        LS_CHECK(folder.tree().remove_folder("backups/" + name));
    }
    LS_CHECK(folder.tree().remove_folder(kIncoming));
    return {};
}

}  // namespace

Result<BackupReport> create_backup(BackupFolder& folder,
                                   const BackupOrder& order,
                                   const TellDamage& tell) {
    LS_CHECK(clear_unfinished(folder));
    for (auto path :
         {std::string_view("backups"), std::string_view("blobs"), kIncoming}) {
        LS_CHECK(folder.tree().make_folder(path));
    }
    // After all others, also when the clock was set back.
    LS_TRY(names, folder.names());
    auto name = backup_name(unix_ms() / 1000);
    if (!names.empty() && name <= names.back()) {
        name = next_backup_name(names.back());
    }
    if (!names.empty() && name <= names.back()) {
        return Error{Code::conflict,
                     "no backup can be made after " + names.back()};
    }
    Making making(folder, order, tell);
    auto report = making.run(name);
    if (report) {
        LS_CHECK(folder.tree().remove_folder(kIncoming));
    }
    return report;
}

}  // namespace longshore
