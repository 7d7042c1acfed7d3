"""The audit log from the wire: what makes a row, what it says, what it never
holds; limits of requests and failed logins."""

import json
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http, oci
from harness.authorized import (
    BLOB, PRIVATE, SEEN, Authorized, basic, bearer)
from harness.issuer import Key
from harness.process import wait_until
from harness.server import BUILD

pytestmark = [pytest.mark.ours]

KEYS = object()  # a file of an issuer's keys
REALIP = "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;"


@pytest.fixture(scope="module")
def server():
    with Authorized(1, server_directives=REALIP) as one:
        yield one


def audit(server, *words):
    return server.ctl("audit", "list", *words)["audit"]


def last_id(server):
    return server.ctl("audit", "head")["id"]


def rows_after(server, start, count=1):
    """What came since, when so many have."""
    def look():
        return [row for row in audit(server) if row["id"] > start]
    wait_until(lambda: len(look()) >= count, 20, what=f"{count} rows")
    return look()


def verify(server, *words):
    done = subprocess.run(
        [BUILD / "registryctl", "--root", server.root, "--json", "audit",
         "verify", *words], capture_output=True, text=True, timeout=60,
        check=False)
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["whole"] else 1), done
    return found


def fields(row, *names):
    return tuple(row[name] for name in names)


def test_writes_and_refusals_are_rows(server):
    writer = basic("writer", server.password("writer"))
    deleter = basic("deleter", server.password("deleter"))
    start = last_id(server)
    target = f"/v2/{PRIVATE}/manifests/audited"
    headers = {"Content-Type": oci.INDEX, "X-Real-IP": "192.0.2.7"}
    assert http.request(server, "PUT", target, {**writer, **headers},
                        SEEN.manifest).status == 201
    assert http.request(server, "DELETE", target,
                        {**deleter, **headers}).status == 202
    blob = f"/v2/{PRIVATE}/blobs/{oci.digest(BLOB)}"
    assert http.request(server, "DELETE", blob, deleter).status == 202
    reader = basic("reader", server.password("reader"))
    assert http.request(server, "DELETE", target, reader).status == 403
    assert http.request(server, "GET", target, headers).status == 401
    assert http.request(server, "GET", target, {
        **basic("alice-nobody", "not a password"), **headers}).status == 401
    assert http.request(server, "GET", target, {
        **basic("reader", "not a password"), **headers}).status == 401
    names = ("action", "verdict", "status", "principal", "credential", "from",
             "repository", "target")
    home, far = "127.0.0.1", "192.0.2.7"
    want = {
        ("manifest.push", "done", 0, "writer", "password", far, PRIVATE,
         SEEN.digest),
        ("tag.delete", "done", 0, "deleter", "password", far, PRIVATE,
         "audited"),
        ("blob.delete", "done", 0, "deleter", "password", home, PRIVATE,
         oci.digest(BLOB)),
        ("delete", "refused", 403, "reader", "password", home, PRIVATE,
         "audited"),
        ("pull", "refused", 401, "anonymous", "none", far, PRIVATE,
         "audited"),
        # Only the name of somebody.
        ("registry", "refused", 401, "", "password", far, "", ""),
        ("registry", "refused", 401, "", "password", far, "", "reader"),
    }

    def missing():
        found = {fields(row, *names) for row in rows_after(server, start)}
        return want - found
    wait_until(lambda: not missing(), 20, what="all rows")
    for row in rows_after(server, start):
        assert len(row["request_id"]) == 32 or row["from"].startswith("uid:")
    assert verify(server)["whole"]


def test_logins_and_tokens_are_rows(server):
    start = last_id(server)
    headers = {**basic("root", server.password("root")),
               "X-Real-IP": "192.0.2.9"}
    target = "/-/token?service=registry&scope=repository:team/a:pull"
    for _ in range(3):
        assert http.request(server, "GET", target, headers).status == 200
    assert http.request(server, "GET", target, {
        **basic("root", "not it at all"), "X-Real-IP": "192.0.2.9"
    }).status == 401
    rows = rows_after(server, start, 5)
    seen = [fields(row, "action", "verdict", "principal") for row in rows]
    assert seen.count(("login", "done", "root")) == 1
    assert seen.count(("token.issue", "done", "root")) == 3
    refused = [row for row in rows if row["verdict"] == "refused"][0]
    assert fields(refused, "action", "status", "target") == (
        "token.issue", 401, "root")
    assert "repository:team/a:pull" in rows[-2]["detail"] \
        or "repository:team/a:pull" in rows[-3]["detail"]


