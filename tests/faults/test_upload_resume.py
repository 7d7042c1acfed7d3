"""Uploads go on: in another worker, after a reload, after kill -9 of a
worker, of nginx or of the daemon, after SIGTERM, through a graceful quit. In
the end the digest is the client's and no byte was lost that a 202 promised."""

import os
import random
import signal
import threading
from pathlib import Path

import pytest

from harness import http, oci
from harness.clients import need_right
from harness.oci import target, with_query
from harness.process import alive, run, title, wait_until
from harness.strace import injected

pytestmark = pytest.mark.ours

DATA = random.Random(11).randbytes(24 << 20)
MI = 1 << 20


def start(repository):
    answer = repository.start_upload()
    assert answer.status == 202, answer.body
    return answer.headers["Location"]


def offset_of(answer):
    """What the session holds, by the Location (Range is ambiguous at 0)."""
    return int(answer.headers["Location"].rsplit("offset=", 1)[1])


def finish(repository, location, data):
    answer = repository.finish(location, oci.digest(data))
    assert answer.status == 201, (answer.status, answer.body)
    got = repository.get_blob(oci.digest(data))
    assert (got.status, got.body) == (200, data)


def between(server, event):
    """What happens between two chunks."""
    if event == "reload":
        server.reload(wait_old=True)
    elif event == "kill-worker":
        for pid in server.worker_pids():
            server.kill_worker(pid)
    elif event == "kill-nginx":
        server.restart_nginx(signal.SIGKILL)
    elif event == "term-nginx":
        server.restart_nginx(signal.SIGTERM)
    elif event == "kill-daemon":
        server.restart_daemon(signal.SIGKILL)
    elif event == "term-daemon":
        server.restart_daemon(signal.SIGTERM)


EVENTS = ["reload", "kill-worker", "kill-nginx", "term-nginx", "kill-daemon",
          "term-daemon"]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("hint", ["", "?digest-algorithm=sha512"])
def test_between_chunks(fresh_registry, event, hint):
    repository = oci.Repository(fresh_registry, "resume/chunks")
    answer = repository.start_upload(hint)
    data = DATA[:3 * MI + 77]
    for first in range(0, len(data), MI + 13):
        piece = data[first:first + MI + 13]
        answer = repository.patch(answer.headers["Location"], piece, first)
        assert answer.status == 202, (answer.status, answer.body)
        between(fresh_registry, event)
    status = repository.upload_status(answer.headers["Location"])
    assert offset_of(status) == len(data)
    algorithm = "sha512" if hint else "sha256"
    digest = oci.digest(data, algorithm)
    answer = repository.finish(answer.headers["Location"], digest)
    assert answer.status == 201, (answer.status, answer.body)
    assert repository.get_blob(digest).body == data


def received(server, repository):
    """Bytes in the file of the only upload of a repository."""
    session, = sessions(server, repository)
    try:
        return (session / "data").stat().st_size
    except FileNotFoundError:  # the first request makes it
        return 0


def begin_patch(server, location, body, send):
    """A PATCH of `body` of which only `send` bytes were sent."""
    connection = http.Connection(server.host, server.port)
    connection.send(http.head("PATCH", target(location),
                              {"Content-Length": str(len(body))})
                    + body[:send])
    return connection


def go_on(repository, location, data):
    """Asks where to go on, sends the rest, finishes; the kept offset."""
    answer = wait_until(lambda: unlocked(repository, location),
                        what="session can be written to")
    kept = offset_of(answer)
    answer = repository.patch(answer.headers["Location"], data[kept:], kept)
    assert answer.status == 202, (answer.status, answer.body)
    finish(repository, answer.headers["Location"], data)
    return kept


def unlocked(repository, location):
    """The status once no other request writes, else None."""
    status = repository.upload_status(location)
    assert status.status == 204
    probe = repository.patch(status.headers["Location"], b"")
    return probe if probe.status == 202 else None


