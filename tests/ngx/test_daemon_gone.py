"""The daemon stopped, killed, back: reads go on, writes say when to retry."""

import os
import signal
import threading
import time

import pytest

from harness import http, oci
from harness.process import wait_until
from harness.server import Registry

pytestmark = pytest.mark.ours

STATUS = "location = /status { registry_status json; }"


def numbers(server):
    return http.request(server, "GET", "/status").json()


def wait_connected(server):
    """Until every worker has the daemon."""
    wait_until(lambda: numbers(server)["daemon_connected"] == server.workers,
               what="all workers connected")


@pytest.fixture
def server():
    with Registry(workers=2, locations=STATUS) as made:
        wait_connected(made)
        yield made


@pytest.fixture
def pushed(server):
    """A repository with one image, its manifest known to the zone."""
    repo = oci.Repository(server, "t/gone")
    image = oci.make_image()
    repo.push(image, "v1")
    assert repo.get_manifest("v1").status == 200
    assert repo.get_manifest(image.digest).status == 200
    return repo, image


def check_unavailable(answer):
    assert answer.status == 503, (answer.status, answer.body)
    assert answer.error_code() == "UNAVAILABLE"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/json"


def check_reads(repo, image):
    for blob in image.blobs:
        answer = repo.get_blob(oci.digest(blob))
        assert (answer.status, answer.body) == (200, blob)
        assert repo.head_blob(oci.digest(blob)).status == 200
    for reference in ("v1", image.digest):
        answer = repo.get_manifest(reference)
        assert (answer.status, answer.body) == (200, image.manifest)
        assert repo.head_manifest(reference).status == 200
    assert http.request(repo.server, "GET", "/v2/").status == 200


def stop(server, how):
    if how == "stopped":
        server.pause_daemon()
    else:
        os.kill(server.daemon_pid, signal.SIGKILL)
        server.daemon.wait()


def bring_back(server, how):
    if how == "stopped":
        server.resume_daemon()
    else:
        server.start_daemon()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_reads_go_on_and_writes_wait(server, pushed, how):
    repo, image = pushed
    workers = server.worker_pids()
    stop(server, how)
    check_reads(repo, image)
    # Each within the deadline of a question, not of a client.
    start = time.monotonic()
    check_unavailable(repo.start_upload())
    check_unavailable(repo.put_manifest("v2", image.manifest))
    check_unavailable(repo.delete_manifest("v1"))
    check_unavailable(repo.tags())
    assert time.monotonic() - start < 20
    # By now it is known to be gone: no waiting at all.
    wait_until(lambda: numbers(server)["daemon_connected"] == 0,
               what="the daemon is known to be gone")
    time.sleep(2.2)
    start = time.monotonic()
    check_unavailable(repo.start_upload())
    check_unavailable(repo.put_manifest("v2", image.manifest))
    assert time.monotonic() - start < 0.5
    check_reads(repo, image)
    assert numbers(server)["daemon_waiting"] == 0
    # And everything goes on, without a reload.
    bring_back(server, how)
    wait_connected(server)
    assert server.worker_pids() == workers
    repo.push(oci.make_image((b"other",)), "v3")
    assert repo.get_manifest("v3").status == 200


def test_old_answers_say_so(make_registry):
    """Past its time to live an answer comes with a Warning."""
    server = make_registry(workers=2, locations=STATUS,
                           daemon_config="cache_ttl_ms = 300")
    wait_connected(server)
    repo = oci.Repository(server, "t/gone")
    image = oci.make_image()
    repo.push(image, "v1")
    assert "Warning" not in repo.get_manifest("v1").headers
    time.sleep(0.5)
    # Asked again, and kept for another 300 ms.
    assert "Warning" not in repo.get_manifest("v1").headers
    stop(server, "killed")
    wait_until(lambda: numbers(server)["daemon_connected"] == 0)
    time.sleep(0.5)
    for call in (repo.get_manifest, repo.head_manifest):
        answer = call("v1")
        assert answer.status == 200
        assert answer.headers["Warning"].startswith('299 - "')
    assert repo.get_manifest("v1").body == image.manifest
    assert numbers(server)["cache_stale"] >= 3
    server.start_daemon()
    wait_connected(server)
    assert "Warning" not in repo.get_manifest("v1").headers


