"""Tokens of issuers: who is taken, what their rules give, for how long, and
what an issuer that misbehaves can do, which is nothing."""

import base64
import json
import re
import sqlite3
import threading
import time

import pytest

from harness import http, oci
from harness.authorized import (
    BLOB, OTHER, PRIVATE, Authorized, basic, bearer)
from harness.issuer import AUDIENCE, IssuerServer, Key, token
from harness.process import wait_until

pytestmark = [pytest.mark.ours, pytest.mark.heavy]

ALGORITHMS = ("RS256", "ES256", "EdDSA")
MANIFEST = f"/v2/{PRIVATE}/manifests/v1"


@pytest.fixture(scope="module")
def issuers():
    with IssuerServer() as one:
        yield one


@pytest.fixture(scope="module")
def server(issuers):
    with Authorized(2) as one:
        one.ctl("service", "add", "builder", "--password-stdin",
                given=one.password("builder"))
        one.ctl("grant", "add", "builder", "team/**", "pull,push")
        one.usual = add(one, issuers, "usual")
        rule(one, "usual", "repository=acme/*", "--actions", "pull,push",
             "--repository", "team/**")
        rule(one, "usual", "job=deploy", "--as", "builder")
        yield one


def add(server, issuers, name, *words, wait=True):
    """An issuer at the registry and on this machine; with its keys."""
    issuer = issuers.issuer(f"/{name}")
    server.ctl("issuer", "add", name, "--url", issuer.url, "--audience",
               AUDIENCE, "--ca-file", str(issuers.ca_file), *words)
    if wait:
        wait_until(lambda: state(server, name)["keys"], 20, 0.1,
                   what=f"keys of {name}")
    return issuer


def rule(server, issuer, *words):
    return server.ctl("issuer", "rule", "add", issuer, "--when",
                      *words)["id"]


def state(server, name):
    return next(row for row in server.ctl("issuer", "list")["issuers"]
                if row["name"] == name)


def tried_ago(server, name, seconds):
    """As if the last attempt to fetch the keys were so long ago."""
    database = sqlite3.connect(server.root / "db" / "longshore.sqlite",
                               timeout=20)
    database.execute(
        "UPDATE issuer_keys SET tried_at_ms = ? WHERE issuer_id ="
        " (SELECT id FROM issuers WHERE name = ?)",
        (int((time.time() - seconds) * 1000), name))
    database.commit()
    database.close()


def get(server, headers, path=MANIFEST):
    return http.request(server, "GET", path, headers)


def ask(server, headers, scope=f"repository:{PRIVATE}:pull,push", more=""):
    return get(server, headers,
               f"/-/token?service=registry&scope={scope}{more}")


def payload(text):
    part = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# Who is taken

@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_form_of_every_algorithm(server, algorithm):
    made = server.usual.token(algorithm, repository="acme/app")
    for headers in (basic("anybody", made), basic(made, ""), bearer(made),
                    {"Authorization": f"Token {made}"}):
        assert get(server, headers).status == 200, headers
        assert get(server, headers, f"/v2/{OTHER}/manifests/v1").status == 403
        answer = ask(server, headers, more="&offline_token=true")
        assert answer.status == 200, answer.body
        document = answer.json()
        assert document["scope"] == f"repository:{PRIVATE}:pull,push"
        assert "refresh_token" not in document
        assert 0 < document["expires_in"] <= 300
        assert get(server, bearer(document["token"])).status == 200
        assert get(server, bearer(document["token"]),
                   f"/v2/{OTHER}/manifests/v1").status == 403


def test_a_push(server):
    made = server.usual.token(repository="acme/app")
    token_of = ask(server, basic("ci", made)).json()["token"]
    for headers in (bearer(token_of), basic("ci", made)):
        data = f"pushed with {headers}".encode()
        answer = http.request(
            server, "POST",
            f"/v2/{PRIVATE}/blobs/uploads/?digest={oci.digest(data)}",
            {**headers, "Content-Type": "application/octet-stream"}, data)
        assert answer.status == 201, answer.body


