"""What is written and not made durable, or its name is not: each sync of the
product, taken away. The witness is a disk that loses what was not flushed.

Of two syncs that stand together one alone is not missed on ext4, whose
journal takes all folders with the first; there the mutant takes both."""

from mutant import Mutant

SESSION = "ngx_module/session.cpp"
FILES = "daemon/store/file_store.cpp"
PACKAGES = "daemon/store/package_store.cpp"
COMMON = "common/file.cpp"
LOST = ("crash/test_power_loss.py::test_nothing_acknowledged_is_lost",)
UNIT = "unit_ngx SessionTest."
BACKUP = "daemon/jobs/backup.cpp"
FOLDER = "daemon/jobs/backup_folder.cpp"
RESTORE = "daemon/jobs/restore.cpp"
FOLDERS = "crash/test_folders.py::"


def _without(name, like, file, old, new="", tests=LOST):
    return Mutant(name, 34, like, file, old, new, tests)


# A command of registryctl, by the order of its calls.
def _ordered(name, like, file, old, new="", test=""):
    return _without(name, like, file, old, new,
                    ("backup/test_durable.py::" + test,))


POWER = (
    _without("power-upload-data",
             "The offset of an upload was durable, its bytes were not.",
             SESSION, """\
SessionResult Session::save() {
    if (::fdatasync(data_fd_) != 0) {
        return fail(errno);
    }
""", "SessionResult Session::save() {\n"),
    _without("power-upload-slot",
             "An upload went back behind what its client was told.",
             SESSION, "offset, RWF_DSYNC)", "offset, 0)"),
    _without("power-upload-state",
             "The first state of an upload was an empty file.",
             SESSION, """\
        write_all(fd, file.data(), file.size(), 0) && ::fdatasync(fd) == 0;
""", """\
        write_all(fd, file.data(), file.size(), 0);
"""),
    _without("power-upload-state-name",
             "The first state of an upload had no name.",
             SESSION, """\
    return ::fsync(folder_fd_) == 0 ? SessionResult::ok : fail(errno);
}

SessionResult Session::commit(""", """\
    return SessionResult::ok;
}

SessionResult Session::commit("""),
    _without("power-upload-folders",
             "The folder of an upload was gone, with what it held.",
             SESSION, "if (generation_ == 0 && !sync_folders()) {",
             "if (generation_ == 0 && folder_.empty()) {",
             (UNIT + "TheFirstStateIsDurableWithAllFolders",)),
    _without("power-upload-holes",
             "An upload told of bytes that never got to the disk.",
             SESSION, "    return synced || data.st_mtim.tv_sec >= began_s\n",
             "    return synced || began_s > 0\n",
             (UNIT + "WhatNoStateCoversDoesNotOutliveTheMachine",)),
    _without("power-blob-data",
             "A blob had its name and no bytes.",
             SESSION, """\
SessionResult Session::publish(const Digest& digest) {
    if (::fdatasync(data_fd_) != 0) {
        return fail(errno);
    }
""", "SessionResult Session::publish(const Digest& digest) {\n"),
    _without("power-blob-name",
             "A blob had its bytes and no name.",
             SESSION, """\
    if (!sync_blob(folder)) {
        return fail(errno);
    }
    LS_PROBE(blob, folder_synced);
""", "    LS_PROBE(blob, folder_synced);\n"),
    _without("power-blob-parents",
             "The folders above a blob's were not made durable.",
             SESSION, """\
    return sync_folder(folder) && sync_folder(above) &&
           sync_folder(parent_of(above));
""", "    return sync_folder(folder) && !above.empty();\n",
             (UNIT + "ABlobIsDurableWithAllItsFolders",)),
    _without("power-new-parents",
             "New folders above a blob's were not made durable.",
             SESSION, "    return unsynced > 0 || "
             "sync_folder(parent_of(path));\n",
             "    return unsynced < 100;\n",
             (UNIT + "ABlobIsDurableWithAllItsFolders",)),
    _without("power-blob-name-again",
             "A PUT that came again promised what the first could not.",
             SESSION, """\
    LS_PROBE(blob, confirmed);
    return sync_blob(folder) ? SessionResult::ok : fail(errno);
""", """\
    return SessionResult::ok;
"""),
    _without("power-package-body",
             "A package had its rows and no bytes.",
             "ngx_module/spool_file.cpp", """\
    if (::fsync(fd_) != 0) {
        return fail(errno);
    }
"""),
    _without("power-manifest-data",
             "A manifest was an empty file.",
             FILES, """\
            LS_CHECK(sync_fd(file.get()));
            LS_PROBE(file, synced);
"""),
    _without("power-manifest-name",
             "A manifest had a row and no file.",
             FILES, """\
            LS_CHECK(sync_fd(made.fd.get()));
            for (const auto& one : dirty) {
                LS_CHECK(folder_.sync_folder(one));
            }
"""),
    _without("power-manifest-folder",
             "The folder of a manifest had no file.",
             FILES, "            LS_CHECK(sync_fd(made.fd.get()));\n",
             tests=(FOLDERS + "test_of_a_manifest",)),
    _without("power-manifest-parents",
             "A manifest had a folder without a name.",
             FILES, "                LS_CHECK(folder_.sync_folder(one));\n",
             "                static_cast<void>(one);\n",
             (FOLDERS + "test_of_a_manifest",)),
    _without("power-manifest-again-parents",
             "Only the folder of a manifest that was there was durable.",
             FILES, "level < 3", "level < 1",
             (FOLDERS + "test_of_a_manifest",)),
    _without("power-manifest-again",
             "A manifest that was there already was not made durable.",
             FILES, "            return sync_blob_folders(digest);\n",
             "            return {};\n"),
    _without("power-links",
             "What had to be done again was forgotten before it was durable.",
             FILES, "        if (::syncfs(folder_.fd()) != 0) {",
             "        if (folder_.fd() < 0) {"),
    _without("power-package-file",
             "A file taken out of a body had no bytes.",
             PACKAGES, """\
            LS_CHECK(sync_fd(fd_.get()));
            LS_PROBE(stage, synced);
"""),
    _without("power-package-name",
             "A package had its rows and no file.",
             PACKAGES, """\
        LS_CHECK(sync_fd(made.fd.get()));
        for (const auto& dirty : made.dirty) {
            LS_CHECK(folder_.sync_folder(dirty));
        }
"""),
    _without("power-package-folder",
             "The folder of a package's file was empty.",
             PACKAGES, "        LS_CHECK(sync_fd(made.fd.get()));\n",
             tests=(FOLDERS + "test_of_a_package",)),
    _without("power-package-parents",
             "A package's file had a folder without a name.",
             PACKAGES,
             "            LS_CHECK(folder_.sync_folder(dirty));\n",
             "            static_cast<void>(dirty);\n",
             (FOLDERS + "test_of_a_package",)),
    _without("power-documents",
             "An index was taken for durable and was not.",
             PACKAGES, "        if (::syncfs(folder_.fd()) != 0) {",
             "        if (folder_.fd() < 0) {"),
    _without("power-commit",
             "The database forgot its last commits.",
             "daemon/db/connection.cpp", "PRAGMA synchronous = FULL;",
             "PRAGMA synchronous = NORMAL;"),
    _without("power-key-data",
             "The key of the signing keys was an empty file.",
             COMMON, "    good = good && ::fsync(fd) == 0;\n"),
    _without("power-key-name",
             "The key of the signing keys was gone.",
             COMMON, "    int synced = ::fsync(fd);\n",
             "    int synced = 0;\n",
             ("unit_ngx KeyFileTest.IsDurableWithItsName",)),
    _ordered("power-backup-blobs", "A blob of a backup had no name.",
             BACKUP, "            LS_CHECK(tree_.sync_folder(shelf));\n",
             test="test_create"),
    _ordered("power-backup-shelves", "The folder of a blob had no name.",
             BACKUP, "            LS_CHECK(tree_.sync_folder(folder));\n",
             test="test_create"),
    _ordered("power-backup-algorithm", "A folder of a backup had no name.",
             BACKUP, '            LS_CHECK(tree_.sync_folder("blobs"));\n',
             test="test_create"),
    _ordered("power-backup-keys", "Keys of a backup had no name.",
             BACKUP,
             "            LS_CHECK(tree_.sync_folder(path(folder)));\n",
             "            LS_CHECK(tree_.make_folder(path(folder)));\n",
             "test_create"),
    _ordered("power-backup-own", "The database of a backup had no name.",
             BACKUP, """\
        LS_CHECK(tree_.sync_folder(own));
        LS_CHECK(tree_.sync_folder("backups"));""", """\
        LS_CHECK(tree_.sync_folder("backups"));""",
             "test_create"),
    _ordered("power-backup-name", "A whole backup had no name.",
             BACKUP, '        LS_CHECK(tree_.sync_folder("backups"));\n',
             test="test_create"),
    _ordered("power-backup-top", "The folder of backups had no name.",
             BACKUP, """\
        LS_CHECK(tree_.sync_folder(""));
        auto fresh""", """\
        auto fresh""", "test_create"),
    _ordered("power-backup-end", "A backup was told of that was none.",
             BACKUP, "        return tree_.sync_folder(own);\n",
             "        return {};\n", "test_create"),
    _ordered("power-backup-place", "The place of all backups had no name.",
             FOLDER, '        LS_CHECK(parent.sync_folder(""));\n',
             test="test_the_first_create"),
    _ordered("power-backup-mark", "A place of backups was none.",
             FOLDER, '            LS_CHECK(files.sync_folder(""));\n',
             test="test_the_first_create"),
    _ordered("power-prune", "Blobs went of a backup that was one still.",
             "daemon/jobs/backup_check.cpp",
             '        LS_CHECK(tree.sync_folder("backups/" + name));\n',
             test="test_prune"),
    _ordered("power-restore-mark", "Half a restore looked like a whole one.",
             RESTORE, '            LS_CHECK(root_->sync_folder(""));\n',
             test="test_restore"),
    _ordered("power-restore-database", "What was restored had no database.",
             RESTORE, '        LS_CHECK(database_->sync_folder(""));\n',
             test="test_restore"),
    _ordered("power-restore-end", "A whole restore looked like half a one.",
             RESTORE, '        return root_->sync_folder("");\n',
             "        return {};\n", "test_restore"),
    _ordered("power-rebuild", "A rebuilt database had no name.",
             "daemon/jobs/rebuild.cpp", "    int synced = ::fsync(fd);\n",
             "    int synced = 0;\n", "test_rebuild"),
)
