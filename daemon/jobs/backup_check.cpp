// Backups looked at and thrown away.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "db/snapshot.hpp"
#include "jobs/backup.hpp"

namespace longshore {
namespace {

class Check {
public:
    Check(BackupFolder& folder, const TellDamage& tell)
        : folder_(folder), tree_(folder.tree()), tell_(tell) {}

    Result<BackupCheck> run(const std::vector<std::string>& names) {
        BlobLists lists;
        for (const auto& name : names) {
            ++done_.backups;
            auto list = backup(name);
            if (!list) {
                damage("backup " + name + ": " + list.error().message);
            } else if (*list) {
                lists.add(std::move((*list)->list), std::move((*list)->sha256));
            }
        }
        auto looked = blobs(lists);
        if (!looked) {
            damage("blobs: " + looked.error().message);
        }
        return done_;
    }

private:
    struct Listed {
        BlobList list;
        std::string sha256;
    };

    void damage(const std::string& what) {
        ++done_.damage;
        tell_(what);
    }

    Result<std::optional<Listed>> backup(const std::string& name) {
        LS_TRY(manifest, folder_.manifest(name));
        auto say = [&](const std::string& what) {
            damage("backup " + name + ": " + what);
        };
        bool has_list = true;
        for (const auto& file : manifest.files) {
            auto same = own_file(name, file);
            if (!same) {
                say(same.error().message);
                has_list = has_list && file.path != kBackupBlobs;
            }
        }
        LS_CHECK(strangers(manifest, say));
        LS_CHECK(lost(manifest, say));
        auto database = check_database(name);
        if (!database) {
            say(database.error().message);
        }
        if (!has_list) {
            return std::optional<Listed>();
        }
        LS_TRY(list, folder_.list(manifest, kBackupBlobs));
        return std::optional<Listed>(
            Listed{std::move(list), manifest.find(kBackupBlobs)->sha256});
    }

    Result<void> own_file(const std::string& name, const BackupFile& file) {
        auto path = BackupFolder::path(name, file.path);
        LS_TRY(source, tree_.read(path));
        if (source->size() != file.size_bytes) {
            return Error{Code::corrupt,
                         file.path + " has " + std::to_string(source->size()) +
                             " bytes, not " + std::to_string(file.size_bytes)};
        }
        LS_TRY(digest, hash_all(*source, Algorithm::sha256, {}));
        done_.bytes += file.size_bytes;
        if (digest.encoded() != file.sha256) {
            return Error{Code::corrupt, file.path + " is damaged"};
        }
        return {};
    }

    // What the manifest does not name does not belong there.
    template <typename Say>
    Result<void> strangers(const BackupManifest& manifest, const Say& say) {
        const auto& name = manifest.name;
        for (const char* folder : {"", "keys/", "keys/token/"}) {
            auto at = BackupFolder::path(name, folder);
            at.pop_back();
            LS_TRY(names, tree_.names(at));
            for (const auto& each : names) {
                auto path = folder + each;
                if (manifest.find(path) == nullptr && path != kManifestFile &&
                    path != "keys" && path != "keys/token") {
                    say(path + " is not named by the manifest");
                }
            }
        }
        return {};
    }

    // Blobs that were lost before the backup was made.
    template <typename Say>
    Result<void> lost(const BackupManifest& manifest, const Say& say) {
        LS_TRY(list, folder_.list(manifest, kBackupMissing));
        for (;;) {
            LS_TRY(blob, list.next());
            if (!blob) {
                return {};
            }
            say(blob->digest.str() +
                " was damaged or missing when the backup was made");
        }
    }

    Result<void> check_database(const std::string& name) {
        LS_TRY(snapshot,
               open_snapshot(tree_.path() + "/" +
                             BackupFolder::path(name, kBackupDatabase)));
        return snapshot->check(Snapshot::Depth::full);
    }

    Result<void> blobs(BlobLists& lists) {
        for (;;) {
            LS_TRY(blob, lists.next());
            if (!blob) {
                return {};
            }
            ++done_.blobs;
            auto same = look_at(*blob);
            if (!same) {
                damage(blob->digest.str() + ": " + same.error().message);
            }
        }
    }

