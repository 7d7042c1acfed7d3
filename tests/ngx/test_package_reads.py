"""Reads of packages: from the zone and the store, by what they vary by, with
conditions, ranges and counts. The daemon is scripted."""

import itertools
import json

import pytest

from harness import http, http2, seam
from harness.process import wait_until
from harness.scripted import Scripted

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]

HOUR_MS = 3_600_000
FILE = bytes(range(256)) * 1000
INDEX = b'{"name":"left-pad","versions":{}}'
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
KEEP = [("Last-Modified", MODIFIED), ("Cache-Control", "max-age=60"),
        ("Vary", "Accept, Accept-Encoding"), ("Expires", AFTER),
        ("Content-Location", "/npm/r/here")]

numbers = itertools.count()


@pytest.fixture(scope="module")
def server():
    with Scripted() as made:
        yield made


@pytest.fixture(scope="module")
def server_tls():
    with Scripted(tls=True) as made:
        yield made


@pytest.fixture
def name():
    return f"r{next(numbers)}"


def serves(server, area, data, **more):
    """The daemon serves `data` from an area of the store, for an hour."""
    digest = server.put(area, data)
    more = {"media_type": "application/x-file", "ttl_ms": HOUR_MS,
            "keys": ["r,r"], **more}
    server.decide = lambda question: seam.decision(
        question, "serve", digest=digest, size=len(data), area=area,
        repository=question.target.split("/")[2], reference="the/file",
        format="npm", action="pull", **more)
    return digest


def replies(server, **more):
    more = {"media_type": "application/json", "ttl_ms": HOUR_MS,
            "body": INDEX, "keys": ["r,r"], **more}
    server.decide = lambda question: seam.decision(
        question, repository=question.target.split("/")[2],
        reference="left-pad", format="npm", action="pull", **more)


# From the zone

@pytest.mark.parametrize("area", ["blobs", "documents"])
def test_asked_once_and_served_from_the_store(server, name, area):
    digest = serves(server, area, FILE, headers=[
        ("Content-Encoding", "zstd"), ("X-Checksum-Sha1", "ab"), *KEEP])
    for asked in (1, 0, 0):
        answer, cost = server.cost(f"/npm/{name}/a.tgz")
        assert (answer.status, cost, answer.body) == (200, asked, FILE)
        headers = answer.headers
        assert headers["ETag"] == f'"{digest}"'
        assert headers["Content-Type"] == "application/x-file"
        assert headers["Content-Encoding"] == "zstd"
        assert headers["X-Checksum-Sha1"] == "ab"
        assert headers["Accept-Ranges"] == "bytes"
        assert "Docker-Content-Digest" not in headers
        assert "Docker-Distribution-API-Version" not in headers
        for key, value in KEEP:
            assert headers.all(key) == [value]
    head, cost = server.cost(f"/npm/{name}/a.tgz", method="HEAD")
    assert (head.status, cost, head.body) == (200, 0, b"")
    assert int(head.headers["Content-Length"]) == len(FILE)
    server.drop("r,r")
    assert server.cost(f"/npm/{name}/a.tgz")[1] == 1


def test_an_own_etag_stands(server, name):
    serves(server, "blobs", FILE, headers=[("ETag", '"own"')])
    for _ in range(2):
        assert server.ask(f"/npm/{name}/x").headers.all("ETag") == ['"own"']
        answer = server.ask(f"/npm/{name}/x", {"If-None-Match": '"own"'})
        assert answer.status == 304


def test_a_document_in_memory_is_cached(server, name):
    replies(server, headers=[("ETag", '"1"'), *KEEP])
    for asked in (1, 0):
        answer, cost = server.cost(f"/npm/{name}/left-pad?write=true")
        assert (answer.status, cost, answer.body) == (200, asked, INDEX)
        assert answer.headers.all("Last-Modified") == [MODIFIED]
        assert answer.headers.all("ETag") == ['"1"']
    assert server.cost(f"/npm/{name}/left-pad")[1] == 1  # another query


