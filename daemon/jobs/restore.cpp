#include "jobs/restore.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "common/clock.hpp"
#include "common/layout.hpp"
#include "common/oci_path.hpp"
#include "db/audit.hpp"
#include "db/collections.hpp"
#include "db/oci.hpp"
#include "db/snapshot.hpp"
#include "store/blob_store.hpp"
#include "store/root_marks.hpp"

namespace longshore {
namespace {

constexpr std::size_t kPage = 1000;
constexpr std::size_t kMaxKey = 4096;
// As the first start makes them.
constexpr FileTree::Modes kRootModes{0640, 0750};
constexpr mode_t kSecret = 0600;
constexpr mode_t kKeys = 0755;
constexpr mode_t kTokenKeys = 0700;
constexpr mode_t kDatabaseFolder = 0750;
// The database is made ready here, below its own folder.
constexpr std::string_view kWork = "restore";

Error refused(const std::string& what) {
    return Error{Code::corrupt, "the backup is refused: " + what};
}

Result<Digest> parse(std::string_view text) {
    auto digest = Digest::parse(text);
    return digest ? digest : refused("its database has a digest that is none");
}

// Calls `visit` for each link file that the tables stand for; a tag's
// `current` last.
class LinkWalk {
public:
    using Visit = std::function<Result<void>(const Path&, const Digest&)>;

    LinkWalk(Snapshot& snapshot, std::string root, Visit visit)
        : snapshot_(snapshot),
          root_(std::move(root)),
          visit_(std::move(visit)) {}

    Result<void> run() {
        std::vector<std::string> names;
        std::string last;
        do {
            LS_CHECK(snapshot_.read([&](Transaction& t) -> Result<void> {
                LS_TRY(page, db::list_names(t, kPage, last));
                names = std::move(page);
                return {};
            }));
            for (auto& name : names) {
                if (!is_repository_name(name)) {
                    return refused("a repository has a name that none has");
                }
                LS_CHECK(one(name));
                last = std::move(name);
            }
        } while (names.size() == kPage);
        return {};
    }

private:
    Result<void> one(const std::string& name) {
        LS_CHECK(digests(name, db::list_links, layout::layer_link));
        LS_CHECK(digests(name, db::list_manifests, layout::revision_link));
        return tags(name);
    }

    Result<db::Id> id_of(Transaction& t, const std::string& name) {
        LS_TRY(row, db::find_name(t, name));
        return row ? row->id : 0;
    }

    template <typename List, typename PathOf>
    Result<void> digests(const std::string& name, List list, PathOf path_of) {
        std::vector<db::Sized> page;
        std::string last;
        do {
            LS_CHECK(snapshot_.read([&](Transaction& t) -> Result<void> {
                LS_TRY(id, id_of(t, name));
                LS_TRY(rows, list(t, id, kPage, last));
                page = std::move(rows);
                return {};
            }));
            for (auto& row : page) {
                LS_TRY(digest, parse(row.digest));
                LS_CHECK(visit_(path_of(root_, name, digest), digest));
                last = std::move(row.digest);
            }
        } while (page.size() == kPage);
        return {};
    }

    Result<void> tags(const std::string& name) {
        std::vector<db::Tagged> page;
        std::string last;
        do {
            LS_CHECK(snapshot_.read([&](Transaction& t) -> Result<void> {
                LS_TRY(id, id_of(t, name));
                LS_TRY(rows, db::list_tags(t, id, kPage, last));
                page = std::move(rows);
                return {};
            }));
            for (auto& row : page) {
                LS_TRY(digest, parse(row.digest));
                if (!is_tag(row.tag)) {
                    return refused("a tag of " + name + " is none");
                }
                LS_CHECK(visit_(layout::tag_index(root_, name, row.tag, digest),
                                digest));
                LS_CHECK(
                    visit_(layout::tag_current(root_, name, row.tag), digest));
                last = std::move(row.tag);
            }
        } while (page.size() == kPage);
        return {};
    }

    Snapshot& snapshot_;
    std::string root_;
    Visit visit_;
};

class Restore {
public:
    Restore(BackupFolder& folder, const RestoreOrder& order,
            const TellDamage& tell, BackupManifest manifest)
        : folder_(folder),
          from_(folder.tree()),
          order_(order),
          tell_(tell),
          manifest_(std::move(manifest)) {}

    Result<RestoreReport> run() {
        LS_TRY(root, FileTree::open(order_.root, kRootModes));
        root_.emplace(std::move(root));
        LS_TRY(again, look_at_root());
        going_on_ = again;
        LS_CHECK(look_at_backup());
        LS_CHECK(begin());
        LS_CHECK(blobs());
        LS_CHECK(keys());
        LS_CHECK(database());
        LS_CHECK(links());
        LS_CHECK(root_->sync());
        LS_CHECK(end());
        return report_;
    }

private:
    std::string path(std::string_view file) const {
        return BackupFolder::path(manifest_.name, file);
    }