@pytest.mark.parametrize("size", [1000, 65536, 300_000, 5 * MI])
def test_client_leaves_midway(registry, repo_name, size):
    """All that arrived is kept and promised again."""
    repository = oci.Repository(registry, f"{repo_name}/{size}")
    data = DATA[:6 * MI]
    first = repository.patch(start(repository), data[:500])
    location = first.headers["Location"]
    begin_patch(registry, location, data[500:], size).close()
    wait_until(lambda: offset_of(repository.upload_status(location))
               == 500 + size, what="received bytes are kept")
    assert go_on(repository, location, data) == 500 + size


def test_body_timeout(make_registry):
    server = make_registry(location_directives="registry_upload_timeout 3s;")
    repository = oci.Repository(server, "resume/slow")
    data = DATA[:700_000]
    location = start(repository)
    with begin_patch(server, location, data, 400_000) as slow:
        answer = slow.read_response("PATCH")
        assert answer.status == 408
        assert answer.headers["Content-Type"] == "application/json"
    assert go_on(repository, location, data) == 400_000


@pytest.mark.parametrize("event", ["kill-worker", "kill-nginx", "term-nginx"])
def test_ended_in_the_middle_of_a_body(fresh_registry, event):
    """What a 202 promised is there; what came after it may be lost."""
    repository = oci.Repository(fresh_registry, "resume/middle")
    data = DATA[:20 * MI]
    promised = repository.patch(start(repository), data[:3 * MI])
    location = promised.headers["Location"]
    connection = begin_patch(fresh_registry, location, data[3 * MI:], 9 * MI)
    wait_until(lambda: received(fresh_registry, repository) > 3 * MI,
               what="body is being written")
    between(fresh_registry, event)
    connection.close()
    assert go_on(repository, location, data) >= 3 * MI


def test_checkpoint_survives_kill(make_registry):
    """In one long body the state is saved every 64 MiB."""
    server = make_registry()
    repository = oci.Repository(server, "resume/long")
    piece = DATA[:16 * MI]
    data = piece * 9
    location = start(repository)
    connection = begin_patch(server, location, data, 0)
    connection.send(data[:136 * MI])
    wait_until(lambda: offset_of(repository.upload_status(location))
               >= 128 * MI, 60, what="a checkpoint")
    between(server, "kill-worker")
    connection.close()
    assert 128 * MI <= go_on(repository, location, data) <= 136 * MI


def test_quit_waits_for_the_upload(fresh_registry):
    """SIGHUP in the middle of a body: the old worker ends it with 202."""
    repository = oci.Repository(fresh_registry, "resume/quit")
    data = DATA[:8 * MI]
    location = start(repository)
    connection = begin_patch(fresh_registry, location, data, 3 * MI)
    wait_until(lambda: received(fresh_registry, repository),
               what="body is being written")
    old = fresh_registry.worker_pids()
    fresh_registry.reload()
    wait_until(lambda: any("is shutting down" in title(pid) for pid in old),
               what="an old worker waits for its upload")
    connection.send(data[3 * MI:])
    answer = connection.read_response("PATCH")
    assert answer.status == 202, answer.body
    connection.close()
    wait_until(lambda: not any(alive(pid) for pid in old),
               what="old workers ended")
    finish(repository, answer.headers["Location"], data)


def test_quit_with_a_task_in_flight(fresh_registry):
    """SIGQUIT right after the last byte: hash, sync and rename are still to
    come, and the client gets its answer."""
    repository = oci.Repository(fresh_registry, "resume/task")
    data = DATA[:24 * MI]
    location = start(repository)
    path = with_query(target(location), f"digest={oci.digest(data)}")
    answers = []

    def push():
        with http.Connection(fresh_registry.host,
                             fresh_registry.port) as one:
            one.send(http.head("PUT", path, {
                "Content-Length": str(len(data))}) + data)
            sent.set()
            answers.append(one.read_response("PUT"))
    sent = threading.Event()
    thread = threading.Thread(target=push)
    thread.start()
    assert sent.wait(60)
    for pid in fresh_registry.worker_pids():
        os.kill(pid, signal.SIGQUIT)
    thread.join(70)
    assert answers and answers[0].status == 201, answers
    wait_until(fresh_registry.answers, what="new workers serve")
    assert repository.get_blob(oci.digest(data)).body == data


