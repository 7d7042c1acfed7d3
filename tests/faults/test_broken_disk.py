"""The disk cannot be written to for a while: every call that writes fails,
of nginx and of registryd, those of the database too. And a file system that
becomes read-only under the running servers. Reads go on, of what was read
before and of what was not; writes get 503; then everything goes on."""

import pytest

from harness import http, oci
from harness.clients import need_right
from harness.faults import WRITES, FaultyRegistry
from harness.process import run, wait_until
from harness.publishing import FORMATS, add_repositories, publication, send
from harness.rounds import Round, left_over, prepare, sweep, verify
from harness.server import Registry

pytestmark = [pytest.mark.ours, pytest.mark.heavy]
# A disk that cannot be read either.
UNREADABLE = r"\[(crit|alert)\].*(open\(\)|pread|read\(\)|sendfile)"


def fill(server):
    server.warm = prepare(server)
    add_repositories(server)
    # What is read for the first time when the disk is broken.
    server.fresh = [oci.Repository(server, f"fresh/{n}").push_blob(
        b"fresh %d" % n * 9000) for n in range(4)]
    return server


@pytest.fixture(scope="module")
def server():
    with FaultyRegistry(workers=1) as one:
        yield fill(one)
        sweep(one)
        verify(one)


def check_reads(server, number):
    for name, target, wanted in server.warm.readable():
        if name in ("second tag", "generic"):
            continue
        answer = http.request(server, "GET", target)
        assert answer.status == 200, (name, answer.status, answer.body)
        assert wanted is None or answer.body == wanted, name
    answer = oci.Repository(server, f"fresh/{number}").get_blob(
        server.fresh[number])
    assert answer.body == b"fresh %d" % number * 9000
    assert oci.Repository(server, "nth/warm").tags().status == 200


def check_writes(server, salt):
    """None succeeds, each says why in its own form."""
    round = Round(server, f"broken/{salt}", salt).run()
    for what, answer in round.answers.items():
        reading = what.startswith("get ") or what == "tags"
        assert answer is not None, what
        # 400: of a manifest whose blobs could not be sent.
        assert answer.status in ((404,) if reading else (400, 404, 503)), (
            what, answer.status, answer.body)
    round.check((400, 404, 503))
    for format in FORMATS:
        package = publication(format, f"broken{salt}")
        answer = send(server, package)
        assert answer.status == 503, (format, answer.status, answer.body)
        assert int(answer.headers["Retry-After"]) > 0


def check_recovery(server, salt):
    again = Round(server, f"broken/{salt}", salt).run()
    assert all(again.done(what) for what in again.answers), again.answers
    again.check()
    for format in FORMATS:
        package = publication(format, f"broken{salt}")
        answer = send(server, package)
        assert answer.status in (200, 201), (format, answer.status,
                                             answer.body)


@pytest.mark.parametrize("number, error",
                         enumerate(("EDQUOT", "EIO", "EROFS")),
                         ids=["EDQUOT", "EIO", "EROFS"])
def test_nothing_can_be_written(server, number, error):
    before = server.worker_pids(), server.daemon_pid
    # A quota lets everybody remove; else what is left goes with the sweep.
    quota = error == "EDQUOT"
    with server.failing(set(WRITES) - ({"unlink"} if quota else set()), error):
        check_reads(server, number)
        check_writes(server, error.lower())
        if error == "EROFS":
            # Nothing is collected either: no lease is needed.
            assert oci.Repository(server, f"fresh/{number}").head_blob(
                server.fresh[number]).status == 200
    check_recovery(server, error.lower())
    if quota:
        wait_until(lambda: not left_over(server), 15,
                   what=f"gone: {left_over(server)}")
    assert (server.worker_pids(), server.daemon_pid) == before


def test_nothing_can_be_read(server):
    """What is not in memory is an error, never other or fewer bytes that
    look whole; then it is served again."""
    server.allow_log(UNREADABLE)
    repository = oci.Repository(server, "fresh/3")
    wanted = b"fresh 3" * 9000
    image = oci.make_image((b"cached",))
    repository.push(image, "v1")
    assert repository.get_manifest("v1").status == 200
    with server.failing(("read", "open"), "EIO"):
        try:
            answer = repository.get_blob(server.fresh[3])
            assert answer.status == 503, (answer.status, answer.body)
            assert answer.error_code() == "UNAVAILABLE"
            assert int(answer.headers["Retry-After"]) > 0
        except http.Closed:
            pass  # after the header there is no other way to say it
        assert repository.get_manifest("v1").body == image.manifest
    assert repository.get_blob(server.fresh[3]).body == wanted


@pytest.fixture
def mounted(tmp_path):
    """A root that is a mount of its own, the database elsewhere."""
    need_right("CAP_SYS_ADMIN", "to mount a file system")
    root = tmp_path / "root"
    root.mkdir()
    run("mount", "--bind", root, root)
    try:
        with Registry(workers=1, root=root, daemon_config=(
                f'database = "{tmp_path / "database"}"\n')) as one:
            yield one
            run("mount", "-o", "remount,bind,rw", root, check=False)
    finally:
        run("umount", "-l", root, check=False)


def test_remounted_read_only(mounted):
    repository = oci.Repository(mounted, "read/only")
    image = oci.make_image((b"r" * 70_000,))
    repository.push(image, "v1")
    fresh = repository.push_blob(b"not read before" * 5000)
    location = repository.start_upload().headers["Location"]
    location = repository.patch(location, b"x" * 99_000).headers["Location"]

    def read_only():
        return run("mount", "-o", "remount,bind,ro", mounted.root,
                   check=False).returncode == 0
    wait_until(read_only, what="nothing is open for writing")
    for blob in image.blobs:
        assert repository.get_blob(oci.digest(blob)).body == blob
        assert repository.head_blob(oci.digest(blob)).status == 200
    assert repository.get_manifest("v1").body == image.manifest
    assert repository.get_blob(fresh).body == b"not read before" * 5000
    for answer in (repository.patch(location, b"y" * 10),
                   repository.start_upload(),
                   repository.put_manifest("v2", image.manifest + b" ",
                                           image.media_type)):
        assert answer.status == 503, (answer.status, answer.body)
        assert answer.error_code() == "UNAVAILABLE"
        assert "Retry-After" in answer.headers
    run("mount", "-o", "remount,bind,rw", mounted.root)
    status = repository.upload_status(location)
    assert status.headers["Location"].endswith("offset=99000")
    data = b"x" * 99_000 + b"y" * 10
    answer = repository.finish(status.headers["Location"], oci.digest(data),
                               b"y" * 10)
    assert answer.status == 201, answer.body
    repository.push(image, "v2")
