"""Bugs in what keeps the garbage collector from what is in use: leases,
locks, the look again, the order of the steps."""

from mutant import Mutant

GARBAGE = "daemon/registry/garbage.cpp"
PUBLISHER = "daemon/registry/publisher.cpp"
LOCKS = "daemon/store/digest_locks.cpp"
SESSION = "ngx_module/session.cpp"
RETENTION = "daemon/registry/retention.cpp"
STORE = "daemon/store/file_store.cpp"
TABLES = "daemon/db/collections.cpp"
ORDERS = ("unit_model InterleavingTest.NothingPromisedIsLost",)

OF_GARBAGE = (
    Mutant("known-bytes-win", 35,
           "A layer that had rotted was sent anew, and the rotten one kept.",
           SESSION, """\
    return ::renameat(folder_fd_, kData, AT_FDCWD, target.c_str()) == 0
               ? SessionResult::ok""", """\
    bool known = is_same_size(target, offset_);
    return (known ? ::unlinkat(folder_fd_, kData, 0)
                  : ::renameat(folder_fd_, kData, AT_FDCWD,
                               target.c_str())) == 0
               ? SessionResult::ok""", ORDERS),
    Mutant("link-of-known-without-lease", 35,
           "A mount of what the repository had already was no lease.",
           PUBLISHER, """\
    LS_TRY(kept, store_.touch(layout::layer_link(store_.root(), name, digest)));
    if (linked && kept) {
        LS_PROBE""", """\
    LS_TRY(kept,
           store_.present(layout::layer_link(store_.root(), name, digest)));
    if (linked && kept) {
        LS_PROBE""", ORDERS),
    Mutant("healed-without-lease", 35,
           "A push of what the scrub had taken away was no lease.",
           PUBLISHER, """\
    LS_TRY(kept, store_.touch(layout::layer_link(store_.root(), name, digest)));
    if (linked && kept) {
        LS_PROBE(layer, touched);
        return Written{};
    }
""", """\
    if (linked) {
        LS_TRY(kept, store_.touch(
                         layout::layer_link(store_.root(), name, digest)));
        if (kept) {
            LS_PROBE(layer, touched);
            return Written{};
        }
    }
""", ORDERS),
    Mutant("head-of-registryd-without-lease", 35,
           "HEAD asked of registryd was no lease.",
           PUBLISHER, """\
    LS_TRY(kept, store_.touch(layout::layer_link(store_.root(), name, digest)));
    if (kept) {
        return {};
    }
    if (!linked) {""", """\
    if (linked) {
        return {};
    }
    if (!linked) {""", ORDERS),
    Mutant("age-not-looked-at-again", 35,
           "What became new after the first look went all the same.",
           GARBAGE, "? candidate.aside->age_s >= run.options.grace_s",
           "? true", ORDERS),
    Mutant("use-not-looked-at-before", 35,
           "Bytes in use were out of sight until it was noticed.",
           GARBAGE, """\
            return is_link() ? Result<bool>(true)
                             : db::is_unused_blob(t, blob_id);""",
           "            return Result<bool>(true);", ORDERS),
    Mutant("use-not-looked-at-again", 35,
           "A reference that was made since the first look did not count.",
           TABLES, '''\
        t.execute("DELETE FROM name_blobs WHERE name_id = $1 AND blob_id = $2"
                  "   AND NOT EXISTS (SELECT 1 FROM manifest_references r"
                  "                    WHERE r.target_id = $2"
                  "                      AND r.name_id = $1)",''', '''\
        t.execute("DELETE FROM name_blobs WHERE name_id = $1 AND blob_id = $2",
''', ORDERS),
    Mutant("collector-without-lock", 35,
           "Looked at, then deleted, and a push in between.",
           LOCKS, "    stripe.alone = true;\n", "", ORDERS),
    Mutant("collector-does-not-wait", 35,
           "It took what a push was just linking.",
           LOCKS, "return !stripe.alone && stripe.sharers == 0;",
           "return !stripe.alone;", ORDERS),
    Mutant("push-without-lock", 35,
           "The bytes of a manifest went before its row was there.",
           PUBLISHER, "    auto held = store_.locks()->share(draft.digest);\n",
           "", ORDERS),
    Mutant("not-put-back", 35,
           "What turned out to be in use stayed away.",
           GARBAGE, """\
        if (candidate.aside) {
            LS_CHECK(store_.put_back(*candidate.aside,
                                     candidate.path(store_.root())));
            candidate.aside.reset();
        }
    }
    return {};""", """\
        candidate.aside.reset();
    }
    return {};""", ORDERS),
    Mutant("links-without-intents", 35,
           "An end between the rename of a link and its row lost the link.",
           GARBAGE,
           "                    LS_CHECK(db::add_intent(t, intents.back()));\n",
           "", ORDERS),
    Mutant("unlinked-before-the-row", 35,
           "An end between file and row left a row without bytes.",
           GARBAGE, """\
        candidate.aside = std::move(aside);
""", """\
        candidate.aside = std::move(aside);
        if (candidate.aside && !candidate.is_link()) {
            store_.discard(*candidate.aside);
        }
""", ORDERS),
    Mutant("missing-not-looked-at-again", 35,
           "A layer went between the check of a push and its commit.",
           PUBLISHER, """\
        LS_TRY(missing, find_missing(t, draft, row, policy_));
        if (!missing.empty()) {
            return missing_blobs(missing);
        }
        LS_CHECK(save_manifest""", """\
        LS_CHECK(save_manifest""", ORDERS),
    Mutant("retention-does-not-look-again", 35,
           "What was tagged since the plan went all the same.",
           RETENTION, "            LS_TRY(goes, recheck.goes(removal));\n",
           "            bool goes = true;\n", ORDERS),
    Mutant("retention-of-what-was-asked-for", 35,
           "A child that its pusher had just asked for went.",
           RETENTION,
           "    auto closed = uses_.close(planned.name, references, used);\n",
           "", ORDERS),
    Mutant("retention-of-children", 35,
           "A manifest went of which an index had come to tell.",
           RETENTION, "        return !led_to;\n",
           "        return !led_to || true;\n",
           ORDERS),
    Mutant("immutable-not-looked-at-again", 35,
           "A tag went that had just become immutable.",
           RETENTION, """ ||
            immutable_by(rules_.immutable, name_, removal.tag) != nullptr""",
           "", ORDERS),
    Mutant("undeleted-as-old-as-it-was", 35,
           "What came back from the trash was garbage at once.",
           STORE, """\
        if (!touch_at(folder_.fd(), name)) {
            return absent(errno_error("touch " + name, errno));
        }
        auto [folder, leaf]""", "        auto [folder, leaf]", ORDERS),
    Mutant("damage-of-what-came", 35,
           "A manifest of right bytes was refused while the scrub noticed.",
           "daemon/registry/scrubber.cpp", """\
    if (!still) {
        return close(area, digest);
    }
    db::Damage""", """\
    db::Damage""",
           ("unit_daemon ScrubTest."
            "WhatWasBroughtAnewMeanwhileIsNotWrittenDown",)),
    Mutant("scrub-takes-what-came", 35,
           "Right bytes were set aside because wrong ones had been there.",
           "daemon/store/stored_files.cpp",
           "    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;\n",
           "    return a.st_dev == b.st_dev || a.st_ino == b.st_ino;\n", ORDERS),
)
