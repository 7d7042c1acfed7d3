"""Bugs in what keeps and brings back: the scrub, backups and restores, rules of
retention and immutable tags, the trash."""

from mutant import Mutant

SCRUBBER = "daemon/registry/scrubber.cpp"
STORED = "daemon/store/stored_files.cpp"
STORE = "daemon/store/file_store.cpp"
PUBLISHER = "daemon/registry/publisher.cpp"
BACKUP = "daemon/jobs/backup.cpp"
CHECK = "daemon/jobs/backup_check.cpp"
RESTORE = "daemon/jobs/restore.cpp"
RETENTION = "daemon/registry/retention.cpp"
UNDELETE = "daemon/registry/undelete.cpp"
SCRUB_TEST = "unit_daemon ScrubTest."
RUN_TEST = "unit_daemon RetentionRunTest."
TRASH_TEST = "garbage/test_trash.py::"
BACKUP_TEST = "backup/test_backup.py::"
HOSTILE_TEST = "backup/test_hostile.py::"
ORDER_TEST = "backup/test_durable.py::"


def _rot(name, like, file, old, new, *tests):
    return Mutant(name, 36, like, file, old, new, tests)


def _backup(name, like, file, old, new, *tests):
    return Mutant(name, 37, like, file, old, new, tests)


def _rules(name, like, file, old, new, *tests):
    return Mutant(name, 38, like, file, old, new, tests)


def _trash(name, like, file, old, new, *tests):
    return Mutant(name, 39, like, file, old, new, tests)


