"""HTTP/2 from clients that mean harm: each is refused in the protocol's own
words or by HTTP/2's, and neither a worker nor another client suffers."""

import os

import pytest

from harness import http2, oci
from harness.process import wait_until
from harness.server import Registry

pytestmark = pytest.mark.ours

PROTOCOL_ERROR, CANCEL, ENHANCE_YOUR_CALM = 1, 8, 11
PING, CONTINUATION = 6, 9
PSEUDO = ((":method", "GET"), (":scheme", "https"), (":authority", "x"),
          (":path", "/v2/"))
REFUSED = (400, "UNSUPPORTED")


@pytest.fixture(scope="module")
def server():
    with Registry(tls=True) as made:
        wait_until(lambda: len(made.worker_pids()) == 2, what="all workers")
        yield made


@pytest.fixture(autouse=True)
def unharmed(server):
    """No worker died, no descriptor is kept, the next client is served."""
    workers = server.worker_pids()
    before = {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in workers}
    yield
    with http2.Connection(server) as link:
        assert link.request("GET", "/v2/").body == b"{}"
    assert server.worker_pids() == workers
    for pid, count in before.items():
        # A file or two more are nginx's open-file cache.
        wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= count + 8,
                   what="descriptors are given back")


def check(answer, expected):
    assert answer is not None, "no answer"
    assert (answer.status, answer.error_code()) == expected
    assert answer.headers["Content-Type"] == "application/json"


def reset_or_answer(link, number):
    """An answer, or None: reset. Either way the connection goes on."""
    answer = link.result(number)
    if answer is None:
        assert link.streams[number].reset == PROTOCOL_ERROR
    assert link.request("GET", "/v2/").status == 200
    return answer


@pytest.mark.parametrize("pseudo", [
    PSEUDO[1:], PSEUDO[:3], (PSEUDO[0], *PSEUDO[2:]),
    (*PSEUDO[:2], PSEUDO[3]), (*PSEUDO, PSEUDO[3]), (*PSEUDO, PSEUDO[0]),
    (*PSEUDO, (":x", "y")), (*PSEUDO[:2], (":authority", "a/b"), PSEUDO[3]),
    ((":method", "G T"), *PSEUDO[1:]), ((":method", ""), *PSEUDO[1:]),
], ids=("no method", "no path", "no scheme", "no authority", "two paths",
        "two methods", "unknown", "bad authority", "bad method",
        "empty method"))
def test_bad_pseudo_headers(server, pseudo):
    with http2.Connection(server) as link:
        answer = reset_or_answer(link, link.begin("", "", pseudo=pseudo))
        if answer is not None:
            check(answer, REFUSED)


@pytest.mark.parametrize("path, expected", [
    ("", REFUSED), ("v2/", REFUSED), ("*", REFUSED), ("/v2/%zz", REFUSED),
    ("/v2/a b", REFUSED), ("/v2/../../x", REFUSED),
    ("http://x/v2/", REFUSED), ("/v2/a\\b/tags/list", (400, "NAME_INVALID")),
    ("/v2/a%2fb/tags/list", (400, "NAME_INVALID")),
    ("/v2/%2e%2e/tags/list", (400, "NAME_INVALID")),
    ("/v2/" + "a" * 40000, (404, "NAME_UNKNOWN")),
    ("/v2/\0", None), ("/v2/\r\nX: y", None), ("/v2/\n", None),
], ids=lambda value: repr(value)[:30])
def test_bad_paths(server, path, expected):
    with http2.Connection(server) as link:
        answer = reset_or_answer(link, link.begin("GET", path))
        if expected is None:
            assert answer is None
        else:
            check(answer, expected)


@pytest.mark.parametrize("header", [
    ("X-Upper", "a"), ("x", "a\nb"), ("x", "a\0b"), ("x y", "a"),
    ("host", "evil"), ("content-length", "x"), ("content-length", "-1"),
    ("content-length", str(2 ** 64))], ids=repr)
def test_bad_headers(server, header):
    with http2.Connection(server) as link:
        answer = reset_or_answer(link, link.begin("GET", "/v2/", [header]))
        # nginx may ignore a field.
        if answer is not None and answer.status != 200:
            check(answer, REFUSED)


def test_a_header_without_a_name(server):
    """To HTTP/2 that is no header block: the connection is over."""
    with http2.Connection(server) as link:
        assert link.result(link.begin("GET", "/v2/", [("", "a")])) is None
        assert link.closed


def test_a_body_that_nobody_sends_takes_nothing(server):
    """A length of 2^63 is believed by nobody."""
    with http2.Connection(server) as link:
        number = link.begin("PUT", "/v2/a/manifests/x",
                            [("content-length", str(2 ** 63 - 1))], end=False)
        check(link.result(number), (413, "SIZE_INVALID"))


@pytest.mark.parametrize("count, status", [(1000, 200), (3000, 431)])
def test_many_headers(server, count, status):
    """Together they may have as many bytes as over HTTP/1."""
    fields = [(f"x-{number}", "v" * 10) for number in range(count)]
    with http2.Connection(server) as link:
        answer = link.request("GET", "/v2/", fields)
        assert answer.status == status
        if status != 200:
            check(answer, (431, "SIZE_INVALID"))
        assert link.request("GET", "/v2/").status == 200


@pytest.mark.parametrize("field", [("x", "a" * 70000), ("x" * 40000, "a")],
                         ids=("value", "name"))
def test_a_huge_header_ends_the_connection(server, field):
    with http2.Connection(server) as link:
        assert link.result(link.begin("GET", "/v2/", [field])) is None
        assert link.goaway == ENHANCE_YOUR_CALM


