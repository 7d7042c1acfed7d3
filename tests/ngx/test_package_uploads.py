"""Resumable uploads of packages: /<mount>/<repository>/-/uploads/<id>. The
daemon is scripted."""

import hashlib
import itertools
import json
import uuid

import pytest

from harness import http, seam
from harness.process import wait_until
from harness.scripted import Spooling

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]

BODY = bytes(range(256)) * 4000
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
GRANT = {"action": "push", "grant_ms": 3_600_000, "grant_keys": ["p"]}

numbers = itertools.count()


@pytest.fixture(scope="module")
def shared():
    with Spooling() as made:
        yield made


@pytest.fixture
def server(shared):
    shared.reset()
    return shared


class Session:
    """One that the daemon has made."""

    def __init__(self, server, mount="pypi"):
        self.server = server
        self.repository = f"r{next(numbers)}"
        self.id = str(uuid.uuid4())
        self.folder = server.root / "uploads" / self.repository / self.id
        self.folder.mkdir(parents=True)
        (self.folder / "data").write_bytes(b"")
        (self.folder / "startedat").write_text("2026-01-01T00:00:00Z")
        self.path = f"/{mount}/{self.repository}/-/uploads/{self.id}"

    def ask(self, method, query="", headers=(), **more):
        return self.server.ask(self.path + query, headers, method, **more)

    def patch(self, data, first=None, **more):
        headers = {} if first is None else {
            "Content-Range": f"{first}-{first + len(data) - 1}"}
        return self.ask("PATCH", headers=headers, body=data, **more)

    def check_offset(self, offset):
        for method in ("GET", "HEAD"):
            answer = self.ask(method)
            assert answer.status == 204
            self.check_place(answer, offset)

    def check_place(self, answer, offset):
        assert answer.headers["Location"] == f"{self.path}?offset={offset}"
        assert answer.headers["Range"] == f"0-{max(offset - 1, 0)}"
        assert "Docker-Upload-UUID" not in answer.headers
        assert "Docker-Distribution-API-Version" not in answer.headers

    def check_gone(self):
        wait_until(lambda: not self.folder.exists(), what="session removed")
        assert self.ask("GET").status == 404

    def check_told(self, data, times=1):
        assert len(self.server.received) == times
        question = self.server.received[-1]
        assert question.body_kind == seam.SPOOL
        assert question.data == data and question.size == len(data)
        assert question.digest == \
            "sha256:" + hashlib.sha256(data).hexdigest()
        assert question.digests == {} and question.ticket == b""
        assert question.method == "PUT"


@pytest.fixture
def session(server):
    return Session(server)


def check_error(answer, status, code):
    assert answer.status == status
    body = json.loads(answer.body)
    assert body["errors"][0]["code"] == code and body["error"]


def check_nothing_spooled(server):
    wait_until(lambda: not server.spooled(), what="the spool is empty")


@pytest.mark.parametrize("last", [b"", BODY[700_000:]])
@pytest.mark.parametrize("query", ["", f"?digest={DIGEST}",
                                   "?digest=sha512:"
                                   + hashlib.sha512(BODY).hexdigest()])
def test_in_pieces(server, session, last, query):
    end = len(BODY) - len(last)
    for first, after in ((0, 1), (1, 300_000), (300_000, end)):
        session.check_offset(first)
        answer = session.patch(BODY[first:after], first)
        assert answer.status == 202
        session.check_place(answer, after)
    answer = session.ask("PUT", query, body=last)
    assert answer.status == 201
    session.check_told(BODY)
    session.check_gone()
    assert server.moved.read_bytes() == BODY
    assert server.moved.stat().st_nlink == 1
    check_nothing_spooled(server)


def test_all_in_the_closing_put(server, session):
    assert session.ask("PUT", "?name=x", body=BODY).status == 201
    session.check_told(BODY)
    assert server.received[0].target == session.path + "?name=x"
    session.check_gone()


def test_the_daemon_is_asked_at_the_end_only(server, session):
    before = len(server.stand_in.questions)
    session.patch(BODY)
    session.check_offset(len(BODY))
    assert len(server.stand_in.questions) == before
    session.ask("PUT")
    assert len(server.stand_in.questions) == before + 1


def test_cancel(server, session):
    session.patch(b"abc")
    assert session.ask("DELETE").status == 204
    session.check_gone()
    check_error(session.patch(b"x"), 404, "BLOB_UPLOAD_UNKNOWN")
    assert not server.received


