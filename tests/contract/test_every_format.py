"""What no format can forget, over all that the daemon lists: it is done once,
before any of them is asked. A new format is here without a line of its own."""

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from harness import http
from harness.authorized import Authorized, basic
from harness.server import BUILD, Registry

pytestmark = pytest.mark.ours

FORMATS = [one for one in json.loads(subprocess.run(
    [BUILD / "registryctl", "formats", "--json"], capture_output=True,
    timeout=60, check=True).stdout)["formats"] if one["kinds"]]
KEYS = [one["key"] for one in FORMATS]
EVERY = pytest.mark.parametrize("format", FORMATS, ids=KEYS)
# Which takes any bytes.
EVERY_BUT_GENERIC = pytest.mark.parametrize(
    "format", [one for one in FORMATS if one["key"] != "generic"],
    ids=[key for key in KEYS if key != "generic"])
# Below the repository; whatever they mean to a format, they are no way out.
HOSTILE = ["/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/x", "/a/./b",
           "/a//b", "/a%00b", "/a%5cb", "/a%0ab", "/%2e", "/a%2", "/a%zz",
           "/..", "/.%2e/", "/a%2f..%2fb"]


class Members(Authorized):
    """Everybody may nothing; `reader` may pull, `writer` push as well."""

    def make_accounts(self):
        self.ctl("setup", "root", "--password-stdin",
                 given=self.password("root"))
        for who, actions in (("reader", "pull"), ("writer", "pull,push")):
            self.ctl("user", "add", who, "--password-stdin",
                     given=self.password(who))
            self.ctl("grant", "add", who, "*", actions)

    def fill(self):
        for one in FORMATS:
            self.ctl("repository", "create", "r-" + one["key"], "--format",
                     one["key"])

    def who(self, name):
        return basic(name, self.password(name))


@pytest.fixture(scope="module")
def server():
    with Members(workers=1) as one:
        yield one


@pytest.fixture(scope="module")
def open_server():
    with Registry(workers=1) as one:
        for each in FORMATS:
            subprocess.run(
                [BUILD / "registryctl", "--root", one.root, "repository",
                 "create", "r-" + each["key"], "--format", each["key"]],
                check=True, timeout=60, capture_output=True)
        yield one


# Targets of which every format has some; where it has none it answers 404.
READS = ("/", "/x", "/x/y/z", "/simple/", "/index.yaml", "/x86_64/x.db",
         "/dists/x/Release", "/example.com/x/@v/list", "/repodata/repomd.xml")


def leftovers(server):
    folder = server.root / "spool"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def parses(answer):
    """An error has a body that says so in the form that it claims."""
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    if kind.endswith("json"):
        assert isinstance(answer.json(), dict)
    elif kind.endswith("xml"):
        ElementTree.fromstring(answer.body)
    else:
        assert kind in ("text/plain", "text/html"), (kind, answer.body)
        assert answer.body.strip()


@EVERY
def test_what_is_not_there_is_404(open_server, format):
    others = [one["key"] for one in FORMATS if one is not format]
    for mount in format["mounts"]:
        for repository in ["nothing", *("r-" + key for key in others)]:
            for rest in ("", "/", "/x", "/x/y/z"):
                answer = http.request(open_server, "GET",
                                      f"/{mount}/{repository}{rest}")
                assert answer.status in (404, 405), (
                    repository, rest, answer.status, answer.body)
                parses(answer)


@EVERY
def test_nobody_reads_what_is_private(server, format):
    base = f"/{format['mounts'][0]}"
    denied = {}
    for name in ("r-" + format["key"], "nothing"):
        for rest in READS:
            answer = http.request(server, "GET", f"{base}/{name}{rest}")
            if answer.status == 404 and name == "nothing":
                # No route of the format's, whoever asks.
                denied.setdefault(rest, answer.status)
                continue
            if answer.status in (404, 405):
                denied.setdefault(rest, answer.status)
                continue
            assert answer.status == 401, (rest, answer.status, answer.body)
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
            parses(answer)
            assert denied.setdefault(rest, 401) == 401
    assert 401 in denied.values(), denied
    rest = next(rest for rest in READS if denied.get(rest) == 401)
    wrong = http.request(server, "GET", f"{base}/r-{format['key']}{rest}",
                         basic("reader", "wrong"))
    assert wrong.status == 401
    known = {http.request(server, "GET", f"{base}/r-{format['key']}{rest}",
                          server.who("reader")).status
             for rest in READS}
    assert not known & {401, 403}, known


