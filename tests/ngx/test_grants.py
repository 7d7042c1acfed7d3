"""`registry_auth on`: nothing without a grant, and with one no question.

The daemon is scripted: it knows who may do what, and counts."""

import base64
import os
import threading
import time

import pytest

from harness import http, http2, oci, seam
from harness.guarded import (BLOB, CHALLENGE, DIGEST, HOUR_MS, MANIFEST,
                             Guarded, Signer, manifest)
from harness.guarded_fixtures import name, server, shared  # noqa: F401
from harness.process import PATIENCE, alive, wait_until, within

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]


# Granted and denied

def test_who_has_a_grant_asks_no_more(server, name):
    server.rights["Basic a"] = {(name, "pull")}
    blob = server.put_blob(name)
    assert server.cost(manifest(name), "Basic a") == (200, 1)
    for method in ("GET", "HEAD"):
        for target in (blob, manifest(name)):
            for _ in range(10):
                assert server.cost(target, "Basic a", method) == (200, 0)
    answer = server.ask(blob, "Basic a")
    assert answer.body == BLOB and "Warning" not in answer.headers
    assert server.ask(manifest(name), "Basic a").body == MANIFEST
    assert all(q.guarded for q in server.stand_in.questions)


def test_a_blob_s_question_brings_the_grant_too(server, name):
    server.rights["Basic a"] = {(name, "pull")}
    blob = server.put_blob(name)
    assert server.cost(blob, "Basic a", "HEAD") == (200, 1)
    assert server.cost(blob, "Basic a") == (200, 0)


def test_without_a_right_every_request_asks(server, name):
    """And what is on the disk and in the zone stays there."""
    server.rights["Basic a"] = {(name, "pull")}
    blob = server.put_blob(name)
    session, _ = server.make_session(name)
    tags, referrers = f"/v2/{name}/tags/list", f"/v2/{name}/referrers/{DIGEST}"
    for target in (blob, manifest(name), tags, referrers):
        assert server.cost(target, "Basic a")[0] == 200
    for who in (None, "Basic b", "Basic", "basic a", "Bearer a", "Basic  a",
                "Basic a,Basic b"):
        for target in (blob, manifest(name), tags, referrers):
            for method in ("GET", "HEAD"):
                assert server.cost(target, who, method) == (401, 1), who
        for method in ("GET", "HEAD", "PATCH", "PUT", "DELETE"):
            assert server.cost(session, who, method) == (401, 1), who
    answer = server.ask(blob, "Basic b")
    assert answer.headers["WWW-Authenticate"] == CHALLENGE
    assert BLOB not in answer.body


def test_a_grant_is_for_one_action(server, name):
    server.rights["Basic a"] = {(name, "pull")}
    server.rights["Basic b"] = {(name, "push")}
    blob = server.put_blob(name)
    session, folder = server.make_session(name)
    assert server.cost(blob, "Basic a") == (200, 1)
    assert server.cost(session, "Basic b") == (204, 1)
    assert server.cost(session, "Basic b") == (204, 0)
    assert server.cost(session, "Basic a", "DELETE") == (401, 1)
    assert server.cost(blob, "Basic b") == (401, 1)
    assert folder.exists()
    # To cancel is to push.
    assert server.cost(session, "Basic b", "DELETE") == (204, 0)


def test_a_grant_is_for_one_repository(server, name):
    server.rights["Basic a"] = {(name, "pull"), (name + "/b", "push")}
    other = server.put_blob(name + "/b")
    assert server.cost(manifest(name), "Basic a") == (200, 1)
    for longer in (name + "/b", name + "b", name + "-b", "b/" + name):
        assert server.cost(manifest(longer), "Basic a") == (401, 1)
    assert server.cost(other, "Basic a") == (401, 1)