    // True if half of this backup is there already.
    Result<bool> look_at_root() {
        auto mark = root_->read_text(kRestoreMark, kMaxKey);
        if (mark) {
            if (*mark == manifest_.identity() + "\n") {
                return true;
            }
            return Error{Code::conflict,
                         order_.root + " has half of another backup in it (" +
                             mark->substr(0, 16) + "): empty it first"};
        }
        if (mark.error().code != Code::not_found) {
            return std::move(mark).error();
        }
        LS_CHECK(must_be_empty(*root_, "root"));
        auto database = FileTree::open(order_.database, kRootModes);
        if (database) {
            LS_CHECK(must_be_empty(*database, "database"));
        } else if (database.error().code != Code::not_found) {
            return std::move(database).error();
        }
        return false;
    }

    static Result<void> must_be_empty(const FileTree& tree, const char* what) {
        LS_TRY(names, tree.names(""));
        std::erase(names, "lost+found");
        return names.empty()
                   ? Result<void>()
                   : Error{Code::conflict,
                           std::string(what) + " " + tree.path() +
                               " is not empty: it has " + names.front()};
    }

    // Everything but the bytes of the blobs.
    Result<void> look_at_backup() {
        for (const auto& file : manifest_.files) {
            LS_TRY(source, from_.read(path(file.path)));
            if (source->size() != file.size_bytes) {
                return refused(file.path + " has another size");
            }
            LS_TRY(digest, hash_all(*source, Algorithm::sha256, {}));
            if (digest.encoded() != file.sha256) {
                return refused(file.path + " has another digest");
            }
        }
        LS_CHECK(no_strangers());
        LS_TRY(opened,
               open_snapshot(from_.path() + "/" + path(kBackupDatabase)));
        snapshot_ = std::move(opened);
        LS_CHECK(snapshot_->check(Snapshot::Depth::full));
        LS_CHECK(compare());
        LinkWalk walk(*snapshot_, "", [&](const Path& to, const Digest&) {
            return to.empty() ? refused("a name is too long") : Result<void>();
        });
        return walk.run();
    }

    Result<void> no_strangers() {
        for (const char* folder : {"", "keys/", "keys/token/"}) {
            auto at = path(folder);
            at.pop_back();
            LS_TRY(names, from_.names(at));
            for (const auto& each : names) {
                auto file = folder + each;
                if (manifest_.find(file) == nullptr && file != kManifestFile &&
                    file != "keys" && file != "keys/token") {
                    return refused(file + " is not named by the manifest");
                }
            }
        }
        return {};
    }

    // The lists have what the database names, all of it and nothing else, and
    // the files have the sizes that are said.
    Result<void> compare() {
        LS_TRY(has, folder_.list(manifest_, kBackupBlobs));
        LS_TRY(lacks, folder_.list(manifest_, kBackupMissing));
        LS_TRY(has_first, has.next());
        LS_TRY(lacks_first, lacks.next());
        auto in_has = has_first;
        auto in_lacks = lacks_first;
        std::vector<db::StoredBlob> page;
        std::string last;
        std::uint64_t bytes = 0;
        do {
            LS_CHECK(snapshot_->read([&](Transaction& t) -> Result<void> {
                LS_TRY(rows, db::list_stored_blobs(t, kPage, last));
                page = std::move(rows);
                return {};
            }));
            for (const auto& row : page) {
                last = row.digest;
                LS_TRY(digest, parse(row.digest));
                LS_CHECK(not_before(in_has, digest));
                LS_CHECK(not_before(in_lacks, digest));
                if (in_has && in_has->digest == digest) {
                    LS_CHECK(same_size(*in_has, row.size_bytes));
                    bytes += row.size_bytes;
                    LS_TRY(next, has.next());
                    in_has = next;
                } else if (in_lacks && in_lacks->digest == digest) {
                    LS_TRY(next, lacks.next());
                    in_lacks = next;
                    ++report_.damage;
                    tell_(row.digest +
                          " was damaged or missing when the backup was made");
                } else {
                    LS_CHECK(must_be_unused(row));
                }
            }
        } while (page.size() == kPage);
        LS_CHECK(not_before(in_has, std::nullopt));
        LS_CHECK(not_before(in_lacks, std::nullopt));
        if (bytes != manifest_.blob_bytes) {
            return refused("its blobs have other sizes in all");
        }
        return enough_room(bytes);
    }