def test_the_oauth_form(server):
    made = server.usual.token(repository="acme/app")
    for form in (f"grant_type=password&username=ci&password={made}",
                 f"grant_type=refresh_token&refresh_token={made}"):
        answer = http.request(
            server, "POST", "/-/token",
            {"Content-Type": "application/x-www-form-urlencoded"},
            f"{form}&service=registry&client_id=t&access_type=offline"
            f"&scope=repository:{PRIVATE}:pull".encode())
        assert answer.status == 200, answer.body
        assert "refresh_token" not in answer.json()
        assert get(server, bearer(answer.json()["token"])).status == 200


def test_an_access_token_had_by_it_gets_no_other(server):
    made = server.usual.token(repository="acme/app")
    first = ask(server, bearer(made)).json()["token"]
    assert ask(server, bearer(first)).status == 401


def test_as_a_service_account(server):
    made = server.usual.token(job="deploy")
    assert get(server, basic("x", made)).status == 200
    access = ask(server, basic("x", made)).json()["token"]
    assert get(server, bearer(access)).status == 200
    server.ctl("service", "disable", "builder")
    try:
        for headers in (basic("x", made), bearer(access)):
            wait_until(lambda h=headers: get(server, h).status == 401, 20,
                       what="the account is disabled")
    finally:
        server.ctl("service", "enable", "builder")
    wait_until(lambda: get(server, basic("x", made)).status == 200, 20,
               what="the account is enabled")


def test_it_is_for_repositories_only(server):
    """Else it could make a token of its account that outlives it."""
    for claims in ({"job": "deploy"}, {"repository": "acme/app"}):
        made = server.usual.token(**claims)
        assert get(server, basic("x", made)).status == 200
        for headers in (basic("x", made), bearer(made)):
            assert get(server, headers, "/api/v1/me").status == 403
            answer = http.request(
                server, "POST", "/api/v1/me/tokens",
                {**headers, "Content-Type": "application/json"},
                b'{"actions":["pull"],"repositories":["team/a"]}')
            assert answer.status == 403, answer.body


def test_no_longer_than_the_token(server):
    """The access token ends with it, within the leeway of 30 s."""
    made = server.usual.token(repository="acme/app",
                              exp=int(time.time()) + 60)
    document = ask(server, bearer(made)).json()
    assert document["expires_in"] <= 90
    claims = payload(document["token"])
    assert claims["exp"] <= payload(made)["exp"] + 30


def test_the_log_says_who(server):
    name = 'x" \\\x01é' + "y" * 500
    made = server.usual.token(repository="acme/app", sub=name)
    data = b"by somebody with a strange name"
    answer = http.request(
        server, "POST",
        f"/v2/{PRIVATE}/blobs/uploads/?digest={oci.digest(data)}",
        {**bearer(made), "Content-Type": "application/octet-stream"}, data)
    assert answer.status == 201, answer.body
    access = ask(server, bearer(made)).json()["token"]
    assert get(server, bearer(access)).status == 200
    log = (server.dir / "daemon.log").read_text()
    assert '"principal":"usual:x??????y' in log
    assert "y" * 200 not in log
    assert made not in server.logs() and access not in server.logs()


