"""A strand that is done while nginx does not know it yet: its thread stands
before the write that would wake the event loop, and the request is woken by
its client instead. Nothing may be answered or freed before the pool is."""

import fcntl
import os
import socket
import time

import pytest

from harness import http, oci
from harness.process import wait_until
from harness.strace import injected

pytestmark = pytest.mark.ours


def is_free(path):
    """True if nobody holds the lock of a session's data."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def listen_to_writes(link, target):
    """Reads a large answer so late that nginx has to wait for room: from
    then on it hears of the connection's writability with any other news."""
    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    link.send(http.head("GET", target))
    time.sleep(0.2)
    assert len(link.read_response().body) == 8 << 20


@pytest.fixture
def server(make_registry):
    return make_registry(workers=1)


@pytest.mark.parametrize("news", ["pipelined", "shut", "reset"])
@pytest.mark.parametrize("kind", ["patch", "put"])
def test_the_client_wakes_a_finished_strand(server, tmp_path, kind, news):
    worker, = server.worker_pids()
    # A machine that is too busy to be early gets more time.
    assert any(is_woken_early(server, tmp_path, kind, news, delay)
               for delay in (1.5, 6, 20))
    assert oci.Repository(server, "t/late").push_blob(b"another")
    assert server.worker_pids() == [worker]


def is_woken_early(server, tmp_path, kind, news, delay):
    """One upload; False if the event loop knew of its end before the news."""
    repo = oci.Repository(server, f"t/late/{delay}".replace(".", "-"))
    large = repo.push_blob(os.urandom(8 << 20))
    body = os.urandom(6000)
    uploads = server.root / "docker/registry/v2/repositories" / repo.name \
        / "_uploads"
    wait_until(lambda: not list(uploads.iterdir()), what="the pool is idle")
    path = oci.target(repo.start_upload().headers["Location"])
    folder = uploads / path.split("?")[0].rsplit("/", 1)[1]
    method, target = "PATCH", path
    if kind == "put":
        method = "PUT"
        target = oci.with_query(path, f"digest={oci.digest(body)}")

    def is_done():
        data = folder / "data"
        if kind == "put":
            return (folder / "committed").exists() and not data.exists()
        return (data.exists() and data.stat().st_size == len(body)
                and is_free(data))
    with http.Connection(server.host, server.port) as link, \
            injected(server.worker_pids()[0], tmp_path, "write",
                     f"delay_enter={int(delay * 1e6)}") as is_over:
        listen_to_writes(link, f"/v2/{repo.name}/blobs/{large}")
        start = time.monotonic()
        link.send(http.head(method, target,
                            {"Content-Length": str(len(body))}) + body)
        wait_until(is_done, what="the strand is done")
        time.sleep(0.1)
        if news == "pipelined":
            link.send(http.head("GET", "/v2/"))
        elif news == "shut":
            link.sock.shutdown(socket.SHUT_WR)
        else:
            link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 b"\1\0\0\0\0\0\0\0")
            link.close()
        early = not is_over()
        if news == "pipelined":
            answer = link.read_response()
            assert answer.status == (202 if kind == "patch" else 201)
            # Not before the pool has given its task back; unless a task of
            # before was late too, and its write woke the loop for both.
            early = early and time.monotonic() - start > delay
            assert link.read_response().body == b"{}"
        wait_until(is_over, 2 * delay + 60, what="the pool's write")
    if kind == "patch":
        answer = repo.upload_status(path)
        assert answer.status == 204
        assert f"offset={len(body)}" in answer.headers["Location"]
    elif news == "pipelined":
        assert repo.get_blob(oci.digest(body)).body == body
    return early
