"""Secrets that clients show, in any place, are afterwards in no log, metric,
page, answer or row."""

import base64
import json
import secrets
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from harness import http, oci
from harness.accounts import make_token, random_text
from harness.authorized import PRIVATE, Authorized, basic
from harness.process import wait_until
from harness.server import BUILD

pytestmark = [pytest.mark.ours]

# nginx's own `combined` has the name of Basic, whatever it is.
ACCESS = "access_log canaries.log registry_json;"
STATUS = "location = /status { registry_status; }"


def forms(text):
    """The text as it may be found: alone, in base64 however it is aligned,
    with percent signs, backwards in hex."""
    data = text.encode()
    found = {text, quote(text, safe=""), data.hex()}
    for before in (b"", b"x", b"xx"):
        whole = base64.b64encode(before + data).decode()
        # Without what its neighbours decide.
        found.add(whole[4:-4].rstrip("="))
    return {one for one in found if len(one) > 10}


class Canaries:
    def __init__(self, server):
        self.server = server
        self.secret = {}
        for who in ("reader", "writer"):
            self.secret["password of " + who] = server.password(who)
            self.secret["token of " + who] = server.tokens[who, "whole"]
        self.secret["wrong password"] = "Wr0ng " + secrets.token_hex(12)
        self.secret["password as a name"] = "Name1" + secrets.token_hex(12)
        self.secret["unknown token"] = make_token()[1]
        self.secret["unknown refresh token"] = make_token("lsf_")[1]
        self.secret["header"] = "hdr" + random_text(24)
        answer = self.request(
            "GET", "/-/token?service=registry&offline_token=1&scope="
            f"repository:{PRIVATE}:pull,push",
            basic("writer", server.password("writer")))
        self.secret["access token"] = answer.json()["token"].split(".")[2]
        self.access = answer.json()["token"]
        self.secret["refresh token"] = answer.json()["refresh_token"]
        keys = (server.root / "keys" / "token").glob("*.key")
        self.secret["key"] = next(keys).read_text().split()[1]
        self.bodies = []

    def request(self, method, target, headers=(), body=b""):
        return http.request(self.server, method, target, headers, body)

    def show(self, method, target, headers=(), body=b""):
        try:
            answer = self.request(method, target, headers, body)
        except (OSError, http.Closed):
            return
        assert answer.status < 500, (method, target, answer.status)
        if answer.status >= 400:  # a refresh token comes back with its tokens
            self.bodies.append(answer.body.decode("latin-1"))
            self.bodies.append(repr(answer.headers))


def everywhere(canaries):
    """In every place where a header or a body may have them."""
    s = canaries.secret
    texts = list(s.values()) + [canaries.access]
    manifest = f"/v2/{PRIVATE}/manifests/v1"
    for text in texts:
        for value in (text, "Basic " + text, "Bearer " + text,
                      "Token " + text, "Digest " + text, "basic  " + text,
                      "Bearer " + text + " x", "Bearer " + 9000 * "x" + text,
                      "Basic " + base64.b64encode(text.encode()).decode(),
                      basic("reader", text)["Authorization"],
                      basic(text, "x")["Authorization"],
                      basic(text, "")["Authorization"],
                      basic("", text)["Authorization"]):
            canaries.show("GET", manifest, {"Authorization": value})
        for name in ("X-Registry-Auth", "Cookie", "Proxy-Authorization",
                     "X-Api-Key", "Origin", "Forwarded",
                     "Accept", "If-None-Match",
                     "X-Forwarded-Host"):
            canaries.show("GET", manifest, {name: text})
        canaries.show("PUT", f"/v2/{PRIVATE}/manifests/c", {
            **basic("writer", s["password of writer"]),
            "Content-Type": oci.INDEX}, ('{"x":"' + text).encode())
        for form in (f"grant_type=password&username=reader&password={text}",
                     f"grant_type=password&username={text}&password=x",
                     f"grant_type=refresh_token&refresh_token={text}",
                     f"grant_type={text}", f"password={text}&scope=%zz",
                     text):
            canaries.show("POST", "/-/token", {
                "Content-Type": "application/x-www-form-urlencoded"},
                quote(form, safe="=&%").encode())
        canaries.show("POST", "/-/setup", {
            "Content-Type": "application/x-www-form-urlencoded"},
            f"key={quote(text)}&name=x&password={quote(text)}".encode())