KEEPING = (
    _rot("scrub-by-size",
         "A file of the right length was healthy.",
         STORED, "bool same = hash.digest() == digest;",
         "bool same = at == look.size_bytes;",
         SCRUB_TEST + "TakesWhatIsWrongAndAPushBringsItBack"),
    _rot("scrub-leaves-it",
         "What was damaged was told of, and served on.",
         SCRUBBER, "auto moved = files_.quarantine(look, damage.file);",
         "auto moved = Result<bool>(true);",
         SCRUB_TEST + "TakesWhatIsWrongAndAPushBringsItBack"),
    _rot("scrub-unheard",
         "A file that was taken away was sent by whoever had it open.",
         "ngx_module/serve.cpp", "return std::clamp<time_t>(since, 0, valid);",
         "return valid;", "scrub/test_scrub.py::test_without_the_daemon"),
    _rot("scrub-healed-and-damaged",
         "Good bytes came again, and the report went on.",
         PUBLISHER, "linked = found == *size && !damaged;",
         "linked = found == *size;",
         SCRUB_TEST + "TakesWhatIsWrongAndAPushBringsItBack"),
    _rot("scrub-healed-manifest",
         "The same of a manifest, whose push is another way.",
         PUBLISHER, """\
    LS_CHECK(db::close_damage(t, draft.digest, "blob", event.at_ms));
""", "", SCRUB_TEST + "ManifestsOfWhatIsDamagedAreRefused"),
    _rot("scrub-damaged-is-there",
         "A manifest was taken whose layer was known to be damaged.",
         PUBLISHER, "known = !damaged;", "known = true;",
         SCRUB_TEST + "ManifestsOfWhatIsDamagedAreRefused"),
    _rot("scrub-without-documents",
         "Only blobs were read, not what is made of them.",
         SCRUBBER, "static_cast<std::int64_t>(StoredFiles::kShelves)", "512",
         "scrub/test_scrub.py::test_a_bit_of_every_kind"),
    _rot("scrub-skips-one-a-restart",
         "The file at which it was stopped was not read again.",
         SCRUBBER, """\
            if (run.cut) {
                return {};
            }
            scrub.digest_before = digest.text();
""", """\
            scrub.digest_before = digest.text();
            if (run.cut) {
                return {};
            }
""", SCRUB_TEST + "GoesOnWhereItWasStopped"),
    _rot("scrub-without-lock",
         "It took what somebody was just about to refer to.",
         SCRUBBER, """\
    for (int i = 0; i < kTries && !alone && !run.stopping(); ++i) {
        alone = locks_.try_alone(DigestLocks::stripe_of(digest), kPatience);
    }
    if (!alone) {
        return suspect(run, area, digest, look);
    }
""", "", SCRUB_TEST + "WaitsForWhoeverReliesOnIt"),
    _rot("scrub-at-the-first-error",
         "A disk that could not read for a moment lost what it had.",
         SCRUBBER, """\
            ++run.scrub.files;
            return suspect(run, area, digest, look);
""", """\
            ++run.scrub.files;
            return take(run, area, digest, look);
""", SCRUB_TEST + "WhatCannotBeReadIsTriedTwice"),

    _backup("backup-lease-after-the-snapshot",
            "What went between snapshot and copy was missing.",
            BACKUP, """\
            LS_TRY(lease, BackupLease::hold(order_.root));
            LS_CHECK(database());
""", """\
            LS_CHECK(database());
            LS_TRY(lease, BackupLease::hold(order_.root));
""", BACKUP_TEST + "test_it_waits_before_its_snapshot"),
    _backup("backup-keys-first",
            "A key that was made in between opened nothing.",
            BACKUP, """\
            LS_CHECK(database());
            LS_CHECK(keys());
""", """\
            LS_CHECK(keys());
            LS_CHECK(database());
""", ORDER_TEST + "test_create"),
    _backup("backup-without-lease",
            "The collector took blobs that were still to be copied.",
            "daemon/registry/garbage.cpp",
            "if (!batch.front().is_link()) {\n        LS_TRY(granted,",
            "if (run.options.deep) {\n        LS_TRY(granted,",
            BACKUP_TEST + "test_a_blob_stays_until_it_is_copied"),
    _backup("backup-believes-any-size",
            "Half a blob in the folder was taken for the whole.",
            BACKUP, "return size == blob.size_bytes;",
            "return size.has_value();",
            HOSTILE_TEST + "test_a_damaged_blob"),
    _backup("backup-of-damaged-bytes",
            "Rot was copied, and the good copy of last week thrown away.",
            BACKUP, "bool same = digest && *digest == blob.digest;",
            "bool same = static_cast<bool>(digest);",
            BACKUP_TEST + "test_a_damaged_source_is_told_and_not_kept"),
    _backup("backup-named-before-it-is-durable",
            "A power cut left a backup without its database.",
            BACKUP, "return tree_.sync();  // SQLite wrote it", "return {};",
            ORDER_TEST + "test_create"),
    _backup("verify-by-size",
            "Verified was what had the right length.",
            CHECK, """\
        return digest == blob.digest ? Result<void>()
                                     : Error{Code::corrupt, "is damaged"};
""", "        return {};\n",
            HOSTILE_TEST + "test_every_flipped_bit_is_found"),
    _backup("restore-believes-the-backup",
            "A damaged copy got the name of the digest it does not have.",
            RESTORE, "if (!digest || !(*digest == blob.digest)) {",
            "if (!digest) {", HOSTILE_TEST + "test_a_damaged_blob"),
    _backup("restore-believes-its-half",
            "Gone on with after a power cut, it kept what had the length.",
            RESTORE, "        return digest == blob.digest;\n",
            "        return digest == digest;\n",
            BACKUP_TEST + "test_memory_and_ends_in_the_middle"),
    _backup("restore-over-what-is-there",
            "Restored into a root in use, two registries were mixed.",
            RESTORE, 'LS_CHECK(must_be_empty(*root_, "root"));', "",
            BACKUP_TEST + "test_where_it_may_not_be"),
    _backup("restore-by-half-is-served",
            "The server started on what a restore had not finished.",
            STORE, "if (::access(mark.c_str(), F_OK) == 0) {",
            "if (::access(mark.c_str(), X_OK) == 0 && mark.empty()) {",
            BACKUP_TEST + "test_memory_and_ends_in_the_middle"),
    _backup("restore-ends-before-its-end",
            "The mark went before the database had its name.",
            RESTORE, """\
        LS_CHECK(database_->rename(std::string(kWork) + "/" + name, name));
""", """\
        LS_CHECK(root_->remove(kRestoreMark));
        LS_CHECK(database_->rename(std::string(kWork) + "/" + name, name));
""", ORDER_TEST + "test_restore"),
    _backup("prune-by-the-newest",
            "A blob went because the last backup did not name it.",
            CHECK, """\
    LS_TRY(lists, lists_of(folder, kept));
    LS_CHECK(
""", """\
    LS_TRY(lists, lists_of(folder, {kept.back()}));
    LS_CHECK(
""", BACKUP_TEST + "test_old_ones_go_with_what_only_they_have"),
    _backup("prune-by-a-damaged-list",
            "Where a list could not be read its blobs were nobody's.",
            CHECK, """\
    LS_CHECK(each_unnamed(tree, tried,
                          [](const Digest&) { return Result<void>(); }));
""", "", BACKUP_TEST + "test_old_ones_go_with_what_only_they_have"),

    _rules("retention-of-a-moved-tag",
           "The tag that went had been pushed again since the plan.",
           RETENTION, """\
row->manifest != removal.manifest ||
            row->pushed_at_ms != removal.pushed_at_ms ||
""", "\n",
           RUN_TEST + "ATagThatIsPushedMeanwhileIsAmongTheNewest"),
    _rules("retention-of-what-is-pulled",
           "Somebody was just pulling it.",
           RETENTION, "if (matters && used_.count(removal.digest) > 0) {",
           "if (matters && used_.count(removal.tag) > 0) {",
           RUN_TEST + "WhatIsPulledBetweenTwoBatchesStays"),
    _rules("retention-without-pulls-from-memory",
           "What a cache in front answered was no use.",
           "daemon/server/dispatch.cpp",
           "parts_.uses != nullptr && !line.reference.empty()",
           "parts_.uses != nullptr && line.repository.empty()",
           "garbage/test_retention.py::test_pulls_count_from_memory_too"),
    _rules("retention-counts-companions",
           "Of the newest ten, nine were signatures.",
           RETENTION, "left -= companion ? 0 : 1;", "left -= 1;",
           RUN_TEST + "TagsOfCosignAreNotAmongTheNewest"),
    _rules("retention-untagged-at-once",
           "What had just lost its tag was as old as its push.",
           RETENTION, "db::hold_manifest(t, name_id, removal.manifest, "
           "event.at_ms);", "Result<void>();",
           RUN_TEST + "RemovesAsADeleteDoes"),
    _rules("preview-of-the-first-name",
           "The preview showed less than the run then removed.",
           RETENTION, "        more = rest;\n        for (const auto& one",
           "        more = rest && planned.empty();\n"
           "        for (const auto& one",
           RUN_TEST + "APreviewSaysWhatTheRunDoes"),
    _rules("immutable-before-the-transaction",
           "Two pushed a tag at once, and it moved though it must not.",
           PUBLISHER, """\
        LS_CHECK(check_tag_mutable(t, event.name, tag, kNotMoved));
        LS_CHECK(db::hold""", "        LS_CHECK(db::hold",
           RUN_TEST + "WhoComesSecondFindsTheTagImmutable"),
    _rules("immutable-but-its-layers",
           "The tag stayed, and what it leads to was deleted.",
           "daemon/registry/immutability.cpp",
           "if (immutable_by(rules, name, tag) != nullptr) {\n"
           '            return refusal(name, tag, "what',
           "if (immutable_by(rules, tag, name) != nullptr) {\n"
           '            return refusal(name, tag, "what',
           RUN_TEST + "WhatAnImmutableTagLeadsToStays"),

    _trash("trash-by-the-age-of-the-bytes",
           "Old bytes were thrown away for good with the next sweep.",
           STORE, """\
        if (!touch_at(folder_.fd(), aside.name) ||
            ::renameat""", "        if (::renameat",
           TRASH_TEST + "test_its_time"),
    _trash("trash-emptied-by-a-start",
           "A restart threw away what could still be had back.",
           STORE, "clear_folder(std::move(trash.fd), 0, kTrashedBlobs);",
           "clear_folder(std::move(trash.fd), 0);",
           TRASH_TEST + "test_its_time"),
    _trash("undelete-without-children",
           "An index came back, its platforms did not.",
           UNDELETE, "reference.kind == ManifestReference::Kind::child;",
           "depth > 0 && "
           "reference.kind == ManifestReference::Kind::child;",
           TRASH_TEST + "test_an_index_with_its_children"),
    _trash("undelete-of-other-bytes",
           "What had rotted in the trash came back under its digest.",
           UNDELETE,
           "if (digest_of(digest.algorithm(), bytes) != digest) {",
           "if (bytes.empty()) {",
           TRASH_TEST + "test_other_bytes_are_not_taken"),
    _trash("undelete-names-first",
           "A tag was back before the layers it leads to.",
           UNDELETE, """\
    LS_CHECK(below(work, facts, depth));
    ManifestDraft draft;
    draft.bytes = bytes;
    draft.digest = digest;
    draft.facts = std::move(facts);
    draft.tags = std::move(tags);
    LS_TRY(written, publisher_.put_manifest(work.access, draft));
""", """\
    ManifestDraft draft;
    draft.bytes = bytes;
    draft.digest = digest;
    draft.facts = facts;
    draft.tags = std::move(tags);
    LS_TRY(written, publisher_.put_manifest(work.access, draft));
    LS_CHECK(below(work, facts, depth));
""",
           TRASH_TEST + "test_an_image_comes_back"),
)
