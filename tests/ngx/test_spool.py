"""Bodies of packages into the spool: digests, limits, faults, and nothing
left over. The daemon is scripted."""

import hashlib
import itertools
import json
import random

import pytest

from harness import clients, http, http2, seam
from harness.process import run, wait_until
from harness.scripted import ALL, Spooling
from harness.strace import injected

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]

BUFFER = 262144  # of the ring, unless configured
BODY = random.Random(5).randbytes(40 << 20)
SIZES = [0, 1, 65535, 65536, 65537, BUFFER - 1, BUFFER, BUFFER + 1,
         4 * BUFFER + 1, len(BODY)]

numbers = itertools.count()


@pytest.fixture(scope="module")
def shared():
    with Spooling() as made:
        yield made


@pytest.fixture(scope="module")
def shared_tls():
    with Spooling(tls=True) as made:
        yield made


@pytest.fixture
def server(shared):
    shared.reset()
    return shared


@pytest.fixture
def server_tls(shared_tls):
    shared_tls.reset()
    return shared_tls


@pytest.fixture
def target():
    return f"/npm/r{next(numbers)}/a.tgz"


def check_received(server, body, algorithms=ALL):
    [question] = server.received
    server.received.clear()
    assert question.body_kind == seam.SPOOL
    assert question.ticket == b"ticket" and question.body == b""
    assert question.size == len(body) and question.data == body
    assert question.digest == "sha256:" + hashlib.sha256(body).hexdigest()
    expected = {
        "md5": hashlib.md5(body), "sha1": hashlib.sha1(body),
        "sha512": hashlib.sha512(body),
        "blake2b-256": hashlib.blake2b(body, digest_size=32)}
    wanted = [name for bit, name in enumerate(expected)
              if algorithms & 1 << bit]
    assert list(question.digests) == wanted
    for name in wanted:
        assert question.digests[name] == expected[name].hexdigest()
    assert len(question.upload_id) == 33
    assert question.upload_id[0] == "n"


def length(size):
    return {"Content-Length": str(size)}


def check_nothing_left(server):
    wait_until(lambda: not server.spooled(), what="the spool is empty")


def check_error(answer, status, code):
    assert answer.status == status, answer
    body = json.loads(answer.body)
    assert body["errors"][0]["code"] == code
    assert body["error"] == body["reason"] == body["errors"][0]["message"]


# What arrives

@pytest.mark.parametrize("size", SIZES)
def test_every_byte_and_digest(server, target, size):
    body = BODY[:size]
    assert server.ask(target, method="PUT", body=body).status == 201
    check_received(server, body)
    pieces = [body[i:i + 99_991] for i in range(0, size, 99_991)]
    assert server.ask(target, method="POST", pieces=pieces).status == 201
    check_received(server, body)
    check_nothing_left(server)


@pytest.mark.parametrize("size", SIZES[:-1])
def test_the_same_over_http2(server_tls, target, size):
    body = BODY[:size]
    with http2.Connection(server_tls) as link:
        assert link.request("PUT", target, body=body).status == 201
    check_received(server_tls, body)
    check_nothing_left(server_tls)


def test_a_large_one_over_http2(server_tls, target, tmp_path):
    """By curl: 40 MiB take h2 their time."""
    (tmp_path / "body").write_bytes(BODY)
    status = run(clients.need("curl"), "--silent", "--http2", "--cacert",
                 server_tls.tls, "--upload-file", tmp_path / "body",
                 "--output", "/dev/null", "--write-out",
                 "%{http_version} %{http_code}", server_tls.url + target)
    assert status.stdout == "2 201"
    check_received(server_tls, BODY)
    check_nothing_left(server_tls)


@pytest.mark.parametrize("algorithms", range(16))
def test_only_the_digests_asked_for(server, target, algorithms):
    server.receive["algorithms"] = algorithms
    assert server.ask(target, method="PUT", body=b"abc").status == 201
    check_received(server, b"abc", algorithms)


def test_many_at_once(server, target):
    """Slow ones and fast ones; each gets its own file."""
    links = [http.Connection(server.host, server.port) for _ in range(20)]
    bodies = [BODY[i:i + 300_000 + i] for i in range(20)]
    for link, body in zip(links, bodies):
        link.send(http.head("PUT", target, length(len(body))))
        link.send(body[:1000])
    for link, body in zip(links, bodies):
        link.send(body[1000:])
    for link in links:
        assert link.read_response("PUT").status == 201
        link.close()
    assert sorted(q.data for q in server.received) == sorted(bodies)
    assert len({q.upload_id for q in server.received}) == 20
    check_nothing_left(server)


def test_the_expected_digest(server, target):
    for digest, status in ((hashlib.sha256(b"abc").hexdigest(), 201),
                           ("0" * 64, 400)):
        server.receive["digest"] = f"sha256:{digest}"
        answer = server.ask(target, method="PUT", body=b"abc")
        assert answer.status == status
    check_error(answer, 400, "DIGEST_INVALID")
    assert len(server.received) == 1
    check_nothing_left(server)


def test_memory_is_bounded(target):
    """1 GiB makes a worker grow by less than 32 MiB."""
    with Spooling() as server:
        server.receive["algorithms"] = seam.SHA1
        server.moves = False
        server.decide = lambda question: (
            server.take(question) if question.type == seam.ASK else
            seam.decision(question, status=201))
        assert server.ask(target, method="PUT", body=b"x").status == 201
        [pid] = server.worker_pids()

        def resident():
            with open(f"/proc/{pid}/status") as status:
                return next(int(line.split()[1]) for line in status
                            if line.startswith("VmRSS"))
        before = resident()
        piece = BODY[:16 << 20]
        with http.Connection(server.host, server.port) as link:
            link.send(http.head("PUT", target, length(1 << 30)))
            for _ in range(64):
                link.send(piece)
            most = resident()
            answer = link.read_response("PUT")
        assert answer.status == 201
        assert max(most, resident()) - before < 32 << 10
        check_nothing_left(server)