def test_a_grant_is_for_one_host(server, name):
    server.rights["Basic a"] = {(name, "pull")}
    blob = server.put_blob(name)

    def at(host):
        return server.questions(lambda: http.request(
            server, "GET", blob, {"Authorization": "Basic a", "Host": host}))
    assert at("one.example") == (200, 1)
    assert at("ONE.example:80") == (200, 0)
    assert at("two.example") == (200, 1)


def test_all_who_may_share_one_answer(server, name):
    for who in ("Basic a", "Basic b", "Basic c"):
        server.rights[who] = {(name, "pull")}
    blob = server.put_blob(name)
    assert server.cost(manifest(name), "Basic a") == (200, 1)
    for who in ("Basic b", "Basic c"):
        assert server.cost(blob, who) == (200, 1)
        assert server.cost(manifest(name), who) == (200, 0)


def test_what_depends_on_who_asks_is_not_shared(server):
    server.rights["Basic a"] = server.rights["Basic b"] = set()
    for who in ("Basic a", "Basic b", "Basic a"):
        for target in ("/v2/", "/v2", "/v2/_catalog"):
            assert server.cost(target, who) == (200, 1)
            assert server.cost(target) == (401, 1)


def test_what_depends_on_who_asks_ends_with_its_grant(server):
    """Kept for its asker alone, and only with the key of all grants."""
    server.rights["Basic a"] = server.rights["Basic b"] = set()
    decide, more = server.stand_in.answer, {}

    def personal(question):
        who = question.header("authorization")
        return seam.reply(question, body=f"[{who}]", ttl_ms=HOUR_MS, **more)
    server.stand_in.answer = personal
    try:
        for more in ({}, {"keys": ["p,1"]}, {"grant_ms": HOUR_MS},
                     {"grant_ms": HOUR_MS, "grant_keys": ["p", "p,1"]}):
            for _ in range(3):
                assert server.cost("/v2/_catalog", "Basic a") == (200, 1)
        more = {"keys": ["p", "p,1"]}
        for who in ("Basic a", "Basic b", None):
            assert server.cost("/v2/_catalog", who) == (200, 1)
            assert server.cost("/v2/_catalog", who) == (200, 0)
            assert server.ask("/v2/_catalog", who).body.decode() == f"[{who}]"
        server.drop("p,2")
        assert server.cost("/v2/_catalog", "Basic a") == (200, 0)
        server.drop("p,1")
        assert server.cost("/v2/_catalog", "Basic a") == (200, 1)
    finally:
        server.stand_in.answer = decide


def test_a_missing_manifest_is_no_denial(server, name):
    server.rights["Basic a"] = {(name, "pull")}
    assert server.cost(manifest(name), "Basic a") == (200, 1)
    assert server.cost(manifest(name, "missing"), "Basic a") == (404, 1)
    assert server.cost(manifest(name), "Basic a") == (200, 0)


def test_status_is_not_guarded(server, name):
    server.rights["Basic a"] = {(name, "pull")}
    before = server.ask("/status").json()
    server.ask(manifest(name), "Basic a")
    server.ask(manifest(name), "Basic a")
    after = server.ask("/status").json()
    assert after["grants_asked"] - before["grants_asked"] == 1
    assert after["grants_found"] - before["grants_found"] == 1