def sessions(server, repository):
    folder = (server.root / "docker/registry/v2/repositories"
              / repository.name / "_uploads")
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("how", ["client leaves", "daemon leaves"])
def test_single_post_leaves_nothing(fresh_registry, how):
    """Nobody was told of its session, so nobody could go on with it."""
    repository = oci.Repository(fresh_registry, "resume/single")
    data = DATA[:3 * MI]
    path = f"/v2/{repository.name}/blobs/uploads/?digest={oci.digest(data)}"
    connection = http.Connection(fresh_registry.host, fresh_registry.port)
    connection.send(f"POST {path} HTTP/1.1\r\nHost: x\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n".encode()
                    + data[:2 * MI])
    # A session alone may be one that nginx has not heard of yet.
    wait_until(lambda: sessions(fresh_registry, repository)
               and received(fresh_registry, repository), what="bytes arrive")
    if how == "client leaves":
        connection.close()
    else:
        fresh_registry.stop_daemon(signal.SIGKILL)
        connection.send(data[2 * MI:])
        assert connection.read_response("POST").status == 503
    wait_until(lambda: not sessions(fresh_registry, repository),
               what="session's folder removed")


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "empty"])
def test_put_is_repeated_when_the_daemon_is_back(fresh_registry, whole):
    """The bytes are in the store, nobody could link them: 503. The same PUT
    again succeeds, and the session ends then."""
    repository = oci.Repository(fresh_registry, "resume/put")
    data = DATA[:2 * MI]
    digest = oci.digest(data)
    location = start(repository)
    if not whole:
        location = repository.patch(location, data).headers["Location"]
    body = data if whole else b""
    fresh_registry.daemon.kill()
    fresh_registry.daemon.wait()
    for _ in range(2):
        answer = repository.finish(location, digest, body)
        assert answer.status == 503, (answer.status, answer.body)
        assert "Retry-After" in answer.headers
        assert answer.error_code() == "UNAVAILABLE"
    fresh_registry.restart_daemon(signal.SIGKILL)

    def again():
        answer = repository.finish(location, digest, body)
        assert answer.status in (201, 503)
        return answer.status == 201
    wait_until(again, what="PUT repeated")
    assert repository.get_blob(digest).body == data
    assert repository.upload_status(location).status == 404
    wait_until(lambda: not sessions(fresh_registry, repository),
               what="session's folder removed")


def test_put_repeated_with_another_digest(fresh_registry):
    """A committed session gives away no other blob."""
    repository = oci.Repository(fresh_registry, "resume/other")
    secret = oci.Repository(fresh_registry, "secret/x").push_blob(b"secret")
    location = start(repository)
    data = DATA[:1000]
    fresh_registry.daemon.kill()
    fresh_registry.daemon.wait()
    assert repository.finish(location, oci.digest(data), data).status == 503
    fresh_registry.restart_daemon(signal.SIGKILL)
    answer = repository.finish(location, secret)
    assert answer.status == 404
    assert repository.get_blob(secret).status == 404


def session_folder(server, repository, location):
    session = target(location).split("?")[0].rsplit("/", 1)[1]
    return (server.root / "docker/registry/v2/repositories"
            / repository.name / "_uploads" / session)


@pytest.mark.parametrize("damage", ["missing", "torn", "flipped", "empty",
                                    "beyond"])
def test_damaged_state(registry, repo_name, damage):
    """Without a usable state the file is hashed anew; `missing` is also how
    docker-registry leaves its sessions."""
    repository = oci.Repository(registry, f"{repo_name}/{damage}")
    data = DATA[:2 * MI + 9]
    answer = repository.patch(start(repository), data[:MI])
    folder = session_folder(registry, repository, answer.headers["Location"])
    state = folder / "state"
    raw = state.read_bytes()
    if damage == "missing":
        state.unlink()
    elif damage == "torn":
        state.write_bytes(raw[:100])
    elif damage == "flipped":
        state.write_bytes(bytes(byte ^ (i % 4096 == 20)
                                for i, byte in enumerate(raw)))
    elif damage == "empty":
        state.write_bytes(b"")
    else:
        os.truncate(folder / "data", MI - 1)
        data = data[:MI - 1] + data[MI:]
    kept = MI - 1 if damage == "beyond" else MI
    status = repository.upload_status(answer.headers["Location"])
    assert offset_of(status) == kept
    answer = repository.patch(status.headers["Location"], data[kept:], kept)
    assert answer.status == 202, (answer.status, answer.body)
    finish(repository, answer.headers["Location"], data)


