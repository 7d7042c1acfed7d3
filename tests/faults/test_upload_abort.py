"""Clients that leave at any moment, over HTTP/1.1 and HTTP/2: no descriptor,
lock or memory stays behind, and the worker goes on serving."""

import random
import socket
import ssl
import struct
import subprocess
import threading
import time

import os

import pytest

from harness import http, oci
from harness.oci import target
from harness.ports import connections
from harness.process import wait_until

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]

BODY = random.Random(13).randbytes(3 << 20)


def descriptors(server):
    return {pid: len(os.listdir(f"/proc/{pid}/fd"))
            for pid in server.worker_pids()}


def resident_kib(server):
    total = 0
    for pid in server.worker_pids():
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS"):
                    total += int(line.split()[1])
    return total


def start(repository):
    answer = repository.start_upload()
    assert answer.status == 202, (answer.status, answer.body)
    return answer.headers["Location"]


def abort(server, raw, reset):
    """Sends the bytes and leaves, by FIN or by RST."""
    with socket.create_connection((server.host, server.port), 20) as sock:
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        try:
            sock.sendall(raw)
        except OSError:
            pass


def request_bytes(rng, location):
    """A PATCH or PUT that is cut somewhere, its head included."""
    size = rng.choice([1, 1000, 70_000, 300_000, len(BODY)])
    body = BODY[:size]
    path = target(location)
    method = rng.choice(["PATCH", "PUT"])
    if method == "PUT":
        path += f"&digest={oci.digest(body)}"
    if rng.random() < 0.5:
        raw = http.head(method, path, {"Content-Length": str(size)}) + body
    else:
        cut = rng.randrange(1, size + 1)
        raw = http.head(method, path, {"Transfer-Encoding": "chunked"}) + (
            http.chunked([body[:cut], body[cut:]]))
    return raw[:rng.randrange(1, len(raw) + 1)]


def storm(server, repository, seed, rounds):
    rng = random.Random(seed)
    location = start(repository)
    for turn in range(rounds):
        if turn % 10 == 9:
            location = start(repository)
        abort(server, request_bytes(rng, location), rng.random() < 0.5)


def run_storm(server, repository, rounds, writers=4):
    threads = [threading.Thread(target=storm, args=(
        server, repository, seed, rounds)) for seed in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def check_whole(repository):
    digest = repository.push_blob(BODY)
    assert repository.get_blob(digest).body == BODY


def test_nothing_leaks(make_registry):
    # nginx keeps a connection whose refused body broke off for this long.
    server = make_registry(workers=2, http_directives="keepalive_timeout 1s;")
    repository = oci.Repository(server, "abort/leak")
    run_storm(server, repository, 20)
    check_whole(repository)
    wait_until(lambda: not connections(server.port),
               what="connections are gone")
    before, memory = descriptors(server), resident_kib(server)
    run_storm(server, repository, 80)

    def settled():
        # The open-file cache keeps some; uploads must not.
        after = descriptors(server)
        return after.keys() == before.keys() and all(
            after[pid] <= before[pid] + 8 for pid in after)
    wait_until(settled, what=f"descriptors back to {before}")
    # Freed buffers stay with the heap: 32 MiB a worker at most.
    assert resident_kib(server) < memory + server.workers * 32 * 1024
    check_whole(repository)


def test_no_lock_stays(registry, repo_name):
    repository = oci.Repository(registry, repo_name)
    for turn in range(30):
        location = start(repository)
        raw = http.head("PATCH", target(location),
                        {"Content-Length": str(len(BODY))})
        abort(registry, raw + BODY[:turn * 50_000], turn % 2 == 0)

        def writable():
            status = repository.upload_status(location)
            assert status.status == 204
            answer = repository.patch(status.headers["Location"], b"z")
            return answer.status == 202
        wait_until(writable, what="lock is given up")


def test_while_workers_change(make_registry):
    """Aborts while nginx reloads again and again."""
    server = make_registry(workers=2)
    repository = oci.Repository(server, "abort/reload")
    thread = threading.Thread(target=run_storm,
                              args=(server, repository, 60, 3))
    thread.start()
    while thread.is_alive():
        server.reload()
        time.sleep(0.3)
    thread.join()
    check_whole(repository)


def test_cancel_under_the_writer(registry, repo_name):
    """DELETE while a body is on its way: the writer gets 404, nothing is
    published, the folder goes."""
    repository = oci.Repository(registry, repo_name)
    for _ in range(10):
        location = start(repository)
        with http.Connection(registry.host, registry.port) as slow:
            slow.send(http.head("PATCH", target(location), {
                "Content-Length": str(len(BODY)), "Expect": "100-continue"}))
            slow.wait_for_continue()
            slow.send(BODY[:1 << 20])
            assert repository.cancel(location).status == 204
            slow.send(BODY[1 << 20:])
            answer = slow.read_response("PATCH")
            assert answer.status == 404, (answer.status, answer.body)
        assert repository.upload_status(location).status == 404


def test_aborts_over_http2(registry_tls, repo_name):
    """Streams reset by a client that is killed, and whole connections."""
    repository = oci.Repository(registry_tls, repo_name)
    location = start(repository)
    for turn in range(12):
        client = subprocess.Popen(
            ["curl", "-sk", "--http2", "-X", "PATCH", "-H", "Expect:",
             "-T", "-", registry_tls.url + target(location).split("?")[0]],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            client.stdin.write(BODY[:turn * 100_000])
            client.stdin.flush()
            time.sleep(0.05)
            client.kill()
            client.stdin.close()
        except BrokenPipeError:
            pass  # refused: the one before still holds the lock
        client.wait()

    def writable():
        status = repository.upload_status(location)
        answer = repository.patch(status.headers["Location"], b"z")
        return answer.status == 202
    wait_until(writable, what="lock is given up")
    check_whole(repository)


def test_tls_garbage_in_the_middle(registry_tls, repo_name):
    """The transport breaks under the body."""
    repository = oci.Repository(registry_tls, repo_name)
    location = start(repository)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for _ in range(5):
        plain = socket.create_connection(
            (registry_tls.host, registry_tls.port), 20)
        tls = context.wrap_socket(plain)
        tls.sendall(http.head("PATCH", target(location).split("?")[0], {
            "Content-Length": str(len(BODY))}) + BODY[:200_000])
        raw = socket.socket(fileno=tls.detach())
        raw.sendall(b"this is no TLS record")
        raw.close()
    check_whole(repository)


def test_bad_chunk_right_behind_the_header(registry, repo_name):
    """400 and the end: no descriptor stays, nothing is read as a request."""
    repository = oci.Repository(registry, repo_name)
    pids = registry.worker_pids()
    before = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]
    for size in (10, 900) * 20:
        location = oci.target(repository.start_upload().headers["Location"])
        with http.Connection(registry.host, registry.port) as link:
            link.send(http.head("PATCH", location,
                                {"Transfer-Encoding": "chunked"})
                      + b"%x\r\n" % size + b"a" * size + b"\r\nzz\r\n")
            link.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            answer = link.read_response("PATCH")
            assert answer.status == 400
            assert answer.will_close
            with pytest.raises((http.Closed, ConnectionResetError)):
                link.read_response("GET")
        kept = repository.upload_status(location).headers["Range"]
        assert 0 <= int(kept.removeprefix("0-")) < size
    wait_until(lambda: all(
        len(os.listdir(f"/proc/{pid}/fd")) <= count + 4
        for pid, count in zip(pids, before)), what="descriptors back")