def test_spelling_neither_helps_nor_hurts(server, name):
    """However a name is written, the grant is for what it names."""
    server.rights["Basic a"] = {(name, "pull")}
    server.rights["Basic b"] = {("open", "pull")}
    blob = server.put_blob(name)
    open_blob = server.put_blob("open")
    assert server.cost(blob, "Basic a") == (200, 1)
    assert server.cost(open_blob, "Basic b") == (200, 1)
    escaped = f"%{ord(name[0]):02x}{name[1:]}"
    assert server.cost(f"/v2/{escaped}/blobs/{DIGEST}",
                       "Basic a") == (200, 0)
    for spelled in (escaped, f"open/../{name}", f"open%2f..%2f{name}",
                    f"open/%2e%2e/{name}", f"./{name}", f"/{name}",
                    name.upper(), f"{name}/", f"{name}%00", f"{name}%20",
                    f"open//{name}", f"open\\..\\{name}", f"{name};open",
                    f"{name}%3fopen", f"open%2f%2e%2e%2f{name}"):
        for end in (f"blobs/{DIGEST}", "manifests/v1", "tags/list"):
            for who in ("Basic b", None):
                target = f"/v2/{spelled}/{end}"
                answer = server.ask(target, who)
                assert answer.status in (400, 401, 404), target
                assert BLOB not in answer.body
    for target in (f"/v2/../v2/{name}/blobs/{DIGEST}",
                   f"//v2/{name}/blobs/{DIGEST}",
                   f"/V2/{name}/blobs/{DIGEST}",
                   f"http://x{blob}", f"{blob}?name=open", f"{blob}#open"):
        assert server.ask(target, "Basic b").status in (400, 401, 404), target


# Ends of a grant

def test_it_ends_by_time(server, name):
    server.grant_ms = 300
    server.rights["Basic a"] = {(name, "pull")}
    blob = server.put_blob(name)
    assert server.cost(blob, "Basic a") == (200, 1)
    server.rights["Basic a"] = set()
    wait_until(lambda: server.ask(blob, "Basic a").status == 401,
               what="the grant's end")
    assert server.cost(blob, "Basic a") == (401, 1)


@pytest.mark.parametrize("keys, ends", [
    (["p"], True), (["p,0"], True), (["x", "p,0", "y"], True), (["*"], True),
    (["p,1"], False), (["m,p,v1", "b,p"], False)])
def test_it_ends_with_a_key(server, name, keys, ends):
    server.rights["Basic a"] = {(name, "pull")}
    blob = server.put_blob(name)
    assert server.cost(blob, "Basic a") == (200, 1)
    server.rights["Basic a"] = set()
    if keys == ["*"]:
        flushes = server.counter("cache_flushes")
        server.stand_in.drop("*")
        wait_until(lambda: server.counter("cache_flushes") > flushes)
    else:
        server.drop(*keys)
    assert server.cost(blob, "Basic a") == ((401, 1) if ends else (200, 0))


def test_it_ends_with_a_gap(server, name):
    server.rights["Basic a"] = {(name, "pull")}
    blob = server.put_blob(name)
    assert server.cost(blob, "Basic a") == (200, 1)
    server.rights["Basic a"] = set()
    flushes = server.counter("cache_flushes")
    server.stand_in.sequence += 1  # one that never came
    server.stand_in.beat()
    wait_until(lambda: server.counter("cache_flushes") > flushes)
    assert server.cost(blob, "Basic a") == (401, 1)


def test_a_drop_overtakes_a_decision(server, name):
    """Decided before the change, arrived after it: good for this once."""
    server.rights["Basic a"] = {(name, "pull")}
    blob = server.put_blob(name)
    held, go_on = threading.Event(), threading.Event()

    def hold(_):
        held.set()
        assert go_on.wait(PATIENCE)
    server.before_answer = hold
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(server.ask(blob, "Basic a").status))
    thread.start()
    assert held.wait(PATIENCE)
    server.drop("p,0")
    server.before_answer = lambda question: None
    go_on.set()
    thread.join(PATIENCE)
    assert answers == [200]
    server.rights["Basic a"] = set()
    assert server.cost(blob, "Basic a") == (401, 1)


def test_a_denial_ends_what_had_expired(server, name):
    """It must not come back when the daemon is gone; see Gone below."""
    server.grant_ms = 50
    server.rights["Basic a"] = {(name, "push"), (name, "pull")}
    assert server.cost(manifest(name), "Basic a") == (200, 1)
    server.rights["Basic a"] = set()
    wait_until(lambda: server.ask(manifest(name), "Basic a").status == 401)