@pytest.mark.parametrize("headers, asked", [
    ({}, 0),
    ({"Accept": "text/html"}, 1),
    ({"Accept": "text/html"}, 0),
    ({"Accept": "text/html "}, 0),
    ({"Accept": "text/HTML"}, 1),
    ({"Accept": "a" * 256}, 1),
    ({"Accept": "a" * 256}, 0),
    ({"Accept": "a" * 257}, 1),
    ({"Accept": "a" * 257}, 1),
    ({"Accept-Encoding": "gzip"}, 1),
    ({"Accept-Encoding": "br, x-gzip;q=0.1"}, 0),
    ({"Accept-Encoding": "identity, gzip;q=0"}, 0),
    ({"Accept-Encoding": "zstd"}, 1),
    ({"Accept-Encoding": "zstd, gzip"}, 1),
    ({"Accept-Encoding": "*"}, 0),
    ({"Accept-Encoding": "*;q=0.0, zstd"}, 0),
    ({"Accept-Language": "de", "User-Agent": "x", "X-Any": "y"}, 0),
])
def test_what_an_answer_varies_by(server, headers, asked):
    replies(server)
    if not headers:
        server.drop("r,r")
        server.ask("/pypi/vary/simple/")
    assert server.cost("/pypi/vary/simple/", headers)[1] == asked


def test_the_mount_decides_what_is_of_packages(server, name):
    """Of an escaped or a reserved mount nothing is kept."""
    for target, kept in ((f"/npm/{name}/a", True), (f"/npm/{name}", True),
                         (f"/npm/{name}/@s%2fa", True),
                         (f"/npm/{name}/../b", True),
                         (f"/%6epm/{name}/a", False),
                         (f"/ui/{name}/a", False), ("/npm/UP/a", False),
                         (f"/npm/{name}%2fx/a", False)):
        replies(server)
        first = server.cost(target)
        second = server.cost(target)
        expected = [1, 0] if kept else [first[1], first[1]]
        assert [first[1], second[1]] == expected, target


def test_other_methods_ask(server, name):
    server.decide = lambda question: seam.reply(question, 201, ttl_ms=HOUR_MS)
    for method in ("PUT", "POST", "PATCH", "DELETE", "MKCOL", "ODD"):
        for _ in range(2):
            answer, cost = server.cost(f"/npm/{name}/a", method=method)
            assert (answer.status, cost) == (201, 1), method


def test_an_old_answer_while_the_daemon_is_gone(name):
    with Scripted() as server:
        replies(server, ttl_ms=1)
        target = f"/npm/{name}/left-pad"
        assert server.ask(target).status == 200
        server.stop_daemon()
        wait_until(lambda: server.numbers()["daemon_connected"] == 0)
        answer = server.ask(target)
        assert (answer.status, answer.body) == (200, INDEX)
        assert "Warning" in answer.headers
        answer = server.ask(f"/npm/{name}/other")
        assert answer.status == 503
        check_error(answer, "UNAVAILABLE")
        assert "Retry-After" in answer.headers
        server.start_daemon()


# Conditions