CHANGES = [
    (("user", "add", "temp", "--no-password"), "principal.create", "temp"),
    (("group", "add", "temps"), "principal.create", "temps"),
    (("group", "member-add", "temps", "temp"), "group.member-add", "temps"),
    (("grant", "add", "temp", "x/**", "pull"), "grant.add", "temp"),
    (("grant", "remove", "temp", "x/**"), "grant.remove", "temp"),
    (("certificate", "add", "temp", 64 * "a"), "certificate.add", "temp"),
    (("certificate", "remove", 64 * "a"), "certificate.remove", "temp"),
    (("visibility", "set", "x/**", "public"), "visibility.set", ""),
    (("visibility", "remove", "x/**"), "visibility.remove", ""),
    (("token", "create", "temp"), "token.create", "temp"),
    (("user", "disable", "temp"), "principal.disable", "temp"),
    (("user", "enable", "temp"), "principal.enable", "temp"),
    (("user", "unlock", "temp"), "principal.unlock", "temp"),
    (("group", "member-remove", "temps", "temp"), "group.member-remove",
     "temps"),
    (("group", "remove", "temps"), "principal.remove", "temps"),
    (("user", "remove", "temp"), "principal.remove", "temp"),
    (("issuer", "add", "ci", "--url", "http://127.0.0.1:1/", "--audience",
      "a"), "issuer.add", "ci"),
    (("issuer", "rule", "add", "ci", "--when", "sub=x", "--actions", "pull",
      "--repository", "x/**"), "issuer.rule-add", "ci"),
    (("issuer", "rule", "remove", "1"), "issuer.rule-remove", "ci"),
    (("issuer", "change", "ci", "--jwks-file", KEYS), "issuer.change", "ci"),
    (("issuer", "keys", "ci", KEYS), "issuer.keys", "ci"),
    (("issuer", "remove", "ci"), "issuer.remove", "ci"),
]


def test_each_change_is_a_row(server, tmp_path):
    import os
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [Key("EdDSA").jwk()]}))
    for words, action, target in CHANGES:
        start = last_id(server)
        server.ctl(*(keys if word is KEYS else word for word in words))
        rows = [row for row in rows_after(server, start)
                if row["from"].startswith("uid:")]
        assert [fields(row, "action", "target", "verdict", "credential",
                       "from") for row in rows] == [
            (action, target, "done", "local", f"uid:{os.getuid()}")], words
    assert verify(server)["whole"]


def test_beside_a_daemon_that_writes(server):
    start = last_id(server)
    root = server.root_basic()

    def push(number):
        return http.request(
            server, "PUT", f"/v2/many/a{number % 4}/manifests/t{number}",
            {**root, "Content-Type": oci.INDEX}, SEEN.manifest).status

    def grant(number):
        server.ctl("grant", "add", "reader", f"many/{number}", "pull")
    with ThreadPoolExecutor(8) as pool:
        pushes = [pool.submit(push, n) for n in range(60)]
        grants = [pool.submit(grant, n) for n in range(8)]
        assert {one.result() for one in pushes} == {201}
        for one in grants:
            one.result()
    rows = rows_after(server, start, 68)
    actions = [row["action"] for row in rows]
    assert actions.count("manifest.push") == 60
    assert actions.count("grant.add") == 8
    assert verify(server)["whole"]


def test_filters(server):
    assert {row["verdict"] for row in audit(server, "--refused")} <= {
        "refused", "suppressed"}
    for row in audit(server, "--action", "token"):
        assert row["action"].startswith("token.")
    for row in audit(server, "--principal", "writer", "--repository",
                     PRIVATE):
        assert fields(row, "principal", "repository") == ("writer", PRIVATE)
    assert audit(server, "--since", "1h")
    assert not audit(server, "--since", "2099-01-01")


def test_a_kill_leaves_the_chain_whole():
    with Authorized(1) as server:
        root = server.root_basic()
        done = []

        def push(number):
            try:
                if http.request(
                        server, "PUT", f"/v2/killed/a/manifests/t{number}",
                        {**root, "Content-Type": oci.INDEX},
                        SEEN.manifest).status == 201:
                    done.append(f"t{number}")
            except (OSError, http.Closed):
                pass
        with ThreadPoolExecutor(4) as pool:
            for number in range(60):
                pool.submit(push, number)
            wait_until(lambda: len(done) > 5, 20, 0.001, what="pushes")
            head = server.ctl("audit", "head")["hash"]
            server.daemon.kill()
        server.daemon.wait()
        server.start_daemon()
        wait_until(lambda: http.request(server, "GET", "/v2/",
                                        root).status == 200, 20)
        assert verify(server, "--head", head)["whole"]
        # Who was answered 201 has a row.
        tags = {row["detail"] for row in audit(
            server, "--action", "manifest.push", "--repository", "killed/a")}
        assert set(done) <= tags
        # And what is cut off at the end is seen by a hash that was kept.
        server.stop_daemon()
        head = server.ctl("audit", "head")["hash"]
        database = sqlite3.connect(server.root / "db" / "longshore.sqlite")
        database.execute("DROP TRIGGER audit_delete")
        database.execute(
            "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)")
        database.commit()
        database.close()
        assert verify(server)["whole"]
        assert not verify(server, "--head", head)["whole"]
        # A rebuild goes on with it.
        rows = len(audit(server))
        server.ctl("rebuild")
        assert verify(server)["whole"]
        after = audit(server)
        assert len(after) == rows + 1
        assert after[-1]["action"] == "registry.rebuild"
        server.start_daemon()
        server.allow_log(".*")