def test_reload_and_a_new_worker_keep_it(name):
    with Guarded(workers=2) as server:
        server.rights["Basic a"] = {(name, "pull"), (name, "push")}
        blob = server.put_blob(name)
        assert server.cost(blob, "Basic a") == (200, 1)
        # Some worker has the daemon all the time, here one that an upload
        # holds: one that starts while none has it empties the zone.
        session, _ = server.make_session(name)
        old = server.worker_pids()
        with http.Connection(server.host, server.port) as upload:
            upload.send(http.head("PATCH", session, {
                "Content-Length": "9", "Authorization": "Basic a"}) + b"half")
            wait_until(lambda: server.counter("uploads_active") == 1,
                       what="an upload that holds a worker")
            server.reload()
            server.stand_in.wait_for_workers(2)
            wait_until(lambda: server.counter("daemon_connected") == 3,
                       what="the new workers have the daemon")
            for _ in range(10):
                assert server.cost(blob, "Basic a") == (200, 0)
        wait_until(lambda: not any(alive(pid) for pid in old),
                   what="old workers gone")
        server.kill_worker()
        for _ in range(10):
            assert server.cost(blob, "Basic a") == (200, 0)
        server.stand_in.wait_for_workers(1)
        server.rights["Basic a"] = set()
        server.drop("p,0")
        assert server.cost(blob, "Basic a") == (401, 1)


def test_revoked_on_every_worker_within_a_second(name):
    with Guarded(workers=4) as server:
        server.rights["Basic a"] = {(name, "pull")}
        blob = server.put_blob(name)
        headers = {"Authorization": "Basic a"}

        def seconds_to_the_last():
            server.rights["Basic a"] = {(name, "pull")}
            links = [http.Connection(server.host, server.port)
                     for _ in range(64)]
            asked = len(server.stand_in.questions)
            for link in links:
                assert link.request("GET", blob, headers).status == 200
            assert len(server.stand_in.questions) - asked < 20
            server.rights["Basic a"] = set()
            server.stand_in.drop("p,0")
            begin, left = time.monotonic(), links
            while left:
                left = [link for link in left
                        if link.request("GET", blob, headers).status != 401]
                assert time.monotonic() - begin < PATIENCE
            took = time.monotonic() - begin
            for link in links:
                assert link.request("GET", blob, headers).status == 401
                link.close()
            return took
        within(1.0, seconds_to_the_last)


def test_memory_is_bounded(name):
    """Many more credentials than there is room for."""
    with Guarded(zone="test:256k") as server:
        blob = server.put_blob(name)
        everybody = [f"Basic {i}" for i in range(600)]
        for who in everybody:
            server.rights[who] = {(name, "pull")}
        with http.Connection(server.host, server.port) as link:
            for who in everybody:
                answer = link.request("GET", blob, {"Authorization": who})
                assert answer.status == 200
                if answer.will_close:
                    link.__init__(server.host, server.port)
        assert server.cost(blob, everybody[-1]) == (200, 0)
        asked = sum(server.cost(blob, who)[1] for who in everybody[:300])
        assert asked > 200


def test_no_secret_is_in_the_zone(server, name):
    secret = "Basic " + base64.b64encode(os.urandom(30)).decode()
    token = Signer(server).token([(name, ["pull"])], secret_id="q" * 40)
    server.rights[secret] = {(name, "pull")}
    server.rights["Bearer " + token] = {(name, "pull")}
    server.put_blob(name)
    decide = server.stand_in.answer
    server.stand_in.answer = lambda question: seam.reply(
        question, body="[]", ttl_ms=HOUR_MS, keys=["p"]) \
        if question.target == "/v2/_catalog" else decide(question)
    try:
        for who in (secret, "Bearer " + token):
            for target in (manifest(name), "/v2/", "/v2/_catalog",
                           f"/v2/{name}/tags/list"):
                assert server.ask(target, who).status == 200
            assert server.cost("/v2/_catalog", who) == (200, 0)
    finally:
        server.stand_in.answer = decide
    pid = server.worker_pids()[0]
    found = b""
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            ends, rights = line.split()[:2]
            if rights.endswith("s"):
                begin, end = (int(part, 16) for part in ends.split("-"))
                memory.seek(begin)
                found += memory.read(end - begin)
    assert MANIFEST in found  # it is the zone
    for text in (secret, secret[6:], secret[6:30], token, token[-60:],
                 "q" * 40):
        assert text.encode() not in found