    Result<void> look_at(const ListedBlob& blob) {
        LS_TRY(source, tree_.read(BackupFolder::blob(blob.digest)));
        if (source->size() != blob.size_bytes) {
            return Error{Code::corrupt,
                         "has " + std::to_string(source->size()) +
                             " bytes, not " + std::to_string(blob.size_bytes)};
        }
        LS_TRY(digest, hash_all(*source, blob.digest.algorithm(), {}));
        done_.bytes += blob.size_bytes;
        return digest == blob.digest ? Result<void>()
                                     : Error{Code::corrupt, "is damaged"};
    }

    BackupFolder& folder_;
    const FileTree& tree_;
    const TellDamage& tell_;
    BackupCheck done_;
};

// Calls `unnamed` for each blob in the folder that the lists do not have.
Result<void> each_unnamed(
    const FileTree& tree, BlobLists& lists,
    const std::function<Result<void>(const Digest&)>& unnamed) {
    LS_TRY(first, lists.next());
    auto named = first;
    for (auto algorithm : {Algorithm::sha256, Algorithm::sha512}) {
        std::string name(algorithm_name(algorithm));
        LS_TRY(shelves, tree.names("blobs/" + name));
        for (const auto& shelf : shelves) {
            auto folder = "blobs/" + name;
            folder += '/';
            folder += shelf;
            LS_TRY(files, tree.names(folder));
            for (const auto& file : files) {
                auto text = name;
                text += ':';
                text += file;
                auto digest = Digest::parse(text);
                if (!digest || !file.starts_with(shelf)) {
                    continue;  // not ours
                }
                while (named && named->digest < *digest) {
                    LS_TRY(next, lists.next());
                    named = next;
                }
                if (!named || !(named->digest == *digest)) {
                    LS_CHECK(unnamed(*digest));
                }
            }
        }
    }
    // To its end, where the digests of the lists are compared.
    while (named) {
        LS_TRY(next, lists.next());
        named = next;
    }
    return {};
}

Result<BlobLists> lists_of(const BackupFolder& folder,
                           const std::vector<std::string>& names) {
    BlobLists lists;
    for (const auto& name : names) {
        LS_TRY(manifest, folder.manifest(name));
        LS_TRY(list, folder.list(manifest, kBackupBlobs));
        lists.add(std::move(list), manifest.find(kBackupBlobs)->sha256);
    }
    return lists;
}

}  // namespace

Result<BackupCheck> check_backups(BackupFolder& folder,
                                  const std::vector<std::string>& names,
                                  const TellDamage& tell) {
    return Check(folder, tell).run(names);
}

Result<PruneReport> prune_backups(BackupFolder& folder, std::size_t keep) {
    if (keep == 0) {
        return Error{Code::invalid_argument, "at least one is to be kept"};
    }
    const auto& tree = folder.tree();
    LS_TRY(names, folder.names());
    if (names.empty()) {
        return PruneReport{};  // blobs of one that was begun are gone on from
    }
    auto first_kept = names.size() - std::min(keep, names.size());
    std::vector<std::string> kept(
        names.begin() + static_cast<std::ptrdiff_t>(first_kept), names.end());
    names.resize(first_kept);
    // Twice: a list that is damaged may not say so before its end.
    LS_TRY(tried, lists_of(folder, kept));
    LS_CHECK(each_unnamed(tree, tried,
                          [](const Digest&) { return Result<void>(); }));
    LS_TRY(unfinished, folder.unfinished());
    for (const auto& name : names) {
        // Without its manifest it is none; the rest may follow later.
        LS_CHECK(tree.remove(BackupFolder::path(name, kManifestFile)));
        LS_CHECK(tree.sync_folder("backups/" + name));
        unfinished.push_back(name);
    }
    for (const auto& name : unfinished) {
        LS_CHECK(tree.remove_folder("backups/" + name));
    }
    PruneReport report;
    report.removed = std::move(names);
    LS_TRY(lists, lists_of(folder, kept));
    LS_CHECK(
        each_unnamed(tree, lists, [&](const Digest& digest) -> Result<void> {
            auto path = BackupFolder::blob(digest);
            LS_TRY(size, tree.size(path));
            LS_CHECK(tree.remove(path));
            ++report.blobs;
            report.bytes += size.value_or(0);
            return {};
        }));
    return report;
}

}  // namespace longshore
