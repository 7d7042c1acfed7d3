"""Authorization as registryd decides it over the seam, without nginx."""

import base64
import hashlib
import itertools
import json
import re
import time
from urllib.parse import quote

import pytest
import zmq

from harness.accounts import (
    ANONYMOUS, AUTHENTICATED, PASSWORD, Accounts, make_token,
    password_hash)
from harness.process import PATIENCE, wait_until, within
from harness.seam import BLOB, MEMORY, Daemon, Reader

INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                    "manifests": []}).encode()
UPLOAD = "00000000-0000-4000-8000-000000000000"
BLOB_DIGEST = "sha256:" + 64 * "a"
CERTIFICATE = 64 * "c"
# Every question here comes from one address.
SETTINGS = 'auth = "on"\nfailed_logins_per_address = 0\n'


class World:
    """A daemon with a few principals; `ask` as a guarded nginx."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.accounts = accounts = Accounts(daemon.root)
        self.alice = accounts.user("alice")
        self.bob = accounts.user("bob")
        self.bot = accounts.user("bot", "service", "")
        self.team = accounts.group("team", self.bob)
        accounts.grant(self.alice, "alice/**", "admin")
        accounts.grant(self.team, "team/*", "pull,push")
        accounts.grant(self.bot, "**", "pull")
        accounts.grant(AUTHENTICATED, "shared/**", "pull")
        accounts.visibility("public/**", "public")
        accounts.visibility("public/not", "private")
        accounts.grant(ANONYMOUS, "drop/box", "push")
        accounts.certificate(self.alice, CERTIFICATE)
        self.alice_token = accounts.token(self.alice, "admin")
        self.narrow = accounts.token(self.alice, "pull", "alice/a alice/b/*")

    def ask(self, method, target, authorization=None, **more):
        headers = [("Authorization", authorization)] if authorization else []
        more.setdefault("guarded", True)
        return self.daemon.ask(method, target, headers, **more)

    def token(self, scope="", authorization=None, more=""):
        scopes = "".join("&scope=" + quote(one) for one in scope.split())
        answer = self.ask("GET", "/-/token?service=registry" + scopes + more,
                          authorization)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def form(self, form):
        answer = self.ask("POST", "/-/token", body_bytes=len(form))
        assert (answer.type, answer.into) == ("receive", "memory")
        return self.ask("POST", "/-/token", body_bytes=len(form), received=(
            answer.ticket, MEMORY, len(form), "", "", form.encode()))


def basic(user, password):
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return "Basic " + pair


ALICE, BOB = basic("alice", PASSWORD), basic("bob", PASSWORD)


@pytest.fixture(scope="module")
def world():
    with Daemon(settings=SETTINGS) as daemon:
        daemon.ask("GET", "/v2/", guarded=True)
        yield World(daemon)


@pytest.fixture
def own_world():
    with Daemon(settings=SETTINGS) as daemon:
        daemon.ask("GET", "/v2/", guarded=True)
        yield World(daemon)


def error(answer):
    return json.loads(answer.body)["errors"][0]


# (method, target, action): every route that names a repository.
ROUTES = [
    ("GET", "/v2/{}/tags/list", "pull"),
    ("GET", "/v2/{}/manifests/x", "pull"),
    ("HEAD", "/v2/{}/manifests/x", "pull"),
    ("PUT", "/v2/{}/manifests/x", "push"),
    ("DELETE", "/v2/{}/manifests/x", "delete"),
    ("GET", "/v2/{}/blobs/" + BLOB_DIGEST, "pull"),
    ("HEAD", "/v2/{}/blobs/" + BLOB_DIGEST, "pull"),
    ("DELETE", "/v2/{}/blobs/" + BLOB_DIGEST, "delete"),
    ("POST", "/v2/{}/blobs/uploads/", "push"),
    ("POST", "/v2/{}/blobs/uploads/?digest=" + BLOB_DIGEST, "push"),
    ("POST", "/v2/{}/blobs/uploads/?mount=" + BLOB_DIGEST, "push"),
    ("GET", "/v2/{}/blobs/uploads/" + UPLOAD, "push"),
    ("HEAD", "/v2/{}/blobs/uploads/" + UPLOAD, "push"),
    ("PATCH", "/v2/{}/blobs/uploads/" + UPLOAD, "push"),
    ("PUT", "/v2/{}/blobs/uploads/" + UPLOAD + "?digest=" + BLOB_DIGEST,
     "push"),
    ("DELETE", "/v2/{}/blobs/uploads/" + UPLOAD, "push"),
    ("GET", "/v2/{}/referrers/" + BLOB_DIGEST, "pull"),
]
ALL = {"pull", "push", "delete"}
RIGHTS = {
    "alice/a": {"alice": ALL, "bot": {"pull"}},
    "alice": {"bot": {"pull"}},
    "team/x": {"bob": {"pull", "push"}, "bot": {"pull"}},
    "team/x/y": {"bot": {"pull"}},
    "shared/x": {who: {"pull"} for who in ("alice", "bob", "bot")},
    "public/x": {who: {"pull"} for who in ("alice", "bob", "bot", "")},
    "public/not": {"bot": {"pull"}},
    "drop/box": {"alice": {"push"}, "bob": {"push"}, "": {"push"},
                 "bot": {"push", "pull"}},
}


def check(answer, allowed, who, action, name):
    if allowed:
        assert answer.status not in (401, 403), answer.body
        # A grant is only of what was allowed, and never of a refusal.
        if answer.type != "deny":
            assert 0 < answer.grant_ms <= 60_000
            assert answer.grant_keys[0] == "p"
            assert len(answer.grant_keys) == (2 if who else 1)
            assert (answer.repository, answer.action) == (name, action)
        return
    needed = "pull,push" if action == "push" else action
    assert answer.type == "deny" and answer.grant_ms == 0
    assert answer.ttl_ms == 0 and not answer.grant_keys
    if who:
        assert (answer.status, answer.error) == (403, "DENIED")
        assert answer.header("WWW-Authenticate") is None
        # As docker needs it: who pushes looks first at what is there.
        assert f"registryctl grant add {who} {name} {needed}" \
            in error(answer)["message"]
    else:
        assert (answer.status, answer.error) == (401, "UNAUTHORIZED")
        assert f"--actions {needed} " in error(answer)["message"]
        assert answer.header("WWW-Authenticate") == (
            'Bearer realm="http://registry.example/-/token",'
            f'service="registry",scope="repository:{name}:{needed}"')
    assert error(answer)["detail"] == [{
        "Type": "repository", "Class": "", "Name": name, "Action": action}]


@pytest.mark.parametrize("who", ["alice", "bob", "bot", ""])
def test_every_route_asks_the_policy(world, who):
    bot = world.accounts.token(world.bot, "admin")
    forms = {"alice": [ALICE, "Bearer " + world.alice_token,
                       basic("x", world.alice_token)],
             "bob": [BOB], "bot": [bot, "Token " + bot], "": [None]}
    for name, form in itertools.product(RIGHTS, forms[who]):
        may = RIGHTS[name].get(who, set())
        for method, target, action in ROUTES:
            answer = world.ask(method, target.format(name), form)
            check(answer, action in may, who, action, name)


def test_a_certificate_is_its_principal(world):
    target = "/v2/alice/a/tags/list"
    for cert, status in ((CERTIFICATE, 404), (64 * "d", 401), ("", 401)):
        assert world.ask("GET", target, cert=cert).status == status
    # A header goes before it.
    assert world.ask("GET", target, BOB, cert=CERTIFICATE).status == 403
    assert world.ask("GET", target, "Basic !",
                     cert=CERTIFICATE).status == 401


def test_an_access_token_gets_no_other(world):
    token = world.token("repository:alice/a:pull", ALICE)["token"]
    for form in ("Bearer " + token, token, basic("x", token)):
        assert world.ask("GET", "/-/token", form).status == 401
    for words in (f"grant_type=password&username=x&password={token}",
                  f"grant_type=password&username={token}&password=",
                  f"grant_type=refresh_token&refresh_token={token}"):
        answer = world.form(words)
        assert (answer.type, answer.status) == ("deny", 401), words


def test_who_has_no_password_cannot_use_one(world):
    """`bot` has none; nor has a group, nor who is built in."""
    for name in ("bot", "team", "anonymous", "authenticated"):
        for password in ("", name, PASSWORD, "bot", "admin", "password"):
            for target in ("/v2/", "/-/token"):
                answer = world.ask("GET", target, basic(name, password))
                assert answer.status == 401, (name, password)
                world.accounts.change(
                    lambda db: db.execute("DELETE FROM login_failures"))


def test_only_one_path_is_the_token_service(world):
    for target in ("/v2/-/token", "/v2/alice/a/-/token", "/x/-/token",
                   "/-/token/", "/-/token/x", "//-/token"):
        answer = world.ask("GET", target, ALICE)
        assert answer.status in (400, 404), (target, answer.status)
        assert b"token\":" not in answer.body


def test_sessions_proceed(world):
    target = f"/v2/alice/a/blobs/uploads/{UPLOAD}"
    for method in ("PATCH", "PUT", "GET", "HEAD", "DELETE"):
        answer = world.ask(method, target, ALICE)
        assert answer.type == "proceed" and answer.grant_ms > 0
        assert answer.grant_keys == ["p", f"p,{world.alice}"]
    # The end of one is a question like any other.
    received = ("", BLOB, 1, BLOB_DIGEST, UPLOAD, "")
    for who, status in ((BOB, 403), (None, 401)):
        answer = world.ask("PUT", target + "?digest=" + BLOB_DIGEST, who,
                           received=received)
        assert (answer.type, answer.status) == ("deny", status)


BAD_CREDENTIALS = [
    "Basic", "Basic !", "Basic " + base64.b64encode(b"alice").decode(),
    "Bearer", "Bearer x", "Bearer eyJh.eyJh.x", "Digest x", "x",
    basic("alice", "wrong"), basic("nobody", PASSWORD), basic("alice", ""),
    basic("", PASSWORD), basic("team", PASSWORD), basic("anonymous", ""),
    basic("alice' OR '1'='1", "x"), basic("%", PASSWORD),
    make_token()[1], "Bearer " + make_token()[1], make_token("lsf_")[1],
]


@pytest.mark.parametrize("authorization", BAD_CREDENTIALS, ids=range(
    len(BAD_CREDENTIALS)))
def test_a_wrong_credential_is_refused_everywhere(world, authorization):
    """Also where none is needed: a client must learn that it is wrong."""
    for target in ("/v2/", "/v2/public/x/tags/list", "/v2/alice/a/tags/list",
                   "/v2/_catalog", "/v2/nothing-of-this"):
        answer = world.ask("GET", target, authorization)
        assert answer.status == 401 and answer.error == "UNAUTHORIZED"
        challenge = answer.header("WWW-Authenticate")
        assert challenge.startswith("Bearer realm=")
        assert ('error="invalid_token"' in challenge) \
            == authorization.startswith("Bearer ")
        assert answer.ttl_ms == 0 and answer.grant_ms == 0
        world.accounts.change(
            lambda db: db.execute("DELETE FROM login_failures"))
    answer = world.ask("GET", "/-/token", authorization)
    assert answer.status == 401
    assert answer.header("WWW-Authenticate").startswith("Basic ")


def test_two_headers_are_none(world):
    answer = world.daemon.ask(
        "GET", "/v2/", [("Authorization", ALICE), ("Authorization", ALICE)],
        guarded=True)
    assert answer.status == 401


def test_ping_teaches_the_scheme(world):
    answer = world.ask("GET", "/v2/")
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == (
        'Bearer realm="http://registry.example/-/token",service="registry"')
    assert world.ask("GET", "/v2/", prefix="/x").header(
        "WWW-Authenticate").startswith(
            'Bearer realm="http://registry.example/x/-/token"')
    anonymous = "Bearer " + world.token()["token"]
    for form in (ALICE, world.narrow, anonymous):
        answer = world.ask("GET", "/v2/", form)
        assert answer.status == 200
        # nginx keeps it for this caller, and no longer than the caller is.
        assert 0 < answer.ttl_ms <= 60_000 and "p" in answer.keys
        assert answer.grant_ms == 0


def test_limits_of_a_token(world):
    for name, method, status in (
            ("alice/a", "GET", 404), ("alice/b/c", "GET", 404),
            ("alice/b", "GET", 403), ("alice/b/c/d", "GET", 403),
            ("alice/a", "DELETE", 403), ("shared/x", "GET", 403),
            ("public/x", "GET", 404)):
        answer = world.ask(method, f"/v2/{name}/manifests/x", world.narrow)
        assert answer.status == status, (name, answer.body)
    message = error(answer := world.ask(
        "DELETE", "/v2/alice/a/manifests/x", world.narrow))["message"]
    assert "registryctl token create alice --actions delete" in message
    assert answer.error == "DENIED"


def test_tokens_are_for_their_scopes(world):
    body = world.token("repository:alice/a:pull,push repository:team/x:pull",
                       ALICE)
    assert body["scope"] == "repository:alice/a:pull,push"
    assert body["expires_in"] == 300 and body["token"] == body["access_token"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["issued_at"])
    bearer = "Bearer " + body["token"]
    assert world.ask("GET", "/v2/alice/a/tags/list", bearer).status == 404
    assert world.ask("GET", "/v2/public/x/tags/list", bearer).status == 404
    # It could be had: 401, so that the client asks for a wider one.
    answer = world.ask("DELETE", "/v2/alice/a/manifests/x", bearer)
    assert answer.status == 401
    assert answer.header("WWW-Authenticate").endswith(
        'scope="repository:alice/a:delete",error="insufficient_scope"')
    # It could not: final.
    assert world.ask("GET", "/v2/team/x/tags/list", bearer).status == 403
    # The same token in every form.
    for form in (body["token"], "Token " + body["token"],
                 basic("x", body["token"])):
        assert world.ask("GET", "/v2/alice/a/tags/list", form).status == 404
        assert world.ask("GET", "/v2/team/x/tags/list", form).status == 403
        assert world.ask("GET", "/-/token", form).status == 401


def test_the_token_is_what_nginx_reads(world):
    token = world.token("repository:alice/a:pull", ALICE)["token"]
    header, payload, _ = (part + "=" * (-len(part) % 4)
                          for part in token.split("."))
    header = json.loads(base64.urlsafe_b64decode(header))
    claims = json.loads(base64.urlsafe_b64decode(payload))
    published = (world.daemon.root / "keys/token.pub").read_text()
    assert header["kid"] in [line.split()[0]
                             for line in published.splitlines()]
    assert claims["sub"] == str(world.alice)
    assert claims["iss"] == claims["aud"] == "registry"
    assert claims["exp"] - claims["iat"] == 300
    assert claims["access"] == [{"type": "repository", "name": "alice/a",
                                 "actions": ["pull"]}]


def test_forms_of_the_token_service(world):
    form = (f"grant_type=password&username=alice&password={quote(PASSWORD)}"
            "&service=registry&scope=repository:alice/a:pull"
            "+repository:alice/b:push&client_id=t&access_type=offline")
    answer = world.form(form)
    assert answer.status == 200
    assert answer.header("Cache-Control") == "no-store"
    body = json.loads(answer.body)
    assert body["scope"] == "repository:alice/a:pull repository:alice/b:push"
    refresh = body["refresh_token"]
    answer = world.form("grant_type=refresh_token&service=registry&scope="
                        f"repository:alice/a:pull&refresh_token={refresh}")
    assert json.loads(answer.body)["scope"] == "repository:alice/a:pull"
    for bad, status in (("grant_type=password&username=alice&password=x", 401),
                        ("grant_type=refresh_token&refresh_token=x", 401),
                        ("grant_type=other", 400), ("", 400), ("%zz&&=", 400),
                        ("grant_type=password&service=other", 400)):
        answer = world.form(bad)
        assert (answer.type, answer.status) == ("deny", status), bad
    assert world.ask("POST", "/-/token", body_bytes=1 << 20).status == 413
    assert world.ask("DELETE", "/-/token").status == 405
    # As docker login asks.
    body = world.token(authorization=ALICE, more="&account=alice&client_id="
                       "docker&offline_token=true")
    assert "refresh_token" in body
    assert "refresh_token" not in world.token(more="&offline_token=true")


def test_the_catalog_shows_what_may_be_pulled(own_world):
    world = own_world
    admin = world.accounts.user("root")
    world.accounts.grant(admin, "**", "admin")
    root = basic("root", PASSWORD)
    names = sorted([f"alice/r{n}" for n in range(5)]
                   + [f"team/r{n}" for n in range(5)]
                   + [f"public/r{n}" for n in range(5)])
    for name in names:
        target = f"/v2/{name}/manifests/x"
        headers = [("Content-Type", INDEX), ("Authorization", root)]
        answer = world.daemon.ask("PUT", target, headers, guarded=True,
                                  body_bytes=len(EMPTY))
        assert answer.type == "receive"
        assert world.daemon.ask(
            "PUT", target, headers, guarded=True, body_bytes=len(EMPTY),
            received=(answer.ticket, MEMORY, len(EMPTY), "", "",
                      EMPTY)).status == 201

    def listed(authorization, n):
        found, target = [], f"/v2/_catalog?n={n}"
        while target:
            answer = world.ask("GET", target, authorization)
            assert answer.status == 200
            page = json.loads(answer.body)["repositories"]
            assert 0 < len(page) <= n
            found += page
            link = answer.header("Link")
            assert not link or len(page) == n
            target = link and link[1:link.index(">")]
        return found

    anonymous = "Bearer " + world.token("registry:catalog:*")["token"]
    scoped = "Bearer " + world.token("registry:catalog:*", BOB)["token"]
    for form, prefixes in ((root, "atp"), (ALICE, "ap"), (BOB, "tp"),
                           (scoped, "tp"), (anonymous, "p")):
        wanted = [name for name in names if name[0] in prefixes]
        for n in (1, 2, 5, 7, 1000):
            assert listed(form, n) == wanted, (form, n)
    answer = world.ask("GET", "/v2/_catalog")
    assert answer.status == 401
    assert 'scope="registry:catalog:*"' in answer.header("WWW-Authenticate")
    narrow = "Bearer " + world.token("repository:team/r1:pull", BOB)["token"]
    answer = world.ask("GET", "/v2/_catalog", narrow)
    assert answer.status == 401
    assert "insufficient_scope" in answer.header("WWW-Authenticate")


def test_what_exists_changes_no_refusal(own_world):
    world = own_world
    answers = []
    for _ in range(2):
        answers.append([
            (a.type, a.status, a.headers, a.body)
            for who in (BOB, None) for method, target, _ in ROUTES
            for a in [world.ask(method, target.format("alice/a"), who)]])
        headers = [("Content-Type", INDEX), ("Authorization", ALICE)]
        world.daemon.ask(
            "PUT", "/v2/alice/a/manifests/x", headers, guarded=True,
            body_bytes=len(EMPTY),
            received=("", MEMORY, len(EMPTY), "", "", EMPTY))
    assert world.ask("GET", "/v2/alice/a/manifests/x", ALICE).status == 200
    assert answers[0] == answers[1]


class Drops:
    """What the daemon publishes."""

    def __init__(self, daemon):
        self.socket = daemon.context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.subscribe(b"")
        self.socket.connect(daemon.endpoint + ".pub")
        while not self.socket.poll(5000):
            pass

    def wait(self, wanted, seconds=PATIENCE):
        """Seconds until the key came."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if not self.socket.poll(50):
                continue
            reader = Reader(self.socket.recv())
            reader.number(1), reader.number(8), reader.number(8)
            keys = [reader.text() for _ in range(reader.number(2))]
            if wanted in keys:
                return time.monotonic() - start
        raise AssertionError(f"{wanted} did not come")

    def close(self):
        self.socket.close(0)


