"""Bugs that only a fault shows: no room, no descriptors, a disk that fails, a
registryd that stands still, a clock that was set, two at once."""

from mutant import Mutant

SESSION = "ngx_module/session.cpp"
SPOOL = "ngx_module/spool_file.cpp"
FILE_IO = "ngx_module/file_io.cpp"
STORE = "daemon/store/file_store.cpp"
PUBLISHER = "daemon/registry/package_publisher.cpp"
WATCH = "daemon/jobs/clock_watch.cpp"
SESSION_TEST = "unit_ngx SessionTest."
BROKEN_TEST = "faults/test_broken_disk.py::"


def _fault(name, like, file, old, new, *tests):
    return Mutant(name, 40, like, file, old, new, tests)


FAULTS = (
    _fault("full-disk-is-an-error",
           "No room was 500, and nobody came again.",
           FILE_IO, "        case ENOSPC:\n", "",
           "faults/test_upload_resume.py::test_full_disk"),
    _fault("quota-is-an-error",
           "A quota was 500 where a full disk was 503.",
           "common/error.cpp", "        case EDQUOT:\n", "",
           BROKEN_TEST + "test_nothing_can_be_written"),
    _fault("read-only-is-an-error",
           "A file system that became read-only was 500.",
           FILE_IO, "        case EROFS:\n", "",
           SESSION_TEST + "AReadOnlyDiskIsNoStorage"),
    _fault("no-descriptor-is-an-error",
           "Out of descriptors every request was 500.",
           FILE_IO, "        case EMFILE:\n", "",
           "faults/test_few_descriptors.py::test_five_hundred_clients"),
    _fault("unreadable-is-absent",
           "A blob that could not be read just now did not exist.",
           "ngx_module/serve.cpp",
           "return may_pass(info.err) ? NGX_HTTP_SERVICE_UNAVAILABLE "
           ": NGX_ERROR;", "return NGX_DECLINED;",
           BROKEN_TEST + "test_nothing_can_be_read"),
    _fault("offset-after-a-failed-write",
           "An upload went on from bytes that were never written.",
           SESSION, "    offset_ = start_offset_;\n    hash_ =",
           "    hash_ =", SESSION_TEST + "RevertLeavesTheSessionAsItWas"),
    _fault("bytes-without-a-state",
           "What a crash had left behind an upload became part of it.",
           SESSION, "static_cast<std::uint64_t>(info.st_size) > offset_ &&",
           "offset_ == 0 &&",
           SESSION_TEST + "BytesWithoutAStateAreCut"),
    _fault("state-without-bytes",
           "An upload went on behind the end of its file.",
           SESSION, "if (has_state_ && saved_offset_ <= size) {",
           "if (has_state_) {",
           SESSION_TEST + "AStateBeyondTheDataIsNotBelieved"),
    _fault("two-write-one-upload",
           "Two chunks of one upload were written at once.",
           SESSION, "if (::flock(data_fd_, LOCK_EX | LOCK_NB) != 0) {",
           "if (::flock(data_fd_, LOCK_SH | LOCK_NB) != 0) {",
           SESSION_TEST + "OnlyOneWrites"),
    _fault("spool-left-by-a-failure",
           "Each failed upload left its bytes on a disk that was full.",
           SPOOL, """\
    if (::fsync(fd_) != 0) {
        return fail(errno);
    }
    LS_PROBE(spool, synced);
    exists_ = false;
""", """\
    exists_ = false;
    if (::fsync(fd_) != 0) {
        return fail(errno);
    }
    LS_PROBE(spool, synced);
""", "unit_ngx SpoolFileTest.FaultsOfTheDisk"),
    _fault("file-left-by-a-failure",
           "Each failed write of registryd left a file behind.",
           STORE, """\
        if (!placed) {
            (void)::unlinkat(folder_.fd(), temporary.c_str(), 0);
""", "        if (!placed) {\n",
           "faults/test_disk_full.py::test_a_push_at_every_size"),
    _fault("short-write-is-whole",
           "A write that was cut short was taken for done.",
           FILE_IO, """\
        bytes += written;
        size -= static_cast<std::size_t>(written);
        offset += written;
""", "        size = 0;\n",
           SESSION_TEST + "ShortAndInterruptedWritesAreContinued"),
    _fault("failed-commit-is-done",
           "The commit failed, and each of its writes was acknowledged.",
           "daemon/db/sqlite.cpp", """\
        for (auto* job : group) {
            job->result = Error{Code::unavailable,
                                "commit failed: " + outcome""", """\
        for (auto* job : group) {
            job->result = job->result ? Result<void>() :
                Error{Code::unavailable, "commit failed: " + outcome""",
           "unit_daemon DatabaseTest.FailedCommitFailsTheWholeGroup"),
    _fault("stopped-is-there",
           "A server that stood still was waited for by everybody.",
           "ngx_module/link.cpp",
           "set(socket, ZMQ_HEARTBEAT_IVL, kHeartbeatMs) &&",
           "set(socket, ZMQ_HEARTBEAT_IVL, 0) &&",
           "ngx/test_daemon_gone.py::test_reads_go_on_and_writes_wait"),
    _fault("no-deadline",
           "A question without an answer kept its client for ever.",
           "ngx_module/pending.cpp",
           "    ngx_add_timer(&slot.timer, timeout);\n", "",
           "ngx/test_daemon_gone.py::test_stopped_daemon_and_an_old_answer"),
    _fault("head-is-asked",
           "While the server stood still HEAD of what was known waited.",
           "ngx_module/lookup.cpp",
           "if (cache->find({ctx.cache_key, r->method != NGX_HTTP_HEAD}, "
           "r->pool,",
           "if (r->method != NGX_HTTP_HEAD && "
           "cache->find({ctx.cache_key, true}, r->pool,",
           "ngx/test_daemon_gone.py::test_reads_go_on_and_writes_wait"),
    _fault("second-takes-the-socket",
           "A second start took the clients of the first.",
           "daemon/server/endpoint.cpp",
           "if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {",
           "if (::flock(lock_, LOCK_SH | LOCK_NB) != 0) {",
           "oci/test_daemon_life.py::"
           "test_second_daemon_does_not_take_a_live_socket"),
    _fault("clock-is-believed",
           "The clock was set a week ahead, and all was a week old.",
           WATCH, "same_start ? was_set(mark_, now) : was_quiet;",
           "same_start ? false : was_quiet;",
           "unit_daemon ClockWatchTest.AfterItWasSetItIsQuietForItsTime"),
    _fault("clock-is-believed-by-the-next",
           "A restart forgot that the clock had been set.",
           WATCH, "until ? static_cast<std::int64_t>(*until) : 0;",
           "until ? 0 : 0;",
           "faults/test_clock_jumps.py::test_nothing_goes_early"),
    _fault("one-version-twice",
           "Whoever published a version second replaced the first one's.",
           PUBLISHER, "(ours && draft.if_exists == IfExists::replace) ||",
           "ours ||",
           "faults/test_twice_at_once.py::test_one_version_twice"),
    _fault("two-move-one-tag",
           "Of two pushes the older one wrote the link file last.",
           "daemon/registry/links.cpp", """\
    std::lock_guard guard(paths_[stripe_of(intent, paths_.size())]);
""", "", "unit_model InterleavingTest.NothingPromisedIsLost"),
    _fault("run-that-is-never-over",
           "No room to write down how a run ended: whoever waited waited on.",
           "daemon/jobs/collector.cpp", "        began_.reset();", "        ;",
           "faults/test_nth_call.py::"
           "test_collecting_while_calls_fail"),
)