def test_headers_without_end_are_cut_off(server):
    """CONTINUATION frames, each of them empty or with one more field."""
    with http2.Connection(server) as link:
        link.raw(1, stream=1, payload=link.h2.encoder.encode(PSEUDO))
        field = link.h2.encoder.encode([("x-field", "a" * 1000)])
        for _ in range(5000):
            link.raw(CONTINUATION, stream=1, payload=field)
            if link.closed:
                break
        while not link.closed:
            link.receive()


def begin_upload(link, repo):
    """The path of a new session."""
    answer = link.request("POST", f"/v2/{repo}/blobs/uploads/")
    assert answer.status == 202
    return answer.headers["Location"].split(link.name, 1)[-1]


def offset_of(link, path):
    answer = link.request("GET", path.split("?")[0])
    assert answer.status == 204, answer
    location = answer.headers["Location"]
    return int(location.rsplit("offset=", 1)[1]), location.split(
        link.name, 1)[-1]


def settled(server, path, enough):
    """The session's offset once nobody writes and `enough` says so."""
    def look():
        with http2.Connection(server) as link:
            offset, location = offset_of(link, path)
            return (offset, location) if enough(offset) else None
    return wait_until(look, what="the session keeps what came")


@pytest.mark.parametrize("announced", [True, False])
def test_reset_in_mid_upload(server, repo_name, announced):
    """What arrived is kept; the rest goes on from there."""
    body = os.urandom(1 << 20)
    headers = [("content-length", str(len(body)))] if announced else []
    with http2.Connection(server) as link:
        path = begin_upload(link, repo_name)
        number = link.begin("PATCH", path, headers, end=False)
        link.data(number, body[:300_000])
        link.reset(number, CANCEL)
        # The same connection serves on.
        assert link.request("GET", "/v2/").status == 200
    settled(server, path, lambda found: 0 < found <= 300_000)
    with http2.Connection(server) as link:
        def finish():
            offset, place = offset_of(link, path)
            answer = link.request(
                "PUT", f"{place}&digest={oci.digest(body)}",
                body=body[offset:])
            # Another worker may still write what it got.
            return answer if answer.status != 416 else None
        answer = wait_until(finish, what="the session is free")
        assert answer.status == 201, (answer.status, answer.body)
        blob = link.request(
            "GET", f"/v2/{repo_name}/blobs/{oci.digest(body)}")
        assert blob.body == body


@pytest.mark.parametrize("frames", [100, 20_000])
def test_empty_data_frames(server, repo_name, frames):
    """A few are nothing; a flood ends its connection, not the session."""
    with http2.Connection(server) as link:
        path = begin_upload(link, repo_name)
        number = link.begin("PATCH", path, end=False)
        link.data(number, b"before")
        for _ in range(frames):
            link.raw(0, stream=number)
            if link.closed:
                break
        link.data(number, b" and after", end=True)
        answer = link.result(number)
        if frames == 100:
            assert answer.status == 202
        elif answer is None:
            assert link.goaway == ENHANCE_YOUR_CALM
    whole = len(b"before and after")
    offset, _ = settled(server, path, lambda found: found in (
        (whole,) if answer is not None else (len(b"before"), whole)))
    assert answer is None or offset == whole


@pytest.mark.parametrize("length", [2, 5])
def test_a_length_that_is_not_the_body_s(server, repo_name, length):
    """Of bytes that contradict their announcement none is acknowledged."""
    with http2.Connection(server) as link:
        path = begin_upload(link, repo_name)
        number = link.begin("PATCH", path,
                            [("content-length", str(length))], end=False)
        link.data(number, b"abc", end=True)
        answer = link.result(number)
        assert answer is None or answer.status == 400, answer
        assert link.request("GET", "/v2/").status == 200
    offset, _ = settled(server, path, lambda found: True)
    assert offset <= min(length, 3)


def test_streams_that_are_reset_at_once(server, repo_name):
    """Rapid reset: questions, blobs and uploads, all begun and dropped."""
    repo = oci.Repository(server, repo_name)
    blob = repo.push_blob(os.urandom(1 << 20))
    targets = [("GET", f"/v2/{repo_name}/blobs/{blob}"),
               ("GET", f"/v2/{repo_name}/tags/list"),
               ("POST", f"/v2/{repo_name}/blobs/uploads/"),
               ("GET", "/v2/_catalog")]
    for _ in range(5):
        with http2.Connection(server) as link:
            for turn in range(200):
                if link.closed:
                    break
                number = link.begin(*targets[turn % len(targets)])
                link.reset(number)


def test_a_client_that_takes_nothing(server, repo_name):
    """A window of no bytes: the stream waits, and others are served."""
    repo = oci.Repository(server, repo_name)
    blob = repo.push_blob(os.urandom(4 << 20))
    with http2.Connection(server, window=0) as link:
        numbers = [link.begin("GET", f"/v2/{repo_name}/blobs/{blob}")
                   for _ in range(50)]
        answer = repo.get_blob(blob)
        assert oci.digest(answer.body) == blob
        # It changes its mind about one of them.
        link.h2.increment_flow_control_window(8 << 20)
        link.h2.increment_flow_control_window(8 << 20, numbers[7])
        link.flush()
        assert oci.digest(link.result(numbers[7]).body) == blob
        assert not any(link.streams[number].pieces
                       for number in numbers if number != numbers[7])


def test_floods_of_control_frames(server):
    with http2.Connection(server) as link:
        for _ in range(50_000):
            link.raw(PING, payload=b"12345678")
            if link.closed:
                break
        # Either the connection is over, or it still serves.
        answer = link.closed or link.request("GET", "/v2/")
        assert answer or link.closed