@pytest.fixture
def drops(own_world):
    heard = Drops(own_world.daemon)
    yield heard
    heard.close()


def test_changes_are_in_force_and_told(own_world, drops):
    world, accounts = own_world, own_world.accounts
    token = "Bearer " + world.token("repository:alice/a:pull", ALICE)["token"]
    body = world.token(authorization=basic("x", world.narrow),
                       more="&scope=repository:alice/a:pull"
                       "&offline_token=true")
    by_token, refresh = "Bearer " + body["token"], body["refresh_token"]

    def status(authorization, name="alice/a"):
        return world.ask("GET", f"/v2/{name}/tags/list", authorization).status

    own = f"p,{world.alice}"
    assert [status(one) for one in (token, by_token, world.narrow)] \
        == 3 * [404]
    accounts.revoke_token(world.alice, world.narrow)
    assert [status(one) for one in (by_token, world.narrow)] == [401, 401]
    assert world.form("grant_type=refresh_token&refresh_token="
                      + refresh).status == 401
    drops.wait(own)
    accounts.revoke(world.alice, "alice/**")
    assert [status(one) for one in (ALICE, token)] == [403, 403]
    drops.wait("p")
    accounts.grant(world.alice, "alice/**", "pull")
    assert [status(one) for one in (ALICE, token)] == [404, 404]
    drops.wait("p")
    accounts.set_password(world.alice, "another password")
    assert [status(one) for one in (ALICE, token)] == [401, 401]
    assert status(basic("alice", "another password")) == 404
    drops.wait(own)
    accounts.disable(world.alice)
    assert status(world.alice_token) == 401
    assert status(None, "public/x") == 404
    # Nobody asks: it is told all the same.
    accounts.leave(world.team, world.bob)
    drops.wait(f"p,{world.bob}")
    assert status(BOB, "team/x") == 403
    accounts.visibility("public/**", "private")
    drops.wait("p")
    assert status(None, "public/x") == 401


