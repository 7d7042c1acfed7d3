"""64 descriptors for a worker and for the daemon, and 500 clients at once: no
wrong answer, new work is refused or waits, and afterwards all is as before."""

import random
import resource
import socket
import time

import pytest

from harness import http, oci
from harness.process import wait_until
from harness.rounds import Round, descriptors, left_over, prepare, verify
from harness.server import Registry

pytestmark = [pytest.mark.ours, pytest.mark.heavy]
CLIENTS = 500
LIMIT = 64


@pytest.fixture(scope="module")
def server():
    with Registry(workers=1) as one:
        # accept4() and open() say which limit they met.
        one.allow_log(r"\[(crit|alert)\].*\(24: Too many open files\)")
        prepare(one)
        yield one


def requests(repo, image, large):
    """What the clients ask, and what is right: (raw request, method, check)"""
    def exact(body):
        return lambda answer: answer.status == 200 and answer.body == body
    chance = random.Random(6)
    layer = image.blobs[1]
    for number in range(CLIENTS):
        data = b"few %d" % number * 500
        close = {"Connection": "close"}
        yield chance.choice((
            ("GET", f"{repo.base}/blobs/{oci.digest(layer)}", close, b"",
             exact(layer)),
            ("GET", f"{repo.base}/blobs/{oci.digest(large)}", close, b"",
             exact(large)),
            ("GET", f"{repo.base}/manifests/v1", close, b"",
             exact(image.manifest)),
            ("GET", f"{repo.base}/tags/list", close, b"",
             lambda answer: answer.json()["tags"] == ["v1"]),
            ("POST", f"{repo.base}/blobs/uploads/?digest={oci.digest(data)}",
             {**close, "Content-Length": str(len(data))}, data,
             lambda answer: answer.status == 201)))


def connect(server):
    """All clients, each with its request sent; None if there is no room."""
    for _ in range(CLIENTS):
        sock = socket.socket()
        sock.settimeout(60)
        sock.connect((server.host, server.port))
        yield sock


def read(sock, method):
    connection = http.Connection.__new__(http.Connection)
    connection.sock, connection.buffer, connection.name = sock, b"", ""
    try:
        return connection.read_response(method)
    except (http.Closed, ConnectionError):
        return None  # refused without a word


def test_five_hundred_clients(server):
    repo = oci.Repository(server, "few/descriptors")
    large = b"large" * 100_000
    image = oci.make_image((b"small" * 99, large))
    repo.push(image, "v1")
    assert repo.get_manifest("v1").status == 200
    before = server.worker_pids(), server.daemon_pid
    opened = descriptors(server)
    limited = [*server.worker_pids(), server.daemon_pid]
    old = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE)
           for pid in limited}
    for pid in limited:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, old[pid][1]))
    asked = list(requests(repo, image, large))
    counted = {}
    sockets = list(connect(server))
    for sock, (method, target, headers, body, _) in zip(sockets, asked,
                                                       strict=True):
        try:
            sock.sendall(http.head(method, target, headers) + body)
        except ConnectionError:
            pass
    start = time.monotonic()
    for sock, (method, target, _, _, right) in zip(sockets, asked,
                                                  strict=True):
        answer = read(sock, method)
        sock.close()
        if answer is None:
            what = "closed"
        elif answer.status >= 500:
            assert answer.status == 503, (target, answer.status, answer.body)
            assert answer.error_code() == "UNAVAILABLE", answer.body
            what = "503"
        else:
            assert right(answer), (target, answer.status, answer.body[:200])
            what = "right"
        counted[what] = counted.get(what, 0) + 1
    print(f"{counted} in {time.monotonic() - start:.1f} s")
    assert counted.get("right", 0) > 0
    # It has been short of them, and says so.
    assert "(24: Too many open files)" in server.logs()
    # With the same limit, once the clients are gone.
    wait_until(lambda: all(
        now <= opened[pid] + 8 for pid, now in descriptors(server).items()),
        90, what="descriptors are given back")  # keepalive_timeout is 75 s
    round = Round(server, "few/after", "few").run()
    assert all(round.done(what) for what in round.answers), round.answers
    for pid in limited:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old[pid])
    assert (server.worker_pids(), server.daemon_pid) == before
    wait_until(lambda: not left_over(server), 15,
               what=f"gone: {left_over(server)}")
    verify(server)
