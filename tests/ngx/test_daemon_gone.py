"""The daemon stopped, killed, back: reads go on, writes say when to retry."""

import os
import signal
import threading
import time

import pytest

from harness import http, oci
from harness.process import PATIENCE, threads_stopped, wait_until, within
from harness.server import Registry

pytestmark = pytest.mark.ours

GRACE_S = 1.5  # a daemon away for so long at most is waited for
PID = "location = /pid { return 200 $pid; }"
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
def patient():
    """A server whose questions wait long for their answers, with an image."""
    with Registry(workers=2, locations=STATUS,
                  daemon_options="timeout=20s") as made:
        wait_connected(made)
        oci.Repository(made, "t/gone").push(oci.make_image(), "v1")
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
    for call in (repo.get_manifest, repo.head_manifest):
        assert "Warning" not in call("v1").headers  # nobody was asked
    check_reads(repo, image)
    # Each within the deadline of a question, not of a client.
    check_unavailable(repo.start_upload())
    check_unavailable(repo.put_manifest("v2", image.manifest))
    check_unavailable(repo.delete_manifest("v1"))
    check_unavailable(repo.tags())
    # By now it is known to be gone: no waiting at all.
    wait_until(lambda: numbers(server)["daemon_connected"] == 0,
               what="the daemon is known to be gone")
    time.sleep(2.2)

    def seconds_of_refusals():
        start = time.monotonic()
        check_unavailable(repo.start_upload())
        check_unavailable(repo.put_manifest("v2", image.manifest))
        return time.monotonic() - start
    within(0.5, seconds_of_refusals)
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
                           daemon_options="timeout=6s",
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
    answers = []
    threading.Thread(daemon=True, target=lambda: answers.append(
        repo.get_manifest("v1"))).start()
    answer = wait_until(lambda: answers and answers[0], 30,
                        what="the time of a question is over")
    assert (answer.status, answer.body) == (200, image.manifest)
    assert answer.headers["Warning"].startswith('299 - "')
    server.resume_daemon()


def test_killed_while_questions_are_in_flight(patient):
    """Reads are asked again."""
    server = patient
    server.pause_daemon()
    answers = []

    def read(i):
        answers.append(http.request(
            server, "GET", f"/v2/t/gone/manifests/v1?q={i}").status)
    readers = [threading.Thread(target=read, args=(i,)) for i in range(20)]
    for reader in readers:
        reader.start()
    wait_until(lambda: numbers(server)["daemon_waiting"] >= 10,
               pause=0.005, what="questions in flight")
    os.kill(server.daemon_pid, signal.SIGKILL)
    server.daemon.wait()
    server.start_daemon()
    for reader in readers:
        reader.join()
    assert answers == [200] * 20
    assert numbers(server)["daemon_repeats"] >= 10


def test_restarts_lose_no_read(patient):
    """Uncached reads all the time, the daemon restarts three times. Where
    the machine makes an absence longer than nginx waits, it does not count."""
    server = patient
    answers, done = [], threading.Event()

    def read(reader):
        i = 0
        while not done.is_set():
            i += 1
            begin = time.monotonic()
            status = http.request(
                server, "GET",
                f"/v2/t/gone/manifests/v1?r={reader}.{i}").status
            answers.append((begin, time.monotonic(), status))
    readers = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for reader in readers:
        reader.start()
    absences = []
    try:
        wait_until(lambda: len(answers) > 20, what="reads")
        end = time.monotonic() + PATIENCE
        while sum(back - gone < GRACE_S for gone, back in absences) < 3:
            assert time.monotonic() < end, absences
            gone = time.monotonic()
            server.restart_daemon(signal.SIGKILL)
            wait_connected(server)
            absences.append((gone, time.monotonic()))
            time.sleep(0.3)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    long = [row for row in absences if row[1] - row[0] >= GRACE_S]
    lost = [(begin, end, status) for begin, end, status in answers
            if status != 200 and not any(
                begin < back and gone < end for gone, back in long)]
    assert lost == []


def test_the_first_worker_that_has_it_speaks_for_all():
    """Workers meet a daemon that is back at different times, up to a fifth of
    a second apart: the late ones wait instead of turning reads away."""
    with Registry(workers=4, locations=STATUS,
                  daemon_options="timeout=4s") as server:
        wait_connected(server)
        for _ in range(2):
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


def test_a_worker_that_had_it_last_time_is_waited_for_anew():
    """One worker asks while the other has not noticed yet that the daemon is
    gone; later the daemon is back, and the other one has it first."""
    with Registry(workers=2, locations=STATUS + PID,
                  daemon_options="timeout=3s") as server:
        wait_connected(server)
        links = {}

        def both():
            # At once: an idle worker would take one after the other.
            for link in [http.Connection(server.host, server.port)
                         for _ in range(8)]:
                pid = int(link.request("GET", "/pid").body)
                links.setdefault(pid, link)
            return len(links) == 2
        wait_until(both, what="a connection to each worker")
        (one, link), (other, _) = links.items()
        try:
            freeze(other)
            server.stop_daemon(signal.SIGKILL)
            wait_until(lambda: link.request("GET", "/status").json()[
                "daemon_connected"] == 1, what="only one has noticed it")
            assert ask(link).status == 503
            os.kill(other, signal.SIGCONT)
            wait_until(lambda: numbers(server)["daemon_connected"] == 0)
            time.sleep(2.2)  # longer than a worker waits by itself
            freeze(one)
            server.start_daemon()
            # Not asked of the one that stands: its slot says it.
            with http.Connection(server.host, server.port) as status:
                wait_until(lambda: status.request("GET", "/status").json()[
                    "daemon_connected"] == 1, what="the other one has it")
            link.send(http.head("GET", "/v2/a/tags/list"))
            os.kill(one, signal.SIGCONT)
            assert link.read_response().status == 404
        finally:
            for pid in links:
                os.kill(pid, signal.SIGCONT)


def freeze(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: threads_stopped(pid), pause=0.001)


def ask(link):
    return link.request("GET", "/v2/a/tags/list")


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