@pytest.mark.alone
def test_changes_are_told_within_a_second(own_world, drops):
    def seconds_to_the_news():
        own_world.accounts.disable(own_world.bob)
        return drops.wait(f"p,{own_world.bob}")
    for _ in range(5):
        within(1, seconds_to_the_news)


def test_a_grant_ends_with_its_credential(world):
    soon = int(time.time() * 1000) + 50_000
    token = world.accounts.token(world.alice, "pull", "", soon)
    answer = world.ask("GET", f"/v2/alice/a/blobs/uploads/{UPLOAD}", ALICE)
    assert 50_000 < answer.grant_ms <= 60_000
    answer = world.ask("GET", "/v2/alice/a/tags/list", token)
    assert answer.status == 404
    assert json.loads(world.ask(
        "GET", "/-/token", token).body)["expires_in"] <= 50
    past = world.accounts.token(world.alice, "pull", "", soon - 100_000)
    assert world.ask("GET", "/v2/alice/a/tags/list", past).status == 401


def test_wrong_passwords_lock_a_name(own_world):
    world = own_world
    for name in ("alice", "nobody-at-all"):
        for _ in range(5):
            answer = world.ask("GET", "/v2/", basic(name, "wrong"))
            assert answer.status == 401
        answer = world.ask("GET", "/v2/", basic(name, PASSWORD))
        assert (answer.status, answer.error) == (429, "TOOMANYREQUESTS")
        waits = [v for n, v in answer.headers if n == "Retry-After"]
        assert waits == ["1"]
        assert world.accounts.failures(name) == (5 if name == "alice" else 0)
    # A name of nobody may be a password in the wrong place: not as it came.
    assert sorted(world.accounts.all_failures().values()) == [5, 5]
    assert world.ask("GET", "/v2/", world.alice_token).status == 200
    wait_until(lambda: world.ask("GET", "/v2/", ALICE).status != 429)
    assert world.ask("GET", "/v2/", ALICE).status == 200
    assert world.accounts.failures("alice") == 0


