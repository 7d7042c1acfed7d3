"""Clients that leave while their question is in flight.

Nothing leaks and nothing is used after its end; a build with sanitizers
makes the second part sharp (see tests/README.md).
"""

import os
import random
import socket
import threading
import time

import pytest

from harness import http, oci
from harness.process import alive, title, wait_until
from harness.server import Registry

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]

STATUS = "location = /status { registry_status json; }"


@pytest.fixture
def server():
    with Registry(workers=2, locations=STATUS, log_level="notice") as made:
        wait_until(lambda: numbers(made)["daemon_connected"] == 2)
        yield made


def numbers(server):
    return http.request(server, "GET", "/status").json()


def descriptors(server):
    return {pid: len(os.listdir(f"/proc/{pid}/fd"))
            for pid in server.worker_pids()}


REQUESTS = [
    lambda n: http.head("GET", f"/v2/a/tags/list?n={n}"),
    lambda n: http.head("GET", f"/v2/a/manifests/v{n}"),
    lambda n: http.head("HEAD", f"/v2/a/manifests/v{n}"),
    lambda n: http.head("POST", "/v2/a/blobs/uploads/",
                        {"Content-Length": "0"}),
    lambda n: http.head("PUT", f"/v2/a/manifests/v{n}",
                        {"Content-Length": "500"}) + b"x" * (n % 500),
    lambda n: http.head("DELETE", f"/v2/a/manifests/v{n}"),
    lambda n: http.head("GET", f"/v2/a/blobs/sha256:{n:064x}"),
    lambda n: http.head("GET", f"/v2/A/{n}") * 3,
]


def abort_some(server, seed, stop, count):
    """Sends requests and leaves after a moment, politely or with a reset."""
    dice = random.Random(seed)
    while not stop.is_set():
        try:
            link = socket.create_connection((server.host, server.port), 20)
        except OSError:
            continue
        try:
            link.sendall(dice.choice(REQUESTS)(dice.randrange(10 ** 6)))
            time.sleep(dice.choice((0, 0, 0.0005, 0.002)))
            if dice.random() < 0.5:  # RST instead of FIN
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                b"\1\0\0\0\0\0\0\0")
        except OSError:
            pass
        finally:
            link.close()
        count[0] += 1


class Aborters:
    def __init__(self, server, threads=4):
        self.stop, self.count = threading.Event(), [0]
        self.threads = [
            threading.Thread(target=abort_some,
                             args=(server, seed, self.stop, self.count))
            for seed in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def check_clean(server):
    """All is at rest: no slot, no upload, no descriptor is held."""
    wait_until(lambda: numbers(server)["daemon_waiting"] == 0,
               what="no question waits")
    wait_until(lambda: numbers(server)["uploads_active"] == 0,
               what="no upload is active")
    repo = oci.Repository(server, "t/after")
    repo.push(oci.make_image(), "v1")
    assert repo.get_manifest("v1").status == 200


def test_with_a_quick_daemon(server):
    workers = server.worker_pids()
    for _ in range(30):
        http.request(server, "GET", "/v2/a/tags/list")
    before = descriptors(server)
    with Aborters(server) as aborters:
        time.sleep(3)
        wait_until(lambda: aborters.count[0] > 500, what="500 that left")
    check_clean(server)
    assert server.worker_pids() == workers  # nobody crashed
    # Open-file caches may hold a few more, connections none.
    wait_until(lambda: all(n <= before[pid] + 16 for pid, n
                           in descriptors(server).items()),
               what="descriptors given back")


def test_with_a_stopped_daemon(server):
    workers = server.worker_pids()
    for _ in range(3):
        asked = numbers(server)["daemon_questions"]
        server.pause_daemon()
        with Aborters(server):
            time.sleep(0.5)
            wait_until(lambda: numbers(server)["daemon_questions"]
                       > asked + 20, what="questions in flight")
        server.resume_daemon()
        wait_until(lambda: numbers(server)["daemon_connected"] == 2)
    check_clean(server)
    wait_until(lambda: numbers(server)["daemon_late"] > 0,
               what="answers for those who left")
    assert server.worker_pids() == workers


def test_with_a_daemon_that_dies(server):
    workers = server.worker_pids()
    with Aborters(server):
        for _ in range(3):
            server.restart_daemon(9, wait=False)
            time.sleep(0.7)
    wait_until(lambda: numbers(server)["daemon_connected"] == 2)
    check_clean(server)
    assert server.worker_pids() == workers


def test_under_reload(server):
    with Aborters(server):
        for _ in range(4):
            old = server.worker_pids()
            server.reload()
            wait_until(lambda: not any(alive(p) for p in old),
                       what="old workers gone")
    wait_until(lambda: numbers(server)["daemon_connected"] == 2)
    check_clean(server)


def test_quit_waits_for_the_answer(make_registry):
    """A worker that is told to quit answers what it was asked."""
    server = make_registry(locations=STATUS, daemon_options="timeout=20s")
    with http.Connection(server.host, server.port) as link:
        server.pause_daemon()
        link.send(http.head("GET", "/v2/t/quit/tags/list"))
        wait_until(lambda: numbers(server)["daemon_waiting"] == 1,
                   pause=0.005)
        old = server.worker_pids()
        os.kill(server.nginx_pid, 1)
        wait_until(lambda: any("is shutting down" in title(p) for p in old),
                   what="a worker that is to quit")
        server.resume_daemon()
        answer = link.read_response()
        assert answer.status == 404
        assert answer.error_code() == "NAME_UNKNOWN"
    wait_until(lambda: not any(alive(p) for p in old),
               what="old workers gone")


def test_pipelined_requests_keep_their_order(server):
    with http.Connection(server.host, server.port) as link:
        link.send(b"".join(
            http.head("GET", f"/v2/t/p{i}/tags/list") for i in range(20)))
        for i in range(20):
            assert f"t/p{i} " in link.read_response().body.decode()