def test_stopped_daemon_and_an_old_answer(make_registry):
    """A question that gets no answer in time ends in the old one."""
    server = make_registry(workers=1, locations=STATUS,
                           daemon_config="cache_ttl_ms = 1")
    wait_connected(server)
    repo = oci.Repository(server, "t/gone")
    image = oci.make_image()
    repo.push(image, "v1")
    assert repo.get_manifest("v1").status == 200
    time.sleep(0.1)
    server.pause_daemon()
    start = time.monotonic()
    answer = repo.get_manifest("v1")
    assert (answer.status, answer.body) == (200, image.manifest)
    assert answer.headers["Warning"].startswith('299 - "')
    assert time.monotonic() - start < 3
    server.resume_daemon()


def test_killed_while_questions_are_in_flight(server, pushed):
    """Reads are asked again, nobody waits for what cannot come."""
    repo, _ = pushed
    server.pause_daemon()
    answers, slowest = [], [0.0]

    def read(i):
        start = time.monotonic()
        answers.append(http.request(
            server, "GET", f"/v2/t/gone/manifests/v1?q={i}").status)
        slowest[0] = max(slowest[0], time.monotonic() - start)
    readers = [threading.Thread(target=read, args=(i,)) for i in range(20)]
    for reader in readers:
        reader.start()
    wait_until(lambda: numbers(server)["daemon_waiting"] >= 10, 1.5,
               pause=0.005, what="questions in flight")
    os.kill(server.daemon_pid, signal.SIGKILL)
    server.daemon.wait()
    server.start_daemon()
    for reader in readers:
        reader.join()
    assert answers == [200] * 20
    assert slowest[0] < 2.5
    assert numbers(server)["daemon_repeats"] >= 10


def test_restarts_lose_no_read(server, pushed):
    """Uncached reads all the time, the daemon restarts three times."""
    repo, _ = pushed
    answers, done = [], threading.Event()

    def read(reader):
        i = 0
        while not done.is_set():
            i += 1
            answers.append(http.request(
                server, "GET",
                f"/v2/t/gone/manifests/v1?r={reader}.{i}").status)
    readers = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(3):
        server.restart_daemon(signal.SIGKILL)
        time.sleep(0.3)
    done.set()
    for reader in readers:
        reader.join()
    assert set(answers) == {200}
    assert len(answers) > 20


def test_the_first_worker_that_has_it_speaks_for_all():
    """Workers meet a daemon that is back at different times, up to a fifth of
    a second apart: the late ones wait instead of turning reads away."""
    with Registry(workers=4, locations=STATUS) as server:
        wait_connected(server)
        for _ in range(3):
            server.stop_daemon(signal.SIGKILL)
            wait_until(lambda: http.request(
                server, "GET", "/v2/a/tags/list").status == 503)
            time.sleep(2.2)  # longer than a worker waits by itself
            server.start_daemon()
            wait_until(lambda: numbers(server)["daemon_connected"] > 0,
                       pause=0.001)
            answers = [http.request(server, "GET", "/v2/a/tags/list").status
                       for _ in range(40)]
            assert set(answers) == {404}


def test_nginx_starts_without_the_daemon():
    """Blobs are served from disk by an nginx that never met a daemon."""
    with Registry(workers=1) as first:
        repo = oci.Repository(first, "t/alone")
        image = oci.make_image()
        repo.push(image, "v1")
        first.stop()

        class Alone(Registry):
            def start_daemon(self):
                pass
        with Alone(root=first.root, workers=1) as second:
            repo = oci.Repository(second, "t/alone")
            name = oci.digest(image.blobs[0])
            assert repo.get_blob(name).body == image.blobs[0]
            check_unavailable(repo.start_upload())
            code, said = second.test_conf()
            assert code == 0 and "does not answer" in said