def test_bytes_beyond_the_state_are_cut(registry, repo_name):
    """What a crash left in `data` and no state covers is not trusted."""
    repository = oci.Repository(registry, repo_name)
    data = DATA[:500_000]
    answer = repository.patch(start(repository), data[:300_000])
    location = answer.headers["Location"]
    file = session_folder(registry, repository, location) / "data"
    with open(file, "ab") as out:
        out.write(b"garbage" * 50_000)  # longer than what comes
    assert offset_of(repository.upload_status(location)) == 300_000
    answer = repository.patch(location, data[300_000:], 300_000)
    finish(repository, answer.headers["Location"], data)


@pytest.mark.parametrize("harm", ["other bytes", "too few"])
def test_a_blob_that_was_harmed_is_replaced(registry, repo_name, harm):
    """By bytes that were just verified, whatever size it has."""
    repository = oci.Repository(registry, repo_name.replace(" ", "-"))
    data = DATA[:70_000]
    digest = repository.push_blob(data)
    encoded = digest.split(":")[1]
    path = (registry.root / "docker/registry/v2/blobs/sha256" / encoded[:2]
            / encoded / "data")
    with open(path, "r+b") as file:
        if harm == "too few":
            file.truncate(100)
        else:
            file.write(bytes([data[0] ^ 1]))
    assert path.read_bytes() != data
    oci.Repository(registry, repository.name + "/two").push_blob(data)
    assert path.read_bytes() == data


@pytest.mark.parametrize("whole", [True, False], ids=["put", "patch"])
def test_full_disk(make_registry, tmp_path, whole):
    """ENOSPC: 503 with Retry-After; the session goes on once there is room.
    A small tmpfs is the disk; without the right to mount it is skipped."""
    disk = tmp_path / "disk"
    disk.mkdir()
    need_right("CAP_SYS_ADMIN", "to mount a file system")
    run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk)
    try:
        server = make_registry(root=disk / "data", keep_root=True)
        repository = oci.Repository(server, "full/disk")
        data = DATA[:3 * MI]
        location = start(repository)
        location = repository.patch(location, data[:MI]).headers["Location"]
        filler = disk / "filler"
        room = os.statvfs(disk)
        filler.write_bytes(b"f" * max(
            0, room.f_bavail * room.f_bsize - MI))
        digest = oci.digest(data)
        if whole:
            answer = repository.finish(location, digest, data[MI:])
        else:
            answer = repository.patch(location, data[MI:])
        assert answer.status == 503, (answer.status, answer.body)
        assert "Retry-After" in answer.headers
        assert answer.error_code() == "UNAVAILABLE"
        filler.unlink()
        status = repository.upload_status(location)
        assert offset_of(status) == MI
        answer = repository.finish(status.headers["Location"], digest,
                                   data[MI:])
        assert answer.status == 201, (answer.status, answer.body)
        assert repository.get_blob(digest).body == data
        server.close(check=False)
    finally:
        run("umount", "-l", disk, check=False)


def test_a_repeated_put_promises_no_more_than_the_first(
        make_registry, tmp_path):
    """The blob is in its place, but its folder could not be made durable: no
    201, for the repetition neither, until it could."""
    server = make_registry(workers=1)
    worker, = server.worker_pids()
    repository = oci.Repository(server, "sync/fails")
    data = DATA[:MI]
    digest = oci.digest(data)
    # The folders are there: what fails is the last step.
    repository.push_blob(data)
    Path(server.root, "docker/registry/v2/blobs/sha256", digest[7:9],
         digest[7:], "data").unlink()
    location = start(repository)
    location = repository.patch(location, data).headers["Location"]
    with injected(worker, tmp_path, "fsync", "error=EIO") as has_failed:
        for _ in range(2):
            answer = repository.finish(location, digest)
            assert answer.status == 503, (answer.status, answer.body)
        assert has_failed()
    answer = repository.finish(location, digest)
    assert answer.status == 201, (answer.status, answer.body)
    assert repository.get_blob(digest).body == data
