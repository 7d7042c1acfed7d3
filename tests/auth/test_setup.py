"""The first administrator: by a command, or by a link that is good once. Each
test is another address of this machine, since tries are counted by address."""

import base64
import hashlib
import http.client
import itertools
import json
import re
import stat
import subprocess
import threading
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from harness import http as raw
from harness.authorized import basic
from harness.process import start, wait_until
from harness.server import BUILD, DAEMON, Registry, environment

pytestmark = pytest.mark.ours

PASSWORD = "correct horse & <9>"
LINK = re.compile(r"http://127\.0\.0\.1:5000/-/setup#([0-9A-Za-z]{32})")
HOSTILE = "\"><script>alert('x')</script>&"


class Client:
    """One address of 127/8."""

    numbers = itertools.count(2)

    def __init__(self, server):
        self.server = server
        self.address = f"127.0.0.{next(self.numbers)}"

    def ask(self, method, body=None, headers=None, target="/-/setup"):
        link = http.client.HTTPConnection(
            "127.0.0.1", self.server.port, timeout=30,
            source_address=(self.address, 0))
        try:
            link.request(method, target, body, headers or {})
            answer = link.getresponse()
            text = answer.read().decode()
        finally:
            link.close()
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        return answer.status, text, answer.headers

    def get(self):
        return self.ask("GET")

    def send(self, key, name="root", password=PASSWORD, again=None, **more):
        """What the form sends."""
        form = {"key": key, "name": name, "password": password,
                "again": password if again is None else again}
        headers = {"Content-Type": "application/x-www-form-urlencoded",
                   **{n.replace("_", "-"): v for n, v in more.items()}}
        return self.ask("POST", urlencode(form), headers)


class Fresh(Registry):
    """Both servers with authorization on, and nobody in them."""

    def __init__(self, auth="on", **more):
        super().__init__(
            workers=1, http_directives=f"registry_auth {auth};",
            daemon_config=f'auth = "{auth}"\nlog_level = "debug"', **more)
        self.access_log = f"{self.dir}/access.log"

    def ctl(self, *words, given="", status=0):
        done = subprocess.run(
            [BUILD / "registryctl", "--config", self.dir / "registryd.conf",
             "--root", self.root, *words],
            input=given, capture_output=True, text=True, timeout=60,
            check=False)
        assert done.returncode == status, (words, done)
        return done

    def link(self):
        """The key of a new link."""
        done = self.ctl("setup", "--link", "--url", "http://127.0.0.1:5000/")
        found = LINK.fullmatch(done.stdout.strip())
        assert found, done.stdout
        return found[1]

    def users(self):
        listed = json.loads(self.ctl("--json", "user", "list").stdout)
        return [user["name"] for user in listed["users"]]

    def start_over(self):
        """Nobody is in it, and no link is good."""
        for name in self.users():
            self.ctl("user", "remove", name)
        self.key_file.unlink(missing_ok=True)

    @property
    def key_file(self):
        return self.root / "keys" / "setup"


@pytest.fixture(scope="module")
def fresh():
    with Fresh() as server:
        yield server


@pytest.fixture
def client(fresh):
    fresh.start_over()
    return Client(fresh)


class Page(HTMLParser):
    """What a browser would find on the page."""

    def __init__(self, text):
        super().__init__()
        self.fields, self.labels, self.elements = {}, set(), []
        self.inside, self.texts = None, {"style": [], "script": []}
        self.form = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        self.inside = tag
        if tag == "input":
            self.fields[attrs["name"]] = attrs
        elif tag == "label":
            self.labels.add(attrs["for"])
        elif tag == "form":
            self.form = attrs

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside in self.texts:
            self.texts[self.inside].append(data)