@EVERY
def test_who_may_pull_may_not_push(server, format):
    """Whatever a format takes with PUT, POST or DELETE."""
    base = f"/{format['mounts'][0]}/r-{format['key']}"
    for method in ("PUT", "POST", "DELETE"):
        for rest in ("/", "/x", "/x/y", "/x/y/z", "/api/v1/crates/new",
                     "/-/x/y", "/upload"):
            answer = http.request(server, method, base + rest,
                                  server.who("reader"), b"{}")
            assert answer.status >= 400, (method, rest, answer.status)
            parses(answer)
    assert not leftovers(server)


@EVERY
def test_a_method_that_there_is_not_is_405(open_server, format):
    base = f"/{format['mounts'][0]}/r-{format['key']}"
    found = 0
    for rest in ("", "/x/y", *READS):
        answer = http.request(open_server, "MKCOL", base + rest)
        assert answer.status in (404, 405), (rest, answer.status)
        if answer.status == 405:
            allow = answer.headers["Allow"].split(", ")
            assert set(allow) <= {"GET", "HEAD", "PUT", "POST", "DELETE",
                                  "PATCH"}, allow
            found += 1
        parses(answer)
    assert found


@EVERY
def test_hostile_paths_are_refused(open_server, format):
    base = f"/{format['mounts'][0]}/r-{format['key']}"
    for rest in HOSTILE:
        for method in ("GET", "PUT"):
            answer = http.request(open_server, method, base + rest, {},
                                  b"x" if method == "PUT" else b"")
            assert answer.status in (400, 404, 405), (
                method, rest, answer.status, answer.body)
            assert b"root:" not in answer.body
    for target in (base.replace("/r-", "/R-"), base + "%2e", base + "%41",
                   base.replace("/r-", "//r-"), base.replace("/r-", "/%72-")):
        answer = http.request(open_server, "GET", target + "/x")
        assert answer.status in (400, 404), (target, answer.status)
    assert not leftovers(open_server)


@EVERY
def test_head_is_get_without_a_body(open_server, format):
    base = f"/{format['mounts'][0]}/r-{format['key']}"
    for rest in ("/", "/x", "/x/y/z"):
        get = http.request(open_server, "GET", base + rest)
        head = http.request(open_server, "HEAD", base + rest)
        assert head.status == get.status and not head.body, rest
        for name in ("Content-Type", "Content-Length", "ETag", "Location"):
            assert head.headers.get(name) == get.headers.get(name), (
                rest, name)


@EVERY_BUT_GENERIC
def test_a_body_that_is_no_package_leaves_nothing(open_server, format):
    """Taken or refused, with the format's own error; never half."""
    base = f"/{format['mounts'][0]}/r-{format['key']}"
    for method in ("PUT", "POST"):
        for rest in ("/", "/x", "/x/y", "/x/y/z", "/upload"):
            answer = http.request(open_server, method, base + rest, {
                "Content-Type": "application/octet-stream"}, b"\0garbage" * 99)
            assert answer.status < 500, (method, rest, answer.status,
                                         answer.body)
            if answer.status >= 400:
                parses(answer)
    assert not leftovers(open_server)


@EVERY
def test_a_trailing_question_and_other_mounts(open_server, format):
    """One that is no mount of the format's finds nothing of it."""
    key = format["key"]
    assert re.fullmatch(r"[a-z][a-z0-9]*", key)
    mounts = {mount for one in FORMATS for mount in one["mounts"]}
    assert len(mounts) == sum(len(one["mounts"]) for one in FORMATS)
    answer = http.request(open_server, "GET", f"/nomount/r-{key}/x")
    assert answer.status == 404