def test_out_of_order(session):
    session.patch(BODY[:1000])
    for answer in (session.patch(BODY[5:50], 5), session.patch(b"x", 1001),
                   session.ask("PATCH", "?offset=999", body=b"x"),
                   session.ask("PUT", "?offset=1001", body=b"x")):
        check_error(answer, 416, "RANGE_INVALID")
        session.check_place(answer, 1000)
    session.check_offset(1000)


def test_wrong_digest(server, session):
    session.patch(b"abc")
    check_error(session.ask("PUT", f"?digest={DIGEST}"), 400,
                "DIGEST_INVALID")
    check_error(Session(server).ask("PUT", "?digest=md5:12"), 400,
                "DIGEST_INVALID")
    assert not server.received
    check_nothing_spooled(server)


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("last", [b"", BODY[1000:]])
def test_a_put_can_be_repeated(server, session, moves, last):
    """Whatever the daemon did with the file before it said 500."""
    session.patch(BODY[:len(BODY) - len(last)])
    for status in (500, 409, 201):
        server.moves, server.status = moves or status == 201, status
        answer = session.ask("PUT", f"?digest={DIGEST}", body=last)
        assert answer.status == status
        session.check_told(BODY, len(server.received))
        check_nothing_spooled(server)
        # No byte is written behind a name that the daemon may have taken.
        if status != 201:
            check_error(session.patch(b"more"), 404, "BLOB_UPLOAD_UNKNOWN")
            other = "?digest=sha256:" + "0" * 64
            check_error(session.ask("PUT", other), 404, "BLOB_UPLOAD_UNKNOWN")
    assert len(server.received) == 3
    assert server.moved.read_bytes() == BODY
    session.check_gone()


def test_a_put_is_repeated_after_the_daemon_was_gone():
    with Spooling() as server:
        session = Session(server)
        session.patch(BODY)
        server.stop_daemon()
        wait_until(lambda: server.numbers()["daemon_connected"] == 0)
        check_error(session.ask("PUT"), 503, "UNAVAILABLE")
        check_nothing_spooled(server)
        server.start_daemon()
        wait_until(lambda: server.numbers()["daemon_connected"] == 1)
        assert session.ask("PUT").status == 201
        session.check_told(BODY)


def test_another_worker_goes_on(server, session):
    session.patch(BODY[:500_000])
    server.kill_worker()
    session.check_offset(500_000)
    assert session.patch(BODY[500_000:], 500_000).status == 202
    assert session.ask("PUT").status == 201
    session.check_told(BODY)


def test_one_writer(session):
    with http.Connection(session.server.host, session.server.port) as link:
        link.send(http.head("PATCH", session.path, {
            "Content-Length": "10", "Expect": "100-continue"}))
        link.wait_for_continue()
        check_error(session.patch(b"x"), 416, "RANGE_INVALID")
        link.send(b"0123456789")
        assert link.read_response("PATCH").status == 202
    session.check_offset(10)


def test_what_is_no_session(server):
    """Unknown ids are told so; what is no id is the daemon's."""
    session = Session(server)
    unknown = session.path[:-36] + str(uuid.uuid4())
    for method in ("GET", "HEAD", "PATCH", "PUT", "DELETE"):
        assert server.ask(unknown, method=method).status == 404
    other = session.path.replace(session.repository, "other")
    assert server.ask(other).status == 404
    answer = session.ask("POST")
    check_error(answer, 405, "UNSUPPORTED")
    assert answer.headers["Allow"] == "GET, HEAD, PATCH, PUT, DELETE"
    server.decide = server.nothing
    before = len(server.stand_in.questions)
    for path in (session.path[:-1], session.path + "/", session.path + "0",
                 session.path.upper(), session.path[:-37]):
        server.ask(path, method="POST")
    assert len(server.stand_in.questions) == before + 5


def test_grants():
    """Push, for every method; nothing of a session without it."""
    with Spooling(location_directives="registry_auth on;") as server:
        session = Session(server)

        def decide(question):
            if question.header("authorization") != "Basic a":
                return seam.decision(question, "deny", status=401, body="{}")
            if question.type == seam.RECEIVED:
                return server.take(question)
            return seam.decision(question, "proceed",
                                 repository=session.repository, **GRANT)
        server.decide = decide
        good = {"Authorization": "Basic a"}
        for method in ("GET", "HEAD", "PATCH", "PUT", "DELETE"):
            assert session.ask(method, body=b"x").status == 401
        assert (session.folder / "data").read_bytes() == b""
        before = len(server.stand_in.questions)
        assert session.ask("GET", headers=good).status == 204
        assert session.ask("PATCH", headers=good, body=BODY).status == 202
        assert len(server.stand_in.questions) == before + 1
        assert session.ask("PUT", headers=good).status == 201
        session.check_told(BODY)