def source(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def test_the_link_is_long_and_is_kept_as_a_hash_only(fresh, client):
    key = fresh.link()
    assert fresh.link() != key  # 62^32 is more than 2^190
    key = fresh.link()
    assert stat.S_IMODE(fresh.key_file.stat().st_mode) == 0o600
    assert hashlib.sha256(key.encode()).hexdigest() in \
        fresh.key_file.read_text()
    for path in fresh.root.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path
    assert client.send(key)[0] == 200


def test_what_the_command_prints(fresh, client):
    done = fresh.ctl("setup", "--link", "--url", "http://127.0.0.1:5000")
    assert "until 20" in done.stderr and done.stdout.count("\n") == 1
    assert "https://REGISTRY/-/setup#" in fresh.ctl("setup", "--link").stdout
    known = json.loads(fresh.ctl("--json", "setup", "--link", "--url",
                                 "https://r.example").stdout)
    assert set(known) == {"done", "link", "expires"}
    for words in ((), ("root", "--link"), ("--link", "--url", "ftp://a"),
                  ("--link", "--url", "http://a/#b"), ("--url", "http://a"),
                  ("--link", "--password-stdin")):
        fresh.ctl("setup", *words, status=2)
    assert client.get()[0] == 200


def test_the_page_stands_alone(client):
    status, text, headers = client.get()
    page = Page(text)
    assert status == 200
    assert set(page.fields) == {"key", "name", "password", "again"}
    assert page.labels == set(page.fields)
    assert all(field["id"] == name for name, field in page.fields.items())
    assert page.form == {"method": "post", "action": "setup"}
    assert ("html", {"lang": "en"}) in page.elements
    for tag, attrs in page.elements:
        assert not {"src", "href", "style"} & set(attrs), tag
        assert not [name for name in attrs if name.startswith("on")], tag
    policy = dict(part.strip().split(" ", 1) for part in
                  headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "form-action": "'self'",
        "base-uri": "'none'", "frame-ancestors": "'none'",
        "style-src": source("".join(page.texts["style"])),
        "script-src": source("".join(page.texts["script"]))}
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_link_makes_one_administrator(fresh, client):
    key = fresh.link()
    status, text, _ = client.send(key, Origin=f"http://{fresh.address}")
    assert status == 200, text
    # The name the client uses, not the one of the link.
    assert f"docker login -u root {fresh.address}\n" in text
    assert key not in text and PASSWORD not in text
    assert not fresh.key_file.exists()
    wait_until(lambda: raw.request(fresh, "GET", "/v2/", basic(
        "root", PASSWORD)).status == 200, 20, what="he logs in")
    fresh.ctl("can", "root", "admin", "any/thing")
    # Used: for everybody, in plain words.
    for again in (client.get(), client.send(key, "other"),
                  client.send("x" * 32, "other")):
        assert again[0] == 410
        assert "There is an administrator" in again[1]
    assert fresh.users() == ["root"]
    refused = fresh.ctl("setup", "--link", status=1)
    assert "administrator already: root" in refused.stderr
    # Nor does it come back with a registry that lost him.
    fresh.ctl("user", "remove", "root")
    assert client.get()[0] == 200
    assert client.send(key)[0] == 403
    assert fresh.users() == []


def test_a_key_that_is_none_tells_nothing(fresh, client):
    none = client.send("x" * 32)  # there is no link at all
    key = fresh.link()
    fresh.ctl("user", "add", "alice", "--no-password")
    expires, _, value = fresh.key_file.read_text().partition(" ")
    answers = [client.send(wrong, **fields) for wrong, fields in (
        ("x" * 32, {}), ("", {}), (key[:-1], {}), (key + "a", {}),
        ("x" * 32, {"name": "alice"}), ("x" * 32, {"again": "another"}),
        ("x" * 10_000, {"name": HOSTILE, "password": "short"}))]
    # Ended a second ago; and one that would last longer than any does.
    for end in (int(expires) - 24 * 3600 * 1000 - 1000,
                int(expires) + 3600 * 1000):
        fresh.key_file.write_text(f"{end} {value}")
        answers.append(Client(fresh).send(key))
    assert {(status, text) for status, text, _ in answers} == {none[:2]}
    assert none[0] == 403 and "registryctl setup --link" in none[1]
    assert fresh.users() == ["alice"]
    fresh.key_file.write_text(f"{expires} {value}")
    assert Client(fresh).send(key)[0] == 200  # it was good all the time


@pytest.mark.parametrize("words", [
    ("setup", "boss", "--password-stdin"), ("grant", "add", "bob", "**", "*")])
def test_another_administrator_ends_the_link(fresh, client, words):
    key = fresh.link()
    fresh.ctl("user", "add", "bob", "--no-password")
    fresh.ctl(*words, given=PASSWORD)
    assert client.send(key)[0] == 410
    assert client.get()[0] == 410
    for name in fresh.users():
        fresh.ctl("user", "remove", name)
    assert not fresh.key_file.exists()
    assert client.send(key)[0] == 403


def test_many_at_once_make_one(fresh, client):
    key = fresh.link()
    people = [f"user{n}" for n in range(6)]
    begin, got = threading.Barrier(len(people) + 2), {}

    def by_page(name):
        begin.wait()
        got[name] = Client(fresh).send(key, name)[0]

    def by_command(name):
        begin.wait()
        done = subprocess.run(
            [BUILD / "registryctl", "--root", fresh.root, "setup", name,
             "--password-stdin"], input=PASSWORD, text=True,
            capture_output=True, timeout=60)
        got[name] = {0: 200, 1: 410}.get(done.returncode, done)
    threads = [threading.Thread(target=by_page, args=(name,))
               for name in people]
    threads += [threading.Thread(target=by_command, args=(f"ctl{n}",))
                for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [name for name, status in got.items() if status == 200]
    assert len(winners) == 1 and fresh.users() == winners, got
    # Who was late finds no page any more, or a key that was used meanwhile.
    assert set(got.values()) <= {200, 403, 410}, got


def test_what_the_holder_of_the_key_is_told(fresh, client):
    key = fresh.link()
    fresh.ctl("user", "add", "alice", "--no-password")
    for fields, status, said in (
            ({"again": "another horse 9"}, 400, "differ"),
            ({"password": "short"}, 400, "shorter than 12"),
            ({"name": HOSTILE}, 400, "begins with a letter"),
            ({"name": "alice"}, 409, "taken"),
            ({"name": ""}, 400, "begins with a letter")):
        got, text, _ = client.send(key, **fields)
        page = Page(text)
        assert got == status and said in text, (fields, got, text)
        # Filled in again, as text and as nothing else, without passwords.
        assert page.fields["key"]["value"] == key
        assert page.fields["name"].get("value", "") == fields.get(
            "name", "root")
        assert "value" not in page.fields["password"]
        assert "alert(" not in "".join(page.texts["script"])
        assert len(page.texts["script"]) == 1
    # The whole link is pasted sooner or later.
    link = f"http://127.0.0.1:5000/-/setup#{key}"
    assert client.send(link)[0] == 200


def test_a_form_of_this_page_and_nothing_else(fresh, client):
    key = fresh.link()
    form = urlencode({"key": key, "name": "root", "password": PASSWORD,
                      "again": PASSWORD})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    def post(body, headers):
        return Client(fresh).ask("POST", body, headers)[0]
    for other in ("application/json", "text/plain", "multipart/form-data",
                  ""):
        assert post(form, {"Content-Type": other}) == 415
    for extra in ({"Sec-Fetch-Site": "cross-site"},
                  {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"},
                  {"Sec-Fetch-Site": "none"},
                  {"Origin": "http://evil.example"},
                  {"Origin": f"http://{fresh.address}.evil.example"}):
        assert post(form, {**kind, **extra}) == 403
    assert post("a" * 20_000, kind) == 413
    for wrong in (form + "&key=" + key, form.replace("again", "gain"), "",
                  form.replace("&name=root", ""), "&" * 3000, "key=%zz"):
        assert post(wrong, kind) == 400
    status, _, headers = client.ask("DELETE")
    assert status == 405 and headers["Allow"] == "GET, HEAD, POST"
    assert fresh.users() == []
    assert post(form, {**kind, "Sec-Fetch-Site": "same-origin",
                       "Origin": "https://behind.a.proxy"}) == 200


def test_tries_of_an_address_are_counted(fresh, client):
    key = fresh.link()
    for _ in range(12):
        status, _, headers = client.send("x" * 32)
        if status == 429:
            break
        assert status == 403
    assert status == 429 and headers["Retry-After"] == "60"
    assert client.send(key)[0] == 429  # also with the right one
    assert Client(fresh).send(key)[0] == 200  # of others nobody is in the way


def test_no_log_has_the_key_or_the_password(fresh, client):
    key = fresh.link()
    client.send(key + "x")
    client.send(key)
    wait_until(lambda: '"principal":"root"' in fresh.logs(), 20,
               what="it is logged who became administrator")
    wait_until(lambda: "POST /-/setup" in open(
        fresh.access_log, encoding="utf-8").read(), 20, what="access log")
    for path in (*fresh.dir.glob("*.log"), *fresh.root.rglob("*")):
        if path.is_file():
            text = path.read_bytes()
            assert key.encode() not in text, path
            assert PASSWORD.encode() not in text, path


def test_a_registry_that_is_open_has_no_such_page():
    with Fresh(auth="off") as server:
        answer = raw.request(server, "GET", "/-/setup")
        assert answer.status == 404
        said = server.ctl("setup", "--link", status=2).stderr
        assert "auth is off" in said
        wait_until(lambda: "whoever reaches nginx may pull, push and delete"
                   in server.logs(), 20, what="it is said at the start")


def test_below_a_prefix_and_behind_a_public_url():
    with Fresh(locations="location /artifacts/ { registry on;"
               " registry_prefix /artifacts; }") as server:
        server.daemon_config += '\npublic_url = "https://r.example/artifacts"'
        server.restart_daemon()
        done = server.ctl("setup", "--link")
        key = done.stdout.strip().rpartition("#")[2]
        assert done.stdout.startswith("https://r.example/artifacts/-/setup#")
        client = Client(server)
        status, text, _ = client.ask(
            "POST", urlencode({"key": key, "name": "root",
                               "password": PASSWORD, "again": PASSWORD}),
            {"Content-Type": "application/x-www-form-urlencoded",
             "Origin": "https://r.example"}, "/artifacts/-/setup")
        assert status == 200 and "docker login -u root r.example\n" in text


class Unsaid(Registry):
    """As upgraded from before: neither file says who may do what."""

    def conf_text(self):
        return super().conf_text().replace("registry_auth off;", "")

    def start_daemon(self):
        config = self.dir / "registryd.conf"
        config.write_text("")
        self.daemon = start(
            [DAEMON, "--config", config, "--root", self.root, "--listen",
             self.endpoint], self.dir / "daemon.log", environment())


def test_an_installation_that_does_not_say_is_closed_and_says_so():
    with Unsaid() as server:
        assert "registry_auth" not in server.conf.read_text()
        for method, target in (("GET", "/v2/a/manifests/v1"),
                               ("POST", "/v2/a/blobs/uploads/")):
            answer = raw.request(server, method, target)
            assert answer.status == 401
            assert "WWW-Authenticate" in answer.headers
        assert raw.request(server, "GET", "/-/setup").status == 200
        wait_until(lambda: "there is no administrator yet" in server.logs(),
                   20, what="it is said at the start")