# Uploads

def test_an_upload_asks_once(server, name):
    server.rights["Basic a"] = {(name, "push")}
    session, folder = server.make_session(name)
    assert server.cost(session, "Basic a", "PATCH", body=b"abc") == (202, 1)
    assert server.cost(session, "Basic a", "PATCH", body=b"def") == (202, 0)
    assert server.cost(session, "Basic a", "PATCH",
                       pieces=[b"gh", b"i"]) == (202, 0)
    assert server.cost(session, "Basic a", "HEAD") == (204, 0)
    digest = oci.digest(b"abcdefghi")
    # The end of an upload is told.
    assert server.cost(f"{session}?digest={digest}", "Basic a",
                       "PUT") == (201, 1)
    assert server.stand_in.questions[-1].type == seam.RECEIVED


@pytest.mark.parametrize("form", ["length", "chunked", "large"])
def test_a_body_waits_for_the_decision(server, name, form):
    server.rights["Basic a"] = {(name, "push")}
    session, folder = server.make_session(name)
    body = os.urandom(3_000_000 if form == "large" else 1000)
    more = {"pieces": [body[:500], body[500:]]} if form == "chunked" else \
        {"body": body}
    assert server.cost(session, "Basic a", "PATCH", **more) == (202, 1)
    assert (folder / "data").read_bytes() == body
    other, refused = server.make_session(name)
    assert server.cost(other, "Basic b", "PATCH", **more)[0] == 401
    assert (refused / "data").read_bytes() == b""


def test_go_on_is_said_after_the_decision(server, name):
    server.rights["Basic a"] = {(name, "push")}
    session, folder = server.make_session(name)
    for who in ("Basic b", "Basic a"):
        with http.Connection(server.host, server.port) as link:
            link.send(http.head("PATCH", session, {
                "Authorization": who, "Content-Length": "5",
                "Expect": "100-continue"}))
            first = link.sock.recv(65536)
            if who == "Basic b":
                assert first.startswith(b"HTTP/1.1 401 ")
                continue
            assert first.startswith(b"HTTP/1.1 100 ")
            link.send(b"hello")
            assert link.read_response("PATCH").status == 202
    assert (folder / "data").read_bytes() == b"hello"


def test_over_http2(name):
    with Guarded(tls=True) as server:
        server.rights["Basic a"] = {(name, "push"), (name, "pull")}
        blob = server.put_blob(name)
        session, folder = server.make_session(name)
        body = os.urandom(300_000)
        with http2.Connection(server) as link:
            headers = [("authorization", "Basic a")]
            assert link.request("GET", blob, headers).status == 200
            assert link.request("PATCH", session, headers,
                                body).status == 202
            assert link.request("PATCH", session,
                                [("authorization", "Basic b")],
                                body).status == 401
            assert link.request("GET", blob).status == 401
            assert link.request("GET", blob, headers).status == 200
        assert (folder / "data").read_bytes() == body
        assert len(server.stand_in.questions) < 10


def test_what_only_the_daemon_can_answer_does_not_go_on(server, name):
    server.allow_log("lets a request go on")
    server.rights["Basic a"] = {(name, "pull")}
    decide = server.stand_in.answer
    server.stand_in.answer = lambda q: seam.decision(q, "proceed")
    try:
        assert server.ask(manifest(name), "Basic a").status == 500
        assert server.ask(server.put_blob(name), "Basic a").status == 500
    finally:
        server.stand_in.answer = decide


# Without a daemon