# What is there with cause: the daemon's own key, readable by it alone, and
# nginx's request line.
def written(server):
    """Everything that was written, by where."""
    found = {}
    for path in Path(server.dir).rglob("*"):
        inside = path.relative_to(server.dir).parts
        if path.is_file() and "keys" not in inside \
                and "docker" not in inside and "spool" not in inside:
            found[str(path)] = path.read_bytes().decode("latin-1")
    for target in ("/-/metrics", "/status"):
        found[target] = http.request(server, "GET", target).body.decode()
    for words in (("audit", "list"), ("user", "list"), ("token", "list"),
                  ("user", "show", "reader"), ("grant", "list"),
                  ("audit", "verify")):
        found["registryctl " + " ".join(words)] = json.dumps(
            server.ctl(*words))
    return found


@pytest.fixture(scope="module")
def server():
    with Authorized(1, locations=STATUS, server_directives=ACCESS) as one:
        one.stop_daemon()
        one.daemon_config += '\nlog_level = "debug"\n'
        one.start_daemon()
        wait_until(one.daemon_answers, 20, what="daemon is back")
        yield one


def check(canaries, found, lines=()):
    bad = []
    for what, text in canaries.secret.items():
        for where, content in found.items():
            for line in lines:  # nginx's record of what it was asked
                content = content.replace(line, "")
            for form in forms(text):
                if form in content:
                    at = content.index(form)
                    bad.append((what, where, content[max(0, at - 80):at + 20]))
    assert not bad, "\n".join(map(repr, bad[:20]))


def test_headers_and_bodies(server):
    canaries = Canaries(server)
    everywhere(canaries)
    server.ctl("token", "create", "reader")
    wait_until(lambda: any(
        row["status"] == 401
        for row in server.ctl("audit", "list", "--refused")["audit"]), 20)
    found = written(server)
    assert any("daemon.log" in name for name in found), found.keys()
    assert any("longshore.sqlite" in name for name in found)
    assert any("canaries.log" in name for name in found), found.keys()
    check(canaries, found)
    check(canaries, {"answers": "\n".join(canaries.bodies)})


def test_paths_and_queries(server):
    """nginx's request line is the client's doing; everything else is not."""
    canaries = Canaries(server)
    writer = basic("writer", canaries.secret["password of writer"])
    lines = []
    for what in ("token of reader", "unknown token", "refresh token"):
        text = canaries.secret[what]
        for method, target in (
                ("GET", f"/v2/{PRIVATE}/manifests/{text}"),
                ("DELETE", f"/v2/{PRIVATE}/manifests/{text}"),
                ("GET", f"/v2/{PRIVATE}/tags/list?last={text}"),
                ("GET", f"/v2/{text}/tags/list"),
                ("GET", f"/-/token?account={text}&scope={text}"),
                ("GET", f"/v2/?access_token={text}")):
            for headers in ({}, writer):
                answer = canaries.request(method, target, headers)
                assert answer.status < 500
            lines.append(target)
    start = server.ctl("audit", "head")["id"]
    wait_until(lambda: server.ctl("audit", "head")["id"] >= start, 20)
    found = written(server)
    for where in list(found):
        # $registry_reference is a part of the request line.
        if where.endswith("canaries.log"):
            del found[where]
    check(canaries, found, lines)


def test_passwords_are_hashes_and_bodies_are_not_kept(server):
    """A wrong password of anybody is not in the table of failures."""
    typed = "Typed" + secrets.token_hex(8)
    for _ in range(3):
        assert http.request(server, "GET", "/v2/",
                            basic(typed, "x")).status == 401
    done = subprocess.run(
        [BUILD / "registryctl", "--root", server.root, "--json", "audit",
         "list"], capture_output=True, text=True, timeout=60, check=True)
    assert typed not in done.stdout
    for path in (server.root / "db").iterdir():
        assert typed.encode() not in path.read_bytes(), path