def hostile(issuer):
    """Tokens that are refused, by name."""
    claims = issuer.claims(repository="acme/app")
    rs, es, ed = (issuer.key(name) for name in ALGORITHMS)
    now = int(time.time())
    good = token(rs, claims)
    head, body, sign = good.split(".")
    other = payload(token(rs, {**claims, "repository": "evil/app"}))
    changed = base64.urlsafe_b64encode(
        json.dumps(other).encode()).rstrip(b"=").decode()
    twice = json.dumps(claims)[:-1] + ', "aud": "other"}'

    def claim(**more):
        return token(rs, {name: value for name, value in
                          {**claims, **more}.items() if value is not None})
    return {
        "aud": claim(aud="another"), "no aud": claim(aud=None),
        "aud list": claim(aud=["another", "third"]),
        "iss": claim(iss=issuer.url + "/"), "no iss": claim(iss=None),
        "iss of nobody": claim(iss="https://nobody.example"),
        "exp": claim(exp=now - 31), "no exp": claim(exp=None),
        "nbf": claim(nbf=now + 120), "iat": claim(iat=now + 120),
        "for too long": claim(exp=now + 90_000),
        "no sub": claim(sub=None),
        "none": f"{token(rs, claims, {'alg': 'none'}).rsplit('.', 1)[0]}.",
        "none, signed": token(rs, claims, {"alg": "none"}),
        "HS256 by the public key": token(
            rs, claims, {"alg": "HS256"}, secret=rs.public_bytes()),
        "RS256 said, by the public key": token(
            rs, claims, secret=rs.public_bytes()),
        "a key of another algorithm": token(es, claims, {"kid": rs.kid}),
        "another algorithm of the key": token(rs, claims, {"kid": es.kid}),
        "alg of another key": token(rs, claims, {"alg": "ES256"}),
        "ES256 in DER": token(es, claims, der=True),
        "crit": token(rs, claims, {"crit": ["exp"]}),
        "no kid": token(rs, claims, {"kid": None}),
        "typ": token(rs, claims, {"typ": "at+jwt"}),
        "a key of nobody": token(Key("RS256", rs.kid), claims),
        "a key of its own": token(
            ed, claims, {"kid": "mine", "jwk": ed.jwk()}),
        "twice the same": token(rs, claims, payload=twice.encode()),
        "other claims": f"{head}.{changed}.{sign}",
        "other signature": good[:-8] + "AAAAAAAA",
        "longer": good + "A", "padded": good + "=",
        "too long": claim(filler="x" * 12_000),
    }


def test_what_is_refused(server):
    tried_ago(server, "usual", 0)
    assert get(server, bearer(server.usual.token(
        repository="acme/app"))).status == 200
    for name, made in hostile(server.usual).items():
        for headers in (bearer(made), basic("x", made)):
            for path in (MANIFEST, "/-/token?service=registry&scope="
                         f"repository:{PRIVATE}:pull"):
                status = get(server, headers, path).status
                # A header that no buffer of nginx holds is its own to refuse.
                expected = (400, 401) if name == "too long" else (401,)
                assert status in expected, (name, path, status)
    # Right, but no rule is for it.
    for claims in ({}, {"repository": "evil/app"}, {"repository": ["x/y"]},
                   {"job": "deployed"}):
        made = server.usual.token(**claims)
        assert get(server, bearer(made)).status == 401, claims
        assert ask(server, basic("x", made)).status == 401, claims


# What rules give

GITHUB = {"sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app",
          "repository_owner": "acme", "ref": "refs/heads/main",
          "ref_type": "branch", "run_id": "1", "actor": "octo",
          "job_workflow_ref": "acme/app/.github/workflows/b.yml@refs/heads/m"}
GITLAB = {"sub": "project_path:acme/tools/app:ref_type:branch:ref:main",
          "namespace_path": "acme/tools", "project_path": "acme/tools/app",
          "ref": "main", "ref_protected": "true", "user_login": "x"}
KUBERNETES = {"aud": [AUDIENCE], "sub": "system:serviceaccount:ci:builder",
              "kubernetes.io": {
                  "namespace": "ci", "pod": {"name": "b-1", "uid": "1"},
                  "serviceaccount": {"name": "builder", "uid": "2"}}}


def scopes(server, claims, *names):
    made = server.usual_shapes.token(**claims)
    answer = ask(server, basic("ci", made), "&scope=".join(
        f"repository:{name}:pull,push,delete" for name in names))
    return answer.json()["scope"].split() if answer.status == 200 else (
        answer.status)


@pytest.fixture(scope="module")
def shapes(server, issuers):
    server.usual_shapes = add(server, issuers, "shapes")
    for words in (
            ("repository=acme/*", "--when", "ref=refs/heads/main",
             "--actions", "pull,push", "--repository", "{**repository}/**",
             "--repository", "hub/{repository_owner}/*"),
            ("repository_owner=acme", "--actions", "pull", "--repository",
             "base/**"),
            ("project_path=acme/**", "--when", "ref_protected=true",
             "--actions", "pull,push,delete", "--repository",
             "lab/{**namespace_path}/**"),
            ("kubernetes.io.namespace=ci", "--actions", "pull",
             "--repository", "k8s/{kubernetes.io.namespace}/*")):
        rule(server, "shapes", *words)
    return server