# What is refused

@pytest.mark.parametrize("limit", ["decision", "configuration"])
def test_too_large(server, target, limit):
    if limit == "configuration":
        with Spooling(location_directives="registry_upload_max 1000;") as own:
            check_too_large(own, target)
    else:
        server.receive["max_bytes"] = 1000
        check_too_large(server, target)


def check_too_large(server, target):
    assert server.ask(target, method="PUT", body=b"x" * 1000).status == 201
    # Announced: before a byte is read.
    with http.Connection(server.host, server.port) as link:
        link.send(http.head("PUT", target, {
            **length(1001), "Expect": "100-continue"}))
        answer = link.read_response("PUT")
    check_error(answer, 413, "SIZE_INVALID")
    assert not answer.interim
    answer = server.ask(target, method="PUT", pieces=[b"x" * 1000, b"x"])
    check_error(answer, 413, "SIZE_INVALID")
    assert len(server.received) == 1
    check_nothing_left(server)


def test_what_the_daemon_refuses_goes(server, target):
    server.moves, server.status = False, 409
    for size in (1, 1 << 20):
        body = BODY[:size]
        assert server.ask(target, method="PUT", body=body).status == 409
    assert len(server.received) == 2
    check_nothing_left(server)


def test_the_client_leaves(server, target):
    for sent in (0, 1, BUFFER, 3 * BUFFER + 7):
        for chunked in (False, True):
            with http.Connection(server.host, server.port) as link:
                head = length(len(BODY))
                if chunked:
                    head = {"Transfer-Encoding": "chunked"}
                link.send(http.head("PUT", target, head))
                if sent:
                    start = b"ffffff\r\n" if chunked else b""
                    link.send(start + BODY[:sent])
                if sent >= BUFFER:
                    wait_until(server.spooled, what="a file in the spool")
            check_nothing_left(server)
    assert not server.received


def test_broken_chunks(server, target):
    with http.Connection(server.host, server.port) as link:
        link.send(http.head("PUT", target, {"Transfer-Encoding": "chunked"}))
        link.send(b"40000\r\n" + BODY[:0x40000] + b"\r\n")
        wait_until(server.spooled, what="a file in the spool")
        link.send(b"no size\r\n")
        check_error(link.read_response("PUT"), 400, "BLOB_UPLOAD_INVALID")
    check_nothing_left(server)


def test_too_slow(target):
    with Spooling(location_directives="registry_upload_timeout 1s;") as own:
        with http.Connection(own.host, own.port) as link:
            link.send(http.head("PUT", target, length(2 * BUFFER)))
            link.send(BODY[:BUFFER + 1])
            check_error(link.read_response("PUT"), 408, "BLOB_UPLOAD_INVALID")
        check_nothing_left(own)
        assert not own.received


@pytest.mark.parametrize("call, fault, status, code", [
    ("pwrite64", "error=ENOSPC", 503, "UNAVAILABLE"),
    ("pwrite64", "error=EDQUOT", 503, "UNAVAILABLE"),
    ("fsync", "error=ENOSPC", 503, "UNAVAILABLE"),
    ("openat", "error=ENOSPC", 503, "UNAVAILABLE"),
    ("pwrite64", "error=EIO", 503, "UNAVAILABLE"),
    ("fsync", "error=EIO", 503, "UNAVAILABLE"),
    ("openat", "error=EACCES", 500, "UNKNOWN"),
])
def test_the_disk_fails(server, target, tmp_path, call, fault, status, code):
    assert server.ask(target, method="PUT", body=b"x").status == 201
    server.received.clear()
    for size in (1, 6 * BUFFER):
        with injected(server.worker_pids()[0], tmp_path, call,
                      fault) as happened:
            answer = server.ask(target, method="PUT", body=BODY[:size])
            wait_until(happened)
        check_error(answer, status, code)
        assert ("Retry-After" in answer.headers) == (status == 503)
        check_nothing_left(server)
    assert not server.received
    assert server.ask(target, method="PUT", body=b"x").status == 201


def test_no_spool(target):
    with Spooling() as own:
        (own.root / "spool").rmdir()
        answer = own.ask(target, method="PUT", body=b"x")
        check_error(answer, 500, "UNKNOWN")
        (own.root / "spool").mkdir()
        assert own.ask(target, method="PUT", body=b"x").status == 201


def test_a_reload_lets_it_end(target):
    with Spooling() as own:
        with http.Connection(own.host, own.port) as link:
            link.send(http.head("PUT", target, length(2 * BUFFER)))
            link.send(BODY[:BUFFER + 1])
            wait_until(own.spooled, what="a file in the spool")
            own.reload()
            link.send(BODY[BUFFER + 1:2 * BUFFER])
            assert link.read_response("PUT").status == 201
        check_received(own, BODY[:2 * BUFFER])
        check_nothing_left(own)


def test_the_daemon_is_gone_in_between(target):
    with Spooling() as own:
        with http.Connection(own.host, own.port) as link:
            link.send(http.head("PUT", target, length(2 * BUFFER)))
            link.send(BODY[:BUFFER + 1])
            wait_until(own.spooled, what="a file in the spool")
            own.stop_daemon()
            link.send(BODY[BUFFER + 1:2 * BUFFER])
            check_error(link.read_response("PUT"), 503, "UNAVAILABLE")
        check_nothing_left(own)
        own.start_daemon()