CONDITIONS = [
    ({"If-None-Match": "{etag}"}, 304),
    ({"If-None-Match": "W/{etag}"}, 304),
    ({"If-None-Match": '"x", {etag}'}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"x"'}, 200),
    ({"If-Modified-Since": MODIFIED}, 304),
    ({"If-Modified-Since": AFTER}, 304),
    ({"If-Modified-Since": BEFORE}, 200),
    ({"If-Modified-Since": "yesterday"}, 200),
    ({"If-None-Match": '"x"', "If-Modified-Since": AFTER}, 200),
    ({"If-None-Match": "{etag}", "If-Modified-Since": BEFORE}, 304),
    ({"If-Unmodified-Since": MODIFIED}, 200),
    ({"If-Unmodified-Since": AFTER}, 200),
    ({"If-Unmodified-Since": BEFORE}, 412),
    ({"If-Unmodified-Since": "never"}, 200),
    ({"If-Match": "{etag}", "If-Unmodified-Since": BEFORE}, 200),
    ({"If-Match": "W/{etag}"}, 412),
    ({"If-Match": '"x"', "If-Unmodified-Since": AFTER}, 412),
]


def check_condition(server, target, etag, headers, status):
    headers = {k: v.replace("{etag}", etag) for k, v in headers.items()}
    for method in ("GET", "HEAD"):
        answer = server.ask(target, headers, method)
        assert answer.status == status, (method, headers)
        if status == 304:
            for key, value in [*KEEP, ("ETag", etag)]:
                assert answer.headers.all(key) == [value]
            for absent in ("Content-Encoding", "Content-Length",
                           "Content-Type"):
                assert absent not in answer.headers
        if status == 412:
            assert "Content-Encoding" not in answer.headers
            assert "Cache-Control" not in answer.headers
            assert "Last-Modified" not in answer.headers
        if status == 412 and method == "GET":
            check_error(answer, "DENIED")


@pytest.mark.parametrize("headers, status", CONDITIONS)
@pytest.mark.parametrize("kind", ["blobs", "documents", "reply"])
def test_conditions(server, name, kind, headers, status):
    """The first answer is the daemon's, the second one the zone's."""
    etag = '"one"'
    more = [("Content-Encoding", "gzip"), *KEEP]
    if kind == "reply":
        replies(server, headers=[("ETag", etag), *more])
    else:
        etag = f'"{serves(server, kind, FILE, headers=more)}"'
    for _ in range(2):
        check_condition(server, f"/npm/{name}/a", etag, headers, status)


@pytest.mark.parametrize("kind", ["blobs", "reply"])
def test_without_a_date_no_condition_on_one_counts(server, name, kind):
    if kind == "reply":
        replies(server)
    else:
        serves(server, kind, FILE)
    for _ in range(2):
        for header in ("If-Modified-Since", "If-Unmodified-Since"):
            for date in (BEFORE, AFTER):
                answer = server.ask(f"/npm/{name}/a", {header: date})
                assert answer.status == 200
                assert "Last-Modified" not in answer.headers
    if kind == "reply":  # nor has it a tag
        for header, status in (("If-Match", 412), ("If-None-Match", 200)):
            answer = server.ask(f"/npm/{name}/a", {header: '"x"'})
            assert answer.status == status


# Ranges

@pytest.mark.parametrize("area", ["blobs", "documents"])
def test_ranges(server, name, area):
    serves(server, area, FILE, headers=[
        ("Content-Encoding", "zstd"), ("Cache-Control", "max-age=9"),
        ("Last-Modified", MODIFIED)])
    target = f"/npm/{name}/a.tgz"
    for _ in range(2):
        answer = server.ask(target, {"Range": "bytes=10-99999"})
        assert (answer.status, answer.body) == (206, FILE[10:100000])
        assert answer.headers["Content-Range"] == \
            f"bytes 10-99999/{len(FILE)}"
        assert answer.headers["Content-Encoding"] == "zstd"
        assert answer.headers["Last-Modified"] == MODIFIED
        answer = server.ask(target, {"Range": "bytes=0-1,5-6"})
        assert answer.status == 206
        assert [body for _, body in answer.parts()] == [FILE[:2], FILE[5:7]]
        answer = server.ask(target, {"Range": "bytes=999999-"})
        assert answer.status == 416
        check_error(answer, "RANGE_INVALID")
        assert answer.headers["Content-Range"] == f"bytes */{len(FILE)}"
        for gone in ("Content-Encoding", "Cache-Control", "Last-Modified",
                     "ETag"):
            assert gone not in answer.headers


def test_if_range(server, name):
    digest = serves(server, "blobs", FILE,
                    headers=[("Last-Modified", MODIFIED)])
    for value, status in ((f'"{digest}"', 206), (f'W/"{digest}"', 200),
                          ('"x"', 200), (MODIFIED, 206), (AFTER, 200),
                          (BEFORE, 200), ("yesterday", 200)):
        answer = server.ask(f"/npm/{name}/a", {"Range": "bytes=0-9",
                                               "If-Range": value})
        assert answer.status == status, value


# Counts

@pytest.mark.parametrize("area", ["blobs", "documents", "reply"])
def test_each_sending_of_a_counted_answer_counts(server, name, area):
    headers = [("Last-Modified", MODIFIED)]
    if area == "reply":
        replies(server, counted=True, headers=headers)
    else:
        serves(server, area, FILE, counted=True, headers=headers)
    target = f"/npm/{name}/a"
    expected = 0
    for headers, method, adds in (
            ({}, "GET", 1), ({}, "GET", 1), ({}, "HEAD", 0),
            ({"If-Modified-Since": AFTER}, "GET", 0),
            ({"If-Unmodified-Since": BEFORE}, "GET", 0),
            ({"Range": "bytes=0-"}, "GET", 1),
            ({"Range": "bytes=0-0"}, "GET", 1),
            ({"Range": "bytes=0-0,5-6"}, "GET", 1),
            ({"Range": "bytes=5-6,0-0"}, "GET", area == "reply"),
            ({"Range": "bytes=1-"}, "GET", area == "reply"),
            ({"Range": "bytes=999999-"}, "GET", area == "reply")):
        server.ask(target, headers, method)
        expected += adds
    key = (name, "left-pad" if area == "reply" else "the/file")
    # The next one's line comes after all of these.
    serves(server, "blobs", FILE, counted=True)
    server.ask(f"/npm/{name}z/last")
    wait_until(lambda: (f"{name}z", "the/file") in server.tallied())
    assert server.tallied()[key] == expected


def test_what_is_not_counted_is_not(server, name):
    serves(server, "blobs", FILE)
    for _ in range(3):
        server.ask(f"/npm/{name}/a")
    serves(server, "blobs", FILE, counted=True)
    server.ask(f"/npm/{name}z/last")
    wait_until(lambda: (f"{name}z", "the/file") in server.tallied())
    assert (name, "the/file") not in server.tallied()


def test_who_leaves_before_the_end_is_not_counted(server, name):
    big = bytes(64 << 20)
    serves(server, "blobs", big, counted=True)
    with http.Connection(server.host, server.port) as link:
        link.send(http.head("GET", f"/npm/{name}/a"))
        assert link.sock.recv(1000)
    assert server.ask(f"/npm/{name}y/a").body == big
    wait_until(lambda: (f"{name}y", "the/file") in server.tallied())
    assert (name, "the/file") not in server.tallied()


def test_counted_over_http2(server_tls, name):
    serves(server_tls, "blobs", FILE, counted=True)
    with http2.Connection(server_tls) as link:
        for method in ("GET", "GET", "HEAD"):
            answer = link.request(method, f"/npm/{name}/a")
            assert answer.status == 200
            assert answer.body == (FILE if method == "GET" else b"")
    wait_until(lambda: server_tls.tallied().get((name, "the/file")) == 2)


# Grants

def test_with_registry_auth_a_grant_opens_the_zone(name):
    with Scripted(location_directives="registry_auth on;") as server:
        index = server.put("documents", INDEX)

        def decide(question):
            who = question.header("authorization")
            if who not in ("Basic a", "Basic b"):
                return seam.decision(question, "deny", status=401, body="{}",
                                     error="UNAUTHORIZED")
            return seam.decision(
                question, "serve", digest=index, size=len(INDEX),
                area="documents", repository=name, action="pull",
                media_type="application/json", ttl_ms=HOUR_MS, keys=["r,x"],
                grant_ms=HOUR_MS, grant_keys=["p"])
        server.decide = decide
        target = f"/npm/{name}/left-pad"
        for who, asked, status in (
                (None, 1, 401), ("Basic a", 1, 200), ("Basic a", 0, 200),
                (None, 1, 401), ("Basic c", 1, 401), ("Basic b", 1, 200),
                ("Basic b", 0, 200)):
            headers = {"Authorization": who} if who else {}
            answer, cost = server.cost(target, headers)
            assert (answer.status, cost) == (status, asked), who
        # A grant is for the repository; its other answers are to be asked for.
        assert server.cost(f"/npm/{name}/other",
                           {"Authorization": "Basic a"})[1] == 1
        # The key of a NuGet client is a credential too.
        assert server.cost(target, {"Authorization": "Basic a",
                                    "X-NuGet-ApiKey": "k"})[1] == 1
        server.drop("p")
        assert server.cost(target, {"Authorization": "Basic a"})[1] == 1
        assert all(q.guarded for q in server.stand_in.questions)


# Errors

def check_error(answer, code):
    assert answer.headers["Content-Type"] == "application/json"
    body = json.loads(answer.body)
    message = body["error"]
    assert message and body == {
        "error": message, "reason": message,
        "errors": [{"code": code, "message": message, "detail": message}]}


def test_a_blob_that_is_not_there(server, name):
    server.allow_log("the daemon knows a blob")
    server.decide = lambda question: seam.decision(
        question, "serve", digest="sha256:" + "0" * 64, size=1,
        headers=[("Content-Encoding", "gzip")])
    answer = server.ask(f"/npm/{name}/a")
    assert answer.status == 404
    assert "Content-Encoding" not in answer.headers
    check_error(answer, "BLOB_UNKNOWN")


@pytest.mark.parametrize("directives, request_of, status, code", [
    ("client_max_body_size 1;", ("PUT", {}, b"xx"), 413, "SIZE_INVALID"),
    ("return 503;", ("GET", {}, b""), 503, "UNAVAILABLE"),
    ("deny all;", ("GET", {}, b""), 403, "DENIED"),
])
def test_nginx_s_own_errors(name, directives, request_of, status, code):
    method, headers, body = request_of
    with Scripted(location_directives=directives) as server:
        answer = server.ask(f"/npm/{name}/a", headers, method, body=body)
        assert answer.status == status
        check_error(answer, code)
        assert "Docker-Distribution-API-Version" not in answer.headers
        assert ("Retry-After" in answer.headers) == (status == 503)
        # What is no path of packages keeps nginx's page.
        answer = server.ask("/favicon.ico", headers, method, body=body)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "text/html"