@pytest.mark.parametrize("claims, names, expected", [
    (GITHUB, ("acme/app/web", "base/x", "hub/acme/x", "acme/other", "lab/x"),
     ["repository:acme/app/web:pull,push", "repository:base/x:pull",
      "repository:hub/acme/x:pull,push"]),
    ({**GITHUB, "ref": "refs/heads/topic"}, ("acme/app/web", "base/x"),
     ["repository:base/x:pull"]),
    ({**GITHUB, "repository": "evil/app", "repository_owner": "evil"},
     ("acme/app/web", "base/x"), 401),
    ({**GITHUB, "repository": "acme/**"}, ("acme/app/web", "hub/acme/x"),
     ["repository:hub/acme/x:pull,push"]),
    (GITLAB, ("lab/acme/tools/x", "lab/acme/x", "lab/acme/toolsmith/x"),
     ["repository:lab/acme/tools/x:pull,push,delete"]),
    ({**GITLAB, "ref_protected": "false"}, ("lab/acme/tools/x",), 401),
    ({**GITLAB, "namespace_path": "../x"}, ("lab/acme/tools/x",), 401),
    (KUBERNETES, ("k8s/ci/a", "k8s/prod/a", "k8s/ci/a/b"),
     ["repository:k8s/ci/a:pull"]),
    ({**KUBERNETES, "kubernetes.io": {"namespace": "prod"}},
     ("k8s/prod/a",), 401)])
def test_claims_of_the_vendors(shapes, claims, names, expected):
    assert scopes(shapes, claims, *names) == expected


def test_a_test_says_why(shapes):
    done = shapes.ctl("issuer", "test",
                      given=shapes.usual_shapes.token(**GITHUB) + "\n")
    assert done["taken"] and done["principal"] == f"shapes:{GITHUB['sub']}"
    assert [row["matches"] for row in done["rules"]] == [
        True, True, False, False]
    assert "ref_protected" not in done["rules"][0]["why"]
    assert "project_path" in done["rules"][2]["why"]


def test_lists_show_what_may_be_pulled(shapes):
    made = shapes.usual.token(repository="acme/app")
    names = get(shapes, basic("x", made), "/v2/_catalog").json()[
        "repositories"]
    assert PRIVATE in names and OTHER not in names


# Keys

def test_another_key_is_fetched_when_it_is_needed(server, issuers):
    issuer = add(server, issuers, "rotated")
    rule(server, "rotated", "sub=somebody", "--actions", "pull",
         "--repository", "team/**")
    old = issuer.token()
    assert get(server, bearer(old)).status == 200
    issuer.keys = [Key(name) for name in ALGORITHMS]
    tried_ago(server, "rotated", 40)
    asked = issuer.requests
    # Many at once, one request to the issuer.
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        get(server, bearer(issuer.token(sub="somebody"))).status))
        for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {200, 503} and 200 in answers, answers
    assert issuer.requests == asked + 2
    assert get(server, bearer(issuer.token("ES256"))).status == 200
    assert ask(server, bearer(old)).status == 401


def test_unknown_keys_do_not_make_us_ask_again_and_again(server, issuers):
    issuer = add(server, issuers, "asked")
    rule(server, "asked", "sub=somebody", "--actions", "pull",
         "--repository", "team/**")
    asked = issuer.requests
    for _ in range(30):
        made = token(Key("EdDSA"), issuer.claims())
        assert get(server, bearer(made)).status == 401
    assert issuer.requests == asked
    tried_ago(server, "asked", 40)
    for _ in range(30):
        made = token(Key("EdDSA"), issuer.claims())
        assert get(server, bearer(made)).status in (401, 503)
    assert issuer.requests <= asked + 2