    // The database names digests in the same order.
    static Result<void> not_before(const std::optional<ListedBlob>& listed,
                                   const std::optional<Digest>& named) {
        if (!listed || (named && !(listed->digest < *named))) {
            return {};
        }
        return refused(listed->digest.str() + " is not named by its database");
    }

    Result<void> same_size(const ListedBlob& blob, std::uint64_t wanted) {
        LS_TRY(size, from_.size(BackupFolder::blob(blob.digest)));
        if (blob.size_bytes == wanted && (!size || *size == wanted)) {
            return {};  // one that is not there is damage, later
        }
        if (blob.size_bytes == wanted && order_.skip_damaged) {
            return {};
        }
        return refused(blob.digest.str() + " has another size");
    }

    Result<void> must_be_unused(const db::StoredBlob& row) {
        bool unused = false;
        LS_CHECK(snapshot_->read([&](Transaction& t) -> Result<void> {
            LS_TRY(answer, db::is_unused_blob(t, row.id));
            unused = answer;
            return {};
        }));
        return unused ? Result<void>()
                      : refused("it does not have " + row.digest +
                                ", which its database names");
    }

    Result<void> enough_room(std::uint64_t bytes) {
        LS_TRY(room, root_->free_bytes());
        if (going_on_ || bytes <= room) {
            return {};
        }
        return Error{Code::unavailable,
                     order_.root + " has room for " + std::to_string(room) +
                         " bytes, the backup has " + std::to_string(bytes)};
    }

    // The mark before anything else, so that nothing half is ever served.
    Result<void> begin() {
        if (!going_on_) {
            auto fresh = std::string(kRestoreMark) + ".new";
            {
                LS_TRY(writer, root_->create(fresh));
                LS_CHECK(writer->write(manifest_.identity() + "\n"));
                LS_CHECK(writer->sync());
            }
            LS_CHECK(root_->rename(fresh, kRestoreMark));
            LS_CHECK(root_->sync_folder(""));
        }
        LS_CHECK(root_->lock(kRestoreMark, false));
        LS_CHECK(root_->remove_folder("spool"));
        for (const char* folder : {"spool", "trash", "documents"}) {
            LS_CHECK(root_->make_folder(folder));
        }
        return {};
    }

    Result<void> blobs() {
        LS_TRY(list, folder_.list(manifest_, kBackupBlobs));
        for (;;) {
            LS_TRY(blob, list.next());
            if (!blob) {
                break;
            }
            auto copied = copy(*blob);
            if (copied) {
                ++report_.blobs;
                report_.bytes += blob->size_bytes;
                continue;
            }
            auto& error = copied.error();
            if (error.code != Code::corrupt) {
                return std::move(error);
            }
            tell_(blob->digest.str() + ": " + error.message);
            ++report_.damage;
            if (!order_.skip_damaged) {
                return Error{Code::corrupt,
                             blob->digest.str() +
                                 " is damaged in the backup; --skip-damaged "
                                 "goes on without it"};
            }
        }
        return list.sha256() == manifest_.find(kBackupBlobs)->sha256
                   ? Result<void>()
                   : refused("its list of blobs was changed meanwhile");
    }

    static std::string below_root(const Path& path) {
        return std::string(path.view().substr(1));
    }

    // @errors corrupt: the backup's copy is not what it should be
    Result<void> copy(const ListedBlob& blob) {
        auto to = below_root(layout::blob_data("", blob.digest));
        if (going_on_) {
            LS_TRY(there, is_there(to, blob));
            if (there) {
                return {};
            }
        }
        auto source = from_.read(BackupFolder::blob(blob.digest));
        if (!source || (*source)->size() != blob.size_bytes) {
            return Error{Code::corrupt,
                         source ? "has another size" : source.error().message};
        }
        auto file = "spool/r" + std::to_string(next_++);
        std::optional<Error> ours;
        Result<Digest> digest = Error{};
        {
            LS_TRY(writer, root_->create(file));
            digest = hash_all(**source, blob.digest.algorithm(),
                              [&](std::string_view bytes) -> Result<void> {
                                  auto written = writer->write(bytes);
                                  if (!written) {
                                      ours = written.error();
                                  }
                                  return written;
                              });
        }
        if (ours) {
            return std::move(*ours);
        }
        if (!digest || !(*digest == blob.digest)) {
            LS_CHECK(root_->remove(file));
            return Error{Code::corrupt,
                         digest ? "has other bytes" : digest.error().message};
        }
        LS_CHECK(root_->make_folder(to.substr(0, to.rfind('/'))));
        return root_->rename(file, to);
    }