def test_what_depends_on_who_asks_is_not_kept_for_later():
    """Also if the daemon's answer was kept: its key may have been dropped."""
    with Guarded() as server:
        server.stand_in.answer = lambda question: seam.reply(
            question, body="[]", ttl_ms=1000, keys=["p"])
        assert server.cost("/v2/_catalog", "Basic a") == (200, 1)
        server.stop_daemon()
        wait_until(lambda: server.ask("/v2/_catalog", "Basic b").status
                   == 503, 20)
        until = time.monotonic() + 20
        answer = server.ask("/v2/_catalog", "Basic a")
        while answer.status == 200 and "Warning" not in answer.headers and \
                time.monotonic() < until:  # kept, and not over yet
            answer = server.ask("/v2/_catalog", "Basic a")
        assert answer.status == 503 and "Retry-After" in answer.headers


def test_a_pull_goes_on_without_the_daemon(name):
    with Guarded() as server:
        server.grant_ms = 1000
        for who in ("Basic a", "Basic b", "Basic c"):
            server.rights[who] = {(name, "pull"), (name, "push")}
        blob = server.put_blob(name)
        session, folder = server.make_session(name)
        for who in ("Basic a", "Basic b", "Basic c"):
            assert server.cost(manifest(name), who)[0] == 200
            assert server.cost(session, who)[0] == 204
        # c's rights went while there was a daemon to say so.
        del server.rights["Basic c"]
        wait_until(lambda: server.ask(blob, "Basic c").status == 401)
        server.drop("p,1")
        time.sleep(1.1)
        server.stop_daemon()
        wait_until(lambda: server.ask(manifest("x")).status == 503)
        for target, text in ((blob, BLOB), (manifest(name), MANIFEST)):
            for method in ("GET", "HEAD"):
                answer = server.ask(target, "Basic a", method)
                assert answer.status == 200
                assert "299" in answer.headers["Warning"]
                assert answer.body == (text if method == "GET" else b"")
            for who in ("Basic b", "Basic c", "Basic d", None):
                answer = server.ask(target, who)
                assert answer.status == 503 and answer.headers["Retry-After"]
        for method in ("PATCH", "PUT", "GET", "DELETE"):
            assert server.ask(session, "Basic a", method).status == 503
        for target in ("/v2/", "/v2/_catalog", f"/v2/{name}/blobs/sha256:"
                       + "0" * 64):
            assert server.ask(target, "Basic a").status == 503
        assert folder.exists()


# Switched off

def test_it_is_inherited_and_told_apart(name):
    """http, server and location; `service` goes along."""
    with Guarded(http_directives="registry_auth on service=mine;",
                 location_directives="",
                 locations_more="location /v2/open/ { registry on;"
                 " registry_auth off; }") as server:
        signer = Signer(server)
        blob, free = server.put_blob(name), server.put_blob("open/a")
        assert server.cost(blob) == (401, 1)
        right = [(name, ["pull"])]
        mine = "Bearer " + signer.token(right, iss="mine", aud="mine")
        assert server.cost(blob, mine) == (200, 0)
        assert server.cost(blob, "Bearer " + signer.token(right)) == (401, 1)
        assert server.cost(free) == (200, 0)


def test_answers_of_a_guarded_place_stay_there(name):
    with Guarded(locations_more="location /open/ { registry on;"
                 " registry_prefix /open; registry_auth off; }") as server:
        server.rights["Basic a"] = {(name, "pull")}
        assert server.cost(manifest(name), "Basic a") == (200, 1)
        assert server.cost("/open" + manifest(name)) == (401, 1)
        assert not server.stand_in.questions[-1].guarded


def test_off_asks_nobody(name):
    with Guarded(location_directives="registry_auth off;") as server:
        blob = server.put_blob(name)
        session, _ = server.make_session(name)
        assert server.cost(blob) == (200, 0)
        assert server.cost("/v2/") == (200, 0)
        assert server.cost(session) == (204, 0)
        assert server.cost(manifest(name))[1] == 1
        assert not server.stand_in.questions[-1].guarded