def test_neither_a_restart_nor_an_issuer_that_is_away(server, issuers):
    made = server.usual.token(repository="acme/app")
    issuers.stop()
    try:
        server.restart_daemon()
        tried_ago(server, "usual", 100_000)
        wait_until(lambda: state(server, "usual")["error"], 20, 0.1,
                   what="the issuer is found to be away")
        answer = ask(server, basic("x", made))
        assert answer.status == 200, answer.body
        assert get(server, bearer(answer.json()["token"])).status == 200
        # One that was never there: later, not never.
        add(server, issuers, "away", wait=False)
        wait_until(lambda: state(server, "away")["error"], 20, 0.1,
                   what="the new one is found to be away")
        late = issuers.issuer("/away").token()
        assert ask(server, basic("x", late)).status == 503
    finally:
        issuers.start()
    tried_ago(server, "away", 100_000)
    wait_until(lambda: state(server, "away")["keys"], 20, 0.1,
               what="the issuer is back")


def test_keys_of_a_file(server, issuers, tmp_path):
    issuer = issuers.issuer("/file")
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(issuer.jwks()))
    add(server, issuers, "file", "--jwks-file", path)
    rule(server, "file", "sub=somebody", "--actions", "pull",
         "--repository", "team/**")
    assert get(server, bearer(issuer.token())).status == 200
    issuer.keys = [Key("EdDSA")]
    assert get(server, bearer(issuer.token("EdDSA"))).status == 401
    path.write_text(json.dumps(issuer.jwks()))
    server.ctl("issuer", "keys", "file", path)
    assert get(server, bearer(issuer.token("EdDSA"))).status == 200
    assert issuer.requests == 0


# Issuers that misbehave

def drip(handler, _):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(300):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def jwks_of(keys):
    return lambda handler: handler.document({"keys": keys})


RSA = Key("RS256", bits=2048)
MANNERS = {
    "huge": (lambda h: h.body(b" " * 600_000), "longer"),
    "many": (jwks_of([{"kty": "x", "kid": str(i)} for i in range(10_000)]),
             "."),
    "redirects": (lambda h: h.body(b"", 302, [
        ("Location", "https://127.0.0.1:1/")]), "redirect"),
    "nojson": (lambda h: h.body(b'{"keys": [{'), "JSON"),
    "twice": (lambda h: h.body(b'{"keys": [], "keys": []}'), "twice"),
    "deep": (lambda h: h.body(b'{"keys": ' + b"[" * 100_000), "nested"),
    "secret": (jwks_of([RSA.jwk(d="AAAA")]), "can be used"),
    "short": (jwks_of([Key("RS256", bits=1024).jwk()]), "can be used"),
    "symmetric": (jwks_of([{"kty": "oct", "kid": "k", "k": "AAAA"}]),
                  "can be used"),
    "status": (lambda h: h.body(b'{"keys": []}', 500), "500"),
    "compressed": (lambda h: h.body(b"\x1f\x8b\x08", headers=[
        ("Content-Encoding", "gzip")]), "JSON"),
}


def test_bad_manners(server, issuers):
    found = {}
    for name, (answer, said) in MANNERS.items():
        found[name] = said
        issuer = issuers.issuer(f"/bad-{name}")

        def handle(handler, rest, issuer=issuer, answer=answer):
            if rest == "/keys":
                answer(handler)
            else:
                handler.document(issuer.discovery())
        issuer.answer = handle
        add(server, issuers, f"bad-{name}", wait=False)
    slow = issuers.issuer("/bad-slow")
    slow.answer = drip
    found["slow"] = "imed out|timeout"
    add(server, issuers, "bad-slow", wait=False)
    for name, change in (("liar", {"issuer": "https://other.example"}),
                         ("plain", {"jwks_uri": "http://other.example/"}),
                         ("inside", {"jwks_uri": "https://10.0.0.1/keys"}),
                         ("file", {"jwks_uri": "file:///etc/passwd"})):
        issuer = issuers.issuer(f"/bad-{name}")
        issuer.answer = lambda handler, rest, i=issuer, c=change: (
            handler.document({**i.discovery(), **c}))
        add(server, issuers, f"bad-{name}", wait=False)
        found[name] = {"liar": "another issuer", "plain": "no address",
                       "inside": "none of this machine",
                       "file": "no address"}[name]
    good = server.usual.token(repository="acme/app")

    def problems():
        assert get(server, bearer(good)).status == 200
        rows = {row["name"][4:]: row for row in
                server.ctl("issuer", "list")["issuers"]
                if row["name"].startswith("bad-")}
        return rows if all(row["error"] for row in rows.values()) else None
    rows = wait_until(problems, 60, 0.3, what="a problem of each")
    server.ctl("issuer", "remove", "bad-slow")
    for name, said in found.items():
        assert re.search(said, rows[name]["error"]), (name, rows[name])
        assert not rows[name]["keys"], name