    // The power may have gone since: only its bytes say that it is whole.
    Result<bool> is_there(const std::string& to, const ListedBlob& blob) {
        LS_TRY(size, root_->size(to));
        if (size != blob.size_bytes) {
            return false;
        }
        LS_TRY(source, root_->read(to));
        LS_TRY(digest, hash_all(*source, blob.digest.algorithm(), {}));
        return digest == blob.digest;
    }

    Result<void> keys() {
        for (const auto& file : manifest_.files) {
            if (!file.path.starts_with("keys/")) {
                continue;
            }
            LS_CHECK(root_->make_folder("keys", kKeys));
            if (file.path.starts_with("keys/token/")) {
                LS_CHECK(root_->make_folder("keys/token", kTokenKeys));
            }
            LS_CHECK(root_->remove(file.path));
            LS_CHECK(copy_own(file, *root_, file.path, kSecret));
        }
        return {};
    }

    Result<void> copy_own(const BackupFile& file, const FileTree& to,
                          const std::string& name, mode_t mode) {
        LS_TRY(source, from_.read(path(file.path)));
        LS_TRY(writer, to.create(name, mode));
        LS_TRY(digest, hash_all(*source, Algorithm::sha256,
                                [&](std::string_view bytes) {
                                    return writer->write(bytes);
                                }));
        if (digest.encoded() != file.sha256) {
            return refused(file.path + " was changed meanwhile");
        }
        return writer->sync();
    }

    std::string work() const {
        return order_.database + "/" + std::string(kWork);
    }

    // A copy of it, with the schema of this program, without documents: they
    // are made anew of what was restored.
    Result<void> database() {
        LS_TRY(opened, open_folder(order_.database));
        database_.emplace(std::move(opened));
        LS_CHECK(database_->remove_folder(kWork));
        LS_CHECK(database_->make_folder(kWork));
        auto file = std::string(kWork) + "/" + std::string(kDatabaseFile);
        LS_CHECK(copy_own(*manifest_.find(kBackupDatabase), *database_, file,
                          kRootModes.file));
        {
            LS_TRY(database, open_sqlite({work()}));
            LS_CHECK(database->write([&](Transaction& t) -> Result<void> {
                auto now = unix_ms();
                LS_CHECK(db::drop_documents(t, now));
                db::AuditEntry entry;
                entry.at_ms = now;
                entry.action = "registry.restore";
                entry.actor = order_.by;
                entry.detail = "backup " + manifest_.name;
                LS_TRY(added, db::append_audit(t, entry));
                static_cast<void>(added);
                return {};
            }));
        }
        LS_TRY(log, database_->size(file + "-wal"));
        return log ? Error{Code::unavailable,
                           "the database was not closed whole: " + work()}
                   : Result<void>();
    }

    static Result<FileTree> open_folder(const std::string& folder) {
        auto slash = folder.rfind('/');
        if (slash == std::string::npos || slash == 0) {
            return Error{Code::invalid_argument,
                         "database folder " + folder + " has no parent"};
        }
        LS_TRY(parent, FileTree::open(folder.substr(0, slash), kRootModes));
        LS_CHECK(parent.make_folder(folder.substr(slash + 1), kDatabaseFolder));
        return FileTree::open(folder, kRootModes);
    }

    Result<void> links() {
        LS_TRY(store, open_file_store_for_reading(order_.root));
        LinkWalk walk(*snapshot_, store->root(),
                      [&](const Path& to, const Digest& digest) {
                          ++report_.links;
                          return store->write_file(to, digest.text());
                      });
        return walk.run();
    }

    // What is durable now gets its name; then the mark goes.
    Result<void> end() {
        std::string name(kDatabaseFile);
        LS_CHECK(database_->remove(name + "-wal"));
        LS_CHECK(database_->remove(name + "-shm"));
        LS_CHECK(database_->rename(std::string(kWork) + "/" + name, name));
        LS_CHECK(database_->remove_folder(kWork));
        LS_CHECK(database_->sync_folder(""));
        LS_CHECK(database_->sync());
        LS_CHECK(root_->remove(kRestoreMark));
        return root_->sync_folder("");
    }

    BackupFolder& folder_;
    const FileTree& from_;
    const RestoreOrder& order_;
    const TellDamage& tell_;
    BackupManifest manifest_;
    std::unique_ptr<Snapshot> snapshot_;
    std::optional<FileTree> root_;
    std::optional<FileTree> database_;
    bool going_on_ = false;
    std::uint64_t next_ = 0;
    RestoreReport report_;
};

}  // namespace

Result<RestoreReport> restore_backup(BackupFolder& folder,
                                     const std::string& name,
                                     const RestoreOrder& order,
                                     const TellDamage& tell) {
    LS_TRY(manifest, folder.manifest(name));
    return Restore(folder, order, tell, std::move(manifest)).run();
}

}  // namespace longshore
