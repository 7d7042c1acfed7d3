"""Access tokens: nginx verifies them itself, and asks about all others."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey

from harness import http
from harness.guarded import BLOB, Guarded, Signer, encode, manifest
from harness.guarded_fixtures import name, server, shared  # noqa: F401
from harness.process import wait_until

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]


def test_a_token_is_its_own_grant(server, name):
    signer = Signer(server)
    blob = server.put_blob(name)
    session, _ = server.make_session(name)
    server.rights["Basic a"] = {(name, "pull")}
    assert server.cost(manifest(name), "Basic a") == (200, 1)
    both = "Bearer " + signer.token([("x", ["pull"]), (name, ["pull",
                                                              "push"])])
    for _ in range(3):
        assert server.cost(blob, both) == (200, 0)
        assert server.cost(manifest(name), both) == (200, 0)
        assert server.cost(session, both, "PATCH", body=b"") == (202, 0)
    assert server.cost(session, both.replace("Bearer", "bearer"))[1] == 0
    # And only that.
    pull = "Bearer " + signer.token([(name, ["pull"])])
    assert server.cost(blob, pull) == (200, 0)
    assert server.cost(session, pull) == (401, 1)
    assert server.cost(server.put_blob(name + "/b"), pull) == (401, 1)
    assert server.cost("/v2/", pull) == (401, 1)


def test_a_bad_token_is_a_question(server, name):
    signer = Signer(server)
    blob = server.put_blob(name)
    right = [(name, ["pull"])]
    now = int(time.time())
    other = Ed25519PrivateKey.generate()
    good = signer.token(right)
    bad = {
        "expired": signer.token(right, issued=now - 400, life=300),
        "early": signer.token(right, begin=now + 100, issued=now + 100),
        "key": signer.token(right, secret=other),
        "kid": signer.token(right, key="second", secret=other),
        "none": signer.token(right, alg="none"),
        "hs256": signer.token(right, alg="HS256"),
        "issuer": signer.token(right, iss="other"),
        "audience": signer.token(right, aud="other"),
        "name": signer.token([(name + "x", ["pull"])]),
        "action": signer.token([(name, ["push"])]),
        "star": signer.token([("*", ["*"])]),
        "nobody": signer.token(right, sub=""),
        "no number": signer.token(right, sub="07"),
        "cut": good[:-1], "longer": good + "A", "two": good + "." + good,
        "empty": "..", "claims": good.split(".")[0] + "." + encode({})
        + "." + good.split(".")[2],
    }
    for why, token in bad.items():
        assert server.cost(blob, "Bearer " + token) == (401, 1), why
    assert server.cost(blob, "Bearer " + good) == (200, 0)


def test_no_token_is_logged(server, name):
    """Good, ended, of another key, and no token at all."""
    signer = Signer(server)
    right = [(name, ["pull"])]
    other = Ed25519PrivateKey.generate()
    tokens = [signer.token(right), signer.token(right, secret=other),
              signer.token(right, issued=1000), "eyJ.not-a.token"]
    for token in tokens:
        server.ask(server.put_blob(name), f"Bearer {token}")
    written = server.logs() + server.access_log.read_text()
    for token in tokens:
        assert token not in written and token[-30:] not in written


def test_of_several_credentials_the_daemon_chooses(server, name):
    signer = Signer(server)
    blob = server.put_blob(name)
    good = ("Authorization", "Bearer " + signer.token([(name, ["pull"])]))
    for other in (("Authorization", "Bearer x"), ("X-Registry-Auth", "x"),
                  ("authorization", good[1])):
        for headers in ((good, other), (other, good)):
            status, questions = server.questions(
                lambda: http.request(server, "GET", blob, headers))
            # nginx may refuse what HTTP does not allow by itself.
            assert (status, questions) in ((401, 1), (400, 0)), other
    assert server.cost(blob, good[1]) == (200, 0)


def test_a_token_ends(server, name):
    signer = Signer(server)
    blob = server.put_blob(name)

    def good():
        """A token, if it came here before its end."""
        who = "Bearer " + signer.token([(name, ["pull"])], life=2)
        return who if server.cost(blob, who) == (200, 0) else None
    who = wait_until(good, what="a token that is good")
    wait_until(lambda: server.ask(blob, who).status == 401)


@pytest.mark.parametrize("key", ["p", "p,42", "*"])
def test_a_token_from_before_a_drop_is_a_question(server, name, key):
    signer = Signer(server)
    blob = server.put_blob(name)
    old = "Bearer " + signer.token([(name, ["pull"])])
    unused = "Bearer " + signer.token([(name, ["pull"])], secret_id="other")
    assert server.cost(blob, old) == (200, 0)
    if key == "*":
        flushes = server.counter("cache_flushes")
        server.stand_in.drop("*")
        wait_until(lambda: server.counter("cache_flushes") > flushes)
        server.settled = time.time()
    else:
        server.drop(key)
    assert server.cost(blob, old) == (401, 1)
    assert server.cost(blob, unused) == (401, 1)
    new = "Bearer " + signer.token([(name, ["pull"])])
    assert server.cost(blob, new) == (200, 0)
    server.drop("p,43")
    assert server.cost(blob, new) == (200, 0)


def test_a_token_from_before_the_zone_is_a_question(server, name):
    signer = Signer(server)
    blob = server.put_blob(name)
    before = int(server.settled) - 3600
    who = "Bearer " + signer.token([(name, ["pull"])], issued=before,
                                   life=7200)
    assert server.cost(blob, who) == (401, 1)


def test_a_new_zone_knows_of_no_drop(name):
    """Also before it has heard of a daemon."""
    with Guarded() as server:
        signer = Signer(server)
        blob = server.put_blob(name)
        old = "Bearer " + signer.token([(name, ["pull"])])
        assert server.cost(blob, old) == (200, 0)
        server.stop_daemon()
        server.stop_nginx()
        wait_until(lambda: time.time() // 1 > server.settled // 1 + 1)
        server.start_nginx()
        wait_until(lambda: server.answers_status(), what="nginx is back")
        server.settled = time.time()
        assert server.ask(blob, old).status == 503
        new = "Bearer " + signer.token([(name, ["pull"])])
        assert server.ask(blob, new).status == 200


def test_keys_change_without_a_reload(server, name):
    signer = Signer(server, "old")
    blob = server.put_blob(name)
    right = [(name, ["pull"])]

    def cost(key, made=[0]):
        made[0] += 1
        return server.cost(blob, "Bearer " + signer.token(
            right, key=key, secret_id=f"n{made[0]}"))
    assert cost("old") == (200, 0)
    signer.keys["new"] = Ed25519PrivateKey.generate()
    signer.publish()
    assert cost("old") == cost("new") == (200, 0)
    gone = signer.keys["old"]
    del signer.keys["old"]
    signer.publish()
    signer.keys["old"] = gone
    assert cost("old") == (401, 1)
    assert cost("new") == (200, 0)
    (server.root / "keys" / "token.pub").unlink()
    time.sleep(1.1)
    assert cost("new") == (401, 1)
    server.allow_log("the keys of tokens")
    (server.root / "keys" / "token.pub").write_text("new nonsense\n")
    time.sleep(1.1)
    assert cost("new") == (401, 1)


def test_a_token_is_good_without_the_daemon(name):
    with Guarded() as server:
        signer = Signer(server)
        blob = server.put_blob(name)
        session, _ = server.make_session(name)
        who = "Bearer " + signer.token([(name, ["pull", "push"])])
        server.stop_daemon()
        wait_until(lambda: server.ask(manifest("x")).status == 503)
        assert server.ask(blob, who).body == BLOB
        assert server.ask(session, who, "PATCH", body=b"abc").status == 202