# What an operator may not do

@pytest.mark.parametrize("words", [
    ("issuer", "add", "x", "--url", "http://other.example", "--audience",
     "a"),
    ("issuer", "add", "x", "--url", "https://a.example", "--audience", ""),
    ("issuer", "add", "x", "--url", "https://a.example/?b", "--audience",
     "a"),
    ("issuer", "add", "x", "--url", "https://a.example", "--audience", "a",
     "--leeway", "61s"),
    ("issuer", "add", "x y", "--url", "https://a.example", "--audience",
     "a"),
    ("issuer", "rule", "add", "usual", "--when", "a=b"),
    ("issuer", "rule", "add", "usual", "--when", "a=b", "--actions", "pull"),
    ("issuer", "rule", "add", "usual", "--when", "ab", "--actions", "pull",
     "--repository", "x"),
    ("issuer", "rule", "add", "usual", "--when", "a=b", "--actions", "pull",
     "--repository", "x{a}"),
    ("issuer", "rule", "add", "usual", "--when", "a=b", "--as", "reader"),
    ("issuer", "rule", "remove", "9999"), ("issuer", "remove", "nobody")])
def test_what_cannot_be(server, words):
    with pytest.raises(AssertionError):
        server.ctl(*words)


# Revocation

@pytest.mark.alone
@pytest.mark.parametrize("what", ("rule", "issuer"))
def test_nothing_later_than_a_second(server, issuers, what):
    name = f"ends-{what}"
    issuer = add(server, issuers, name)
    number = rule(server, name, "sub=somebody", "--actions", "pull",
                  "--repository", "team/**")
    made = issuer.token()
    credentials = [bearer(made), basic("x", made),
                   bearer(ask(server, bearer(made)).json()["token"])]
    targets = (MANIFEST, f"/v2/{PRIVATE}/blobs/{oci.digest(BLOB)}")
    for headers in credentials * 8:
        for target in targets:
            wait_until(lambda h=headers, t=target: get(
                server, h, t).status == 200, 20, what="warm")
    seen, done = [], threading.Event()

    def poll():
        while not done.is_set():
            for headers in credentials:
                for target in targets:
                    asked = time.monotonic()
                    seen.append((asked, get(server, headers, target).status))
    threads = [threading.Thread(target=poll) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        if what == "rule":
            server.ctl("issuer", "rule", "remove", str(number))
        else:
            server.ctl("issuer", "remove", name)
        returned = time.monotonic()
        time.sleep(1.5)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    late = [status for asked, status in seen if asked - returned > 1.0]
    assert len(late) > 10 and set(late) == {401}, set(late)


def test_a_warm_token_needs_no_daemon(server):
    made = server.usual.token(repository="acme/app")
    for headers in (bearer(made), basic("x", made)):
        for _ in range(20):
            assert get(server, headers).status == 200
    server.pause_daemon()
    try:
        for headers in (bearer(made), basic("x", made)):
            for _ in range(20):
                answer = get(server, headers)
                assert answer.status == 200, answer.body
    finally:
        server.resume_daemon()


def test_a_rebuild_keeps_them(server):
    """The last: it ends the daemon for a while."""
    before = server.ctl("issuer", "rule", "list")
    server.stop_daemon()
    server.ctl("rebuild")
    assert server.ctl("issuer", "rule", "list") == before
    server.start_daemon()
    wait_until(server.daemon_answers, 20, what="daemon is back")
    made = server.usual.token(repository="acme/app")
    assert ask(server, basic("x", made)).status == 200