def linked(world, name, data, authorization):
    """Makes the bytes a blob of the repository, as after an upload."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    folder = (world.daemon.root / "docker/registry/v2/blobs/sha256" /
              digest[7:9] / digest[7:])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").write_bytes(data)
    assert world.ask(
        "PUT", f"/v2/{name}/blobs/uploads/{UPLOAD}?digest={digest}",
        authorization, received=("", BLOB, len(data), digest, UPLOAD, "")
    ).status == 201
    return digest


def test_mount_from_anywhere_does_not_tell_who_else_has_it(own_world):
    """Whoever has the blob as well, and may not be pulled from."""
    world = own_world
    data = b"perhaps somebody else has it too"
    world.accounts.grant(world.alice, "zoo/**", "admin")
    for name, whose in (("alice/first", ALICE), ("zoo/second", ALICE),
                        ("team/mine", BOB), ("alice/last", ALICE)):
        digest = linked(world, name, data, whose)
    answer = world.ask("POST", f"/v2/team/x/blobs/uploads/?mount={digest}",
                       BOB)
    assert answer.status == 201
    world.accounts.revoke(world.team, "team/*")
    world.accounts.grant(world.team, "team/*", "push")
    answer = world.ask("POST", f"/v2/team/y/blobs/uploads/?mount={digest}",
                       BOB)
    assert answer.status == 202


def test_mount_needs_pull_on_its_source(own_world):
    world = own_world
    digest = linked(world, "alice/a", b"secret layer", ALICE)
    for query in (f"?mount={digest}&from=alice/a", f"?mount={digest}"):
        answer = world.ask("POST", "/v2/team/x/blobs/uploads/" + query, BOB)
        assert answer.status == 202, "an ordinary session, nothing told"
        assert world.ask("GET", f"/v2/team/x/blobs/{digest}",
                         BOB).status == 404
    # A token that is not for the source cannot use it either.
    bearer = "Bearer " + world.token("repository:alice/b:pull,push",
                                     ALICE)["token"]
    query = f"?mount={digest}&from=alice/a"
    assert world.ask("POST", "/v2/alice/b/blobs/uploads/" + query,
                     bearer).status == 202
    assert world.ask("POST", "/v2/alice/b/blobs/uploads/" + query,
                     ALICE).status == 201


def test_an_unguarded_nginx_gets_nothing(world):
    for target in ("/v2/", "/v2/public/x/tags/list", "/-/token", "/x"):
        answer = world.ask("GET", target, ALICE, guarded=False)
        assert (answer.type, answer.status) == ("deny", 503)
    assert "registry_auth" in world.daemon.log()


def test_without_auth_everything_is_as_it_was():
    with Daemon() as daemon:
        for guarded in (False, True):
            for form in ([], [("Authorization", "Basic !")]):
                answer = daemon.ask("GET", "/v2/a/tags/list", form,
                                    guarded=guarded)
                assert answer.status == 404
                assert daemon.ask("GET", "/v2/", form,
                                  guarded=guarded).status == 200
        upload = daemon.ask("POST", "/v2/a/blobs/uploads/", guarded=True)
        assert upload.status == 202 and upload.grant_ms > 0
        target = upload.header("Location")
        assert daemon.ask("PATCH", target, guarded=True).type == "proceed"
        assert daemon.ask("PATCH", target).status == 404
        assert daemon.ask("GET", "/-/token").status == 404
        assert not (daemon.root / "keys").exists()


def test_hosts_do_not_write_into_the_challenge(world):
    for host in ('x", error="', "a b", "a/b", "a\\", "x" * 400):
        answer = world.ask("GET", "/v2/", host=host)
        assert answer.header("WWW-Authenticate") \
            == 'Basic realm="registry", charset="UTF-8"'
    answer = world.ask("GET", "/v2/", host="[::1]:5000")
    assert 'realm="http://[::1]:5000/-/token"' \
        in answer.header("WWW-Authenticate")


def test_settings_of_the_challenge():
    settings = SETTINGS + ('public_url = "https://r.example/base"\n'
                           'token_service = "r.example"\n')
    with Daemon(settings=settings) as daemon:
        assert daemon.ask("GET", "/v2/", guarded=True).header(
            "WWW-Authenticate") == (
                'Bearer realm="https://r.example/base/-/token",'
                'service="r.example"')


def test_htpasswd_is_read_again(tmp_path):
    file = tmp_path / "htpasswd"
    file.write_text(f"carol:{password_hash('first')}\nbroken\n")
    with Daemon(settings=SETTINGS + f'htpasswd = "{file}"\n') as daemon:
        def status(password):
            return daemon.ask(
                "GET", "/v2/", [("Authorization", basic("carol", password))],
                guarded=True).status
        assert status("first") == 200
        file.write_text(f"carol:{password_hash('second')}\n")

        def known():
            if status("second") == 200:
                return True
            Accounts(daemon.root).change(
                lambda db: db.execute("DELETE FROM login_failures"))
            return False
        wait_until(known, pause=0.05, what="the new password")
        assert status("first") == 401
    missing = Daemon(settings=SETTINGS + 'htpasswd = "/nowhere"\n').start()
    try:
        assert missing.process.wait(20) == 1
        assert "/nowhere" in missing.log()
    finally:
        missing.close()


def test_no_secret_is_written_anywhere(own_world):
    """Log at debug, metrics, errors: of no credential a trace."""
    with Daemon(settings=SETTINGS + 'log_level = "debug"\n') as daemon:
        daemon.ask("GET", "/v2/", guarded=True)
        world = World(daemon)
        bodies = []
        canary = "canary-password-7319"
        texts = [canary, PASSWORD, world.alice_token, world.narrow]
        good = world.token("repository:alice/a:pull", ALICE,
                           "&offline_token=true")
        texts += [good["token"], good["refresh_token"]]
        for form in (basic("alice", canary), ALICE, world.alice_token,
                     "Bearer " + good["token"], "Bearer " + canary,
                     "Basic " + canary, canary,
                     "Bearer " + good["refresh_token"]):
            for target in ("/v2/alice/a/tags/list", "/v2/_catalog"):
                bodies.append(world.ask("GET", target, form).body)
        for kind in ("password", "none-we-know"):
            bodies.append(world.form(f"grant_type={kind}&username=alice&"
                                     f"password={canary}").body)
        bodies.append(world.ask("GET", "/-/metrics", peer="127.0.0.1").body)
        written = daemon.log() + b"".join(bodies).decode()
        # By their secret parts, also as base64.
        for text in texts:
            for part in (text[-20:],
                         base64.b64encode(text.encode()).decode()[:20]):
                assert part not in written
        assert '"principal":"alice"' in written


def test_it_starts_again_with_its_keys(own_world):
    world = own_world
    token = "Bearer " + world.token("repository:alice/a:pull", ALICE)["token"]
    before = (world.daemon.root / "keys/token.pub").read_text()
    world.daemon.stop()
    world.daemon.start()
    assert world.ask("GET", "/v2/alice/a/tags/list", token).status == 404
    assert (world.daemon.root / "keys/token.pub").read_text() == before