LIMITS = ('\nrequests_per_principal = 40\nrequests_per_address = 60\n'
          'failed_logins_per_address = 12\n')


class Limited(Authorized):
    def __init__(self):
        super().__init__(1, server_directives=REALIP)
        self.daemon_config += LIMITS

    def fill(self):
        """These tests need no content."""


@pytest.fixture(scope="module")
def limited():
    with Limited() as one:
        yield one


def ask(server, address, headers, target="/v2/team/a/tags/list"):
    return http.request(server, "GET", target,
                        {**headers, "X-Real-IP": address})


def until_429(server, address, headers, most):
    """How many were answered before; the 429 is checked."""
    for count in range(most):
        where = address(count) if callable(address) else address
        answer = ask(server, where, headers(count))
        if answer.status == 429:
            body = json.loads(answer.body)
            assert body["errors"][0]["code"] == "TOOMANYREQUESTS", body
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            return count
    return None


def metric(server, text):
    page = http.request(server, "GET", "/-/metrics").body.decode()
    for line in page.splitlines():
        if line.startswith(text + " "):
            return int(line.rsplit(" ", 1)[1])
    raise AssertionError(text + "\n" + page)


def test_requests_are_limited_by_address(limited):
    count = until_429(limited, "192.0.2.50", lambda n: {}, 500)
    assert count is not None and count >= 60
    # Its neighbour is not, nor is this machine.
    assert ask(limited, "192.0.2.51", {}).status == 401
    assert all(http.request(limited, "GET", "/v2/").status == 401
               for _ in range(70))
    # Of IPv6 it is the network.
    assert until_429(limited, lambda n: f"2001:db8::{n + 1:x}",
                     lambda n: {}, 500) is not None
    assert ask(limited, "2001:db8:0:1::1", {}).status == 401
    assert metric(limited, 'registryd_rate_limited_total{by="address"}') >= 2


def test_requests_are_limited_by_principal(limited):
    token = bearer(limited.new_token("reader", "--actions", "pull"))
    # Each from an address of its own; nginx has grants for what was asked, so
    # something else each time.
    count = 0
    for number in range(300):
        answer = ask(limited, f"198.51.100.{number % 250}", token,
                     f"/v2/team/n{number}/tags/list")
        if answer.status == 429:
            assert answer.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
            assert int(answer.headers["Retry-After"]) >= 1
            break
        count += 1
    assert 40 <= count < 300
    other = bearer(limited.new_token("writer", "--actions", "pull"))
    assert ask(limited, "198.51.100.1", other).status == 404
    assert metric(limited, 'registryd_rate_limited_total{by="principal"}') >= 1


def test_brute_force(limited):
    """Over many names from one address, and on one name from many."""
    def wrong(number):
        return basic(f"guess{number}", "password1")
    # As many as are free, and at most what came back meanwhile.
    count = until_429(limited, "203.0.113.1", wrong, 200)
    assert count is not None and count >= 12
    # Then not even the right one is looked at from there; a token is.
    right = basic("deleter", limited.password("deleter"))
    assert ask(limited, "203.0.113.1", right).status == 429
    token = bearer(limited.new_token("deleter", "--actions", "pull"))
    assert ask(limited, "203.0.113.1", token).status == 404
    assert ask(limited, "203.0.113.2", right).status == 404
    # One name from everywhere: it is locked, its token goes on.
    statuses = {ask(limited, f"203.0.113.{100 + n}",
                    basic("writer", f"guess {n}")).status for n in range(20)}
    assert statuses == {401, 429}
    token = bearer(limited.new_token("writer", "--actions", "pull"))
    assert ask(limited, "203.0.113.200", token).status == 404
    names = 'registryd_logins_total{credential="password",outcome='
    assert metric(limited, names + '"limited"}') >= 1
    assert metric(limited, names + '"locked"}') >= 1
    assert metric(limited, names + '"refused"}') >= 12
    assert metric(limited, names + '"accepted"}') >= 1
    # What was refused is written soon after, not with the answer.
    wait_until(lambda: any(row["status"] == 429
                           for row in audit(limited, "--refused")))
