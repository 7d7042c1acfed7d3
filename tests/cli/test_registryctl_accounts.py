"""registryctl: accounts and rights, beside a daemon that runs and without."""

import base64
import calendar
import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http, oci
from harness.process import end, run, wait_until
from harness.server import BUILD, DAEMON

PASSWORD = "correct horse 9"
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TOKEN = re.compile(r"lsr_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}")


class Data:
    """A folder of data and the commands that work on it."""

    def __init__(self, root):
        self.root = root
        self.socket = root.parent / "s"
        self.log = root.parent / "daemon.log"
        self.daemon = None

    def start(self):
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(
                [DAEMON, "--root", self.root, "--listen",
                 f"ipc://{self.socket}"], stderr=log)
        wait_until(self.socket.exists, what="daemon up")

    def stop(self):
        assert end(self.daemon) == 0
        self.socket.unlink(missing_ok=True)

    def command(self, *words):
        return [str(BUILD / "registryctl"), "--root", str(self.root),
                *map(str, words)]

    def run(self, *words, given="", status=0):
        """What it printed; the exit status is as said."""
        done = subprocess.run(self.command(*words), input=given, text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == status, (words, done)
        if status not in (0, 1) or not done.stdout:
            assert done.stdout == "", done
        if status > 1:
            assert done.stderr.startswith("registryctl: "), done
            assert done.stderr.count("\n") == 1, done
        return done

    def json(self, *words, given="", status=0):
        done = self.run(*words, "--json", given=given, status=status)
        return json.loads(done.stdout)

    def stored_in_clear(self, *texts):
        """Which text lies in which file of the data or in the log."""
        paths = [path for path in self.root.rglob("*") if path.is_file()]
        assert any(path.name == "longshore.sqlite" for path in paths)
        return [(text, path) for path in [*paths, self.log] for text in texts
                if text.encode() in path.read_bytes()]


@pytest.fixture(params=["running", "stopped"])
def data(request, tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    data = Data(root)
    data.start()
    if request.param == "stopped":
        data.stop()
    yield data
    end(data.daemon)


def add_user(data, name, *more):
    data.run("user", "add", name, "--password-stdin", *more,
             given=PASSWORD + "\n")


def test_life_of_a_user(data):
    assert data.run("user", "list").stdout == ""
    assert data.json("user", "list") == {"users": []}
    made = data.json("user", "add", "alice", "--password-stdin",
                     given=PASSWORD)
    assert made == {"done": "added", "kind": "user", "name": "alice"}
    data.run("user", "add", "bob", "--no-password")
    lines = data.run("user", "list").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["NAME", "STATE", "PASSWORD", "SOURCE", "GROUPS"],
        ["alice", "active", "yes", "local", "-"],
        ["bob", "active", "no", "local", "-"]]
    assert len({line.index(word) for line, word in zip(
        lines, ("PASSWORD", "yes", "no"))}) == 1, "columns are aligned"
    shown = data.json("user", "show", "alice")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                        shown.pop("created"))
    assert shown == {"kind": "user", "name": "alice", "disabled": False,
                     "source": "local", "password": True, "groups": [],
                     "grants": [], "tokens": []}
    assert data.json("user", "disable", "alice")["done"] == "disabled"
    assert data.json("user", "show", "alice")["disabled"]
    assert "disabled" in data.run("user", "show", "alice").stdout
    assert data.json("user", "enable", "alice")["done"] == "enabled"
    assert data.json("user", "unlock", "alice")["done"] == "unlocked"
    changed = data.json("user", "password", "bob", "--password-stdin",
                        given="another horse 10\r\n")
    assert changed["done"] == "changed"
    assert data.json("user", "show", "bob")["password"]
    assert data.json("user", "remove", "alice")["done"] == "removed"
    assert "no user" in data.run("user", "show", "alice", status=1).stderr
    data.run("user", "add", "bob", "--no-password", status=1)


def test_services_and_groups(data):
    add_user(data, "alice")
    assert data.json("service", "add", "ci")["kind"] == "service"
    assert not data.json("service", "show", "ci")["password"]
    data.run("service", "password", "ci", "--password-stdin", given=PASSWORD)
    data.run("group", "add", "devs")
    for member in ("alice", "ci"):
        assert data.json("group", "member-add", "devs", member) == {
            "done": "added", "group": "devs", "member": member}
    assert data.json("group", "show", "devs")["members"] == ["alice", "ci"]
    assert data.json("user", "show", "alice")["groups"] == ["devs"]
    data.run("grant", "add", "devs", "team/**", "pull,push")
    assert data.run("can", "ci", "push", "team/app").stdout.startswith(
        "allowed: ")
    data.run("group", "disable", "devs")
    data.run("can", "ci", "push", "team/app", status=1)
    data.run("group", "enable", "devs")
    data.run("can", "ci", "push", "team/app")
    assert data.json("group", "member-remove", "devs", "ci")["done"] == \
        "removed"
    data.run("can", "ci", "push", "team/app", status=1)
    data.run("group", "member-remove", "devs", "ci", status=1)
    data.run("group", "member-add", "devs", "devs", status=2)
    data.run("group", "member-add", "devs", "nobody", status=1)
    data.run("group", "member-add", "alice", "ci", status=2)
    # Each command has its own kind, and says what the name is instead.
    for kind, name, other in (("user", "ci", "service"),
                              ("service", "devs", "group"),
                              ("group", "alice", "user")):
        for verb in ("show", "remove", "disable", "enable"):
            said = data.run(kind, verb, name, status=1).stderr
            assert f"but a {other} of that name" in said
    data.run("group", "remove", "devs")
    assert data.json("user", "show", "alice")["groups"] == []
    data.run("can", "alice", "push", "team/app", status=1)
    assert data.json("service", "list")["services"][0]["name"] == "ci"
    data.run("service", "remove", "ci")


def test_tokens(data):
    add_user(data, "alice")
    done = data.run("token", "create", "alice", "--name", "ci of app",
                    "--actions", "pull,push", "--repository", "team/app",
                    "--repository", "team/x-*", "--expires", "30d")
    assert TOKEN.fullmatch(done.stdout.rstrip("\n")), done
    token = done.stdout.strip()
    assert token not in done.stderr and token[4:12] in done.stderr
    [listed] = data.json("token", "list", "alice")["tokens"]
    assert (listed["id"], listed["principal"], listed["name"],
            listed["state"], listed["actions"], listed["repositories"],
            listed["used"], listed["revoked"]) == (
        token[4:12], "alice", "ci of app", "active", ["pull", "push"],
        ["team/app", "team/x-*"], None, None)
    other = data.json("token", "create", "alice", "--expires", "never")
    assert TOKEN.fullmatch(other["token"]) and other["expires"] is None
    assert other["actions"] == ["pull"] and other["repositories"] == []
    text = data.run("token", "list").stdout
    assert "ci of app" in text and other["id"] in text
    assert not TOKEN.search(text)
    shown = data.json("user", "show", "alice")["tokens"]
    assert {each["id"] for each in shown} == {token[4:12], other["id"]}
    assert data.json("token", "revoke", other["id"]) == {
        "done": "revoked", "id": other["id"]}
    data.run("token", "revoke", other["id"], status=1)
    said = data.run("token", "revoke", "-", given=token + "\n")
    assert token not in said.stdout and token[4:12] in said.stdout
    states = [each["state"] for each in data.json("token", "list")["tokens"]]
    assert states == ["revoked", "revoked"]
    assert not data.stored_in_clear(token, token[13:], other["token"],
                                          other["token"][13:], PASSWORD)


@pytest.mark.parametrize("words", [
    ("--expires", "30"), ("--expires", ""), ("--expires", "0d"),
    ("--expires", "-1d"), ("--expires", "30y"), ("--expires", "2020-01-01"),
    ("--expires", "2027-02-31"), ("--expires", "99999999999999999999d"),
    ("--expires", "2027-1-1xx"), ("--actions", "fly"), ("--actions", ","),
    ("--repository", "UPPER"), ("--repository", "/x"),
    ("--repository", "a", "b"), ("--name", "two\nlines"),
    ("--name", "x" * 129), ("--name", "\x1b[2J")])
def test_tokens_that_cannot_be(stopped, words):
    stopped.run("token", "create", "ci", *words, status=2)
    assert stopped.json("token", "list") == {"tokens": []}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Data with the service account `ci`, which no test changes."""
    root = tmp_path_factory.mktemp("stopped") / "data"
    root.mkdir()
    data = Data(root)
    data.start()
    data.stop()
    data.run("service", "add", "ci")
    return data


def test_ends(data):
    data.run("service", "add", "ci")
    day = data.json("token", "create", "ci", "--expires", "2099-12-31")
    assert day["expires"] == "2099-12-31T00:00:00Z"
    for text, seconds in (("1m", 60), ("2h", 7200), ("3w", 3 * 604800)):
        made = data.json("token", "create", "ci", "--expires", text)
        then = time.strptime(made["expires"], "%Y-%m-%dT%H:%M:%SZ")
        assert abs(calendar.timegm(then) - time.time() - seconds) < 30


def test_grants_and_visibility(data):
    add_user(data, "alice")
    assert data.json("grant", "add", "alice", "team/*", "pull,push") == {
        "done": "added", "principal": "alice", "pattern": "team/*",
        "actions": ["pull", "push"]}
    data.run("grant", "add", "authenticated", "shared/**", "pull")
    data.run("grant", "add", "anonymous", "open/**", "pull")
    assert len(data.json("grant", "list")["grants"]) == 3
    assert data.json("grant", "list", "alice") == {"grants": [
        {"principal": "alice", "pattern": "team/*",
         "actions": ["pull", "push"]}]}
    assert data.run("grant", "list", "alice").stdout.split() == [
        "PRINCIPAL", "PATTERN", "ACTIONS", "alice", "team/*", "pull,push"]
    data.run("grant", "remove", "alice", "team/*", "push")
    data.run("can", "alice", "push", "team/x", status=1)
    data.run("can", "alice", "pull", "team/x")
    data.run("grant", "remove", "alice", "team/*")
    data.run("can", "alice", "pull", "team/x", status=1)
    data.run("grant", "remove", "alice", "team/*", status=1)
    for words in (("alice", "/x", "pull"), ("alice", "x", "fly"),
                  ("alice", "", "pull"), ("alice", "x", "")):
        data.run("grant", "add", *words, status=2)
    data.run("grant", "add", "nobody", "x", "pull", status=1)

    assert data.json("visibility", "set", "pub/**", "public") == {
        "done": "set", "pattern": "pub/**", "visibility": "public"}
    data.run("visibility", "set", "pub/not", "private")
    assert data.json("visibility", "list") == {"visibility": [
        {"pattern": "pub/**", "visibility": "public"},
        {"pattern": "pub/not", "visibility": "private"}]}
    assert "pub/not" in data.run("visibility", "list").stdout
    data.run("can", "anonymous", "pull", "pub/x")
    data.run("can", "anonymous", "pull", "pub/not", status=1)
    data.run("visibility", "set", "x", "secret", status=2)
    data.run("visibility", "remove", "pub/**")
    data.run("visibility", "remove", "pub/**", status=1)


def test_can(data):
    add_user(data, "alice")
    data.run("grant", "add", "alice", "team/app", "push")
    answer = data.json("can", "alice", "push", "team/app")
    assert answer.pop("why")
    assert answer == {"principal": "alice", "action": "push",
                      "repository": "team/app", "allowed": True}
    denied = data.json("can", "alice", "delete", "team/app", status=1)
    assert denied["allowed"] is False and "no rule" in denied["why"]
    assert data.run("can", "alice", "pull", "team/app",
                    status=1).stdout.startswith("denied: ")
    data.run("user", "disable", "alice")
    assert "disabled" in data.run("can", "alice", "push", "team/app",
                                  status=1).stdout
    data.run("can", "nobody", "push", "team/app", status=1)
    data.run("can", "alice", "fly", "team/app", status=2)
    data.run("can", "alice", "push", "../app", status=2)


def test_certificates(data, tmp_path):
    data.run("service", "add", "ci")
    pem = tmp_path / "c.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=ci",
        "-keyout", tmp_path / "k.pem", "-out", pem)
    said = run("openssl", "x509", "-in", pem, "-noout", "-fingerprint",
               "-sha256").stdout.strip()
    colons = said.split("=")[1]
    made = data.json("certificate", "add", "ci", "--file", pem)
    assert made == {"done": "added", "principal": "ci", "fingerprint":
                    colons.replace(":", "").lower()}
    data.run("certificate", "add", "ci", colons, status=1)
    data.run("user", "add", "alice", "--no-password")
    data.run("certificate", "add", "alice", "ab" * 32)
    listed = data.json("certificate", "list")["certificates"]
    assert [(row["principal"], row["fingerprint"]) for row in listed] == \
        sorted([("ci", colons.replace(":", "").lower()),
                ("alice", "ab" * 32)], key=lambda row: row[1])
    assert all(TIME.fullmatch(row["created"]) for row in listed)
    assert data.json("certificate", "list", "alice")["certificates"] == [
        row for row in listed if row["principal"] == "alice"]
    assert "ab" * 32 in data.run("certificate", "list").stdout
    data.run("certificate", "list", "nobody", status=1)
    data.run("certificate", "remove", colons)
    data.run("certificate", "remove", "--file", pem, status=1)
    for words in ((), ("zz",), ("--file", tmp_path / "k.pem"),
                  ("--file", tmp_path), ("--file", tmp_path / "none"),
                  (colons, "--file", pem)):
        data.run("certificate", "add", "ci", *words, status=2)
    data.run("certificate", "add", "nobody", colons, status=1)


def test_setup_is_for_the_first_only(data):
    data.run("setup", "root", "--password-stdin", given="short", status=2)
    assert data.json("user", "list") == {"users": []}
    data.run("setup", "root", status=2)  # nobody to ask
    data.run("setup", "root", "--password-stdin", given=PASSWORD)
    data.run("can", "root", "admin", "any/thing")
    again = data.run("setup", "other", "--password-stdin", given=PASSWORD,
                     status=1)
    assert "root" in again.stderr and again.stderr.count("\n") == 1
    assert len(data.json("user", "list")["users"]) == 1
    data.run("user", "remove", "root")
    data.run("setup", "other", "--password-stdin", given=PASSWORD)
    # An administrator by a group counts too.
    data.run("user", "remove", "other")
    data.run("group", "add", "ops")
    data.run("grant", "add", "ops", "**", "admin")
    data.run("user", "add", "alice", "--no-password")
    data.run("group", "member-add", "ops", "alice")
    data.run("setup", "third", "--password-stdin", given=PASSWORD, status=1)


def test_who_cannot_have_this_password_is_not_made(data):
    for bad in ("", "short", "alice", "x" * 600, "two\nlines of it",
                "aaaaaaaaaaaaaaaa", "nul\0 in the midst"):
        said = data.run("user", "add", "alice", "--password-stdin",
                        given=bad, status=2).stderr
        assert len(bad) < 6 or bad not in said
    assert data.json("user", "list") == {"users": []}
    data.run("user", "add", "alice", "--password-stdin", "--no-password",
             given=PASSWORD, status=2)


HOSTILE = ["", " ", "a b", "a/b", "../x", "a\nb", "\x1b[31mred", "a'b",
           "'; DROP TABLE principals; --", "é", "\u202ex", "x" * 129, "-x",
           "$(id)", "%s%n", "a\tb", "\x7f", "anonymous", "authenticated"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(stopped, name):
    before = stopped.json("user", "list")
    builtin = name in ("anonymous", "authenticated")
    for words in (("user", "add", "--no-password"), ("group", "add"),
                  ("service", "add")):
        done = stopped.run(*words, "--", name, status=1 if builtin else 2)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stderr)
    for words in (("user", "remove"), ("user", "disable"), ("user", "show"),
                  ("token", "create"), ("group", "member-add", "ci")):
        done = stopped.run(*words, "--", name, status=1 if words[0] != "token"
                           and words[0] != "group" or not builtin else 2)
        assert done.stderr.count("\n") == 1
    assert stopped.json("user", "list") == before


# Names that are also commands.
@pytest.mark.parametrize("name", ["user", "add", "rebuild", "list", "help"])
def test_names_of_commands(data, name):
    data.run("user", "add", name, "--no-password")
    data.run("grant", "add", name, name, "pull")
    data.run("can", name, "pull", name)
    data.run("user", "show", name)
    data.run("user", "remove", name)


@pytest.mark.parametrize("words, said", [
    ((), "commands of registryctl: setup"), (("fly",), "commands of"),
    (("user",), "add, list, show"), (("user", "fly"), "add, list, show"),
    (("user", "add"), "NAME"), (("user", "add", "a", "b"), "b"),
    (("user", "list", "--colour"), "--colour"),
    (("user", "password", "ci", "--password", "x"), "--password"),
    (("visibility", "set", "x", "open"), "public"),
    (("user", "list", "-o", "xml"), "json"),
    (("--config", "/none", "user", "list"), "/none")])
def test_wrong_usage(stopped, words, said):
    status = 3 if "--config" in words else 2
    assert said in stopped.run(*words, status=status).stderr


def test_an_error_as_a_document(stopped):
    done = subprocess.run(stopped.command("user", "show", "x", "--json"),
                          capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert json.loads(done.stderr) == {"error": {
        "code": "not_found", "message": 'there is no user "x"'}}


def test_no_database_yet(tmp_path):
    data = Data(tmp_path)
    for words in (("user", "list"), ("user", "add", "a", "--no-password")):
        assert "start registryd once" in data.run(*words, status=3).stderr
    assert list(tmp_path.iterdir()) == []
    Data(tmp_path / "none").run("user", "list", status=3)


def test_a_database_of_another_version_or_none(tmp_path):
    (tmp_path / "db").mkdir()
    path = tmp_path / "db/longshore.sqlite"
    data = Data(tmp_path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert "version" in data.run("user", "list", status=3).stderr
    path.write_bytes(b"this is no database" * 1000)
    data.run("user", "list", status=3)


class Terminal:
    """A command whose standard input and error are a terminal."""

    def __init__(self, command):
        self.master, slave = pty.openpty()
        self.shown = b""
        self.process = subprocess.Popen(
            command, stdin=slave, stderr=slave, stdout=slave,
            start_new_session=True, preexec_fn=lambda:
            # Whoever runs the tests may ignore it, and that is inherited.
            signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.slave = slave

    def expect(self, text):
        def seen():
            while select.select([self.master], [], [], 0)[0]:
                self.shown += os.read(self.master, 4096)
            return text.encode() in self.shown
        wait_until(seen, what=text)
        self.shown = self.shown.split(text.encode(), 1)[1]

    def type(self, text):
        os.write(self.master, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def close(self):
        status = self.process.wait(60)
        self.rest = b""
        while select.select([self.master], [], [], 0)[0]:
            self.rest += os.read(self.master, 4096)
        os.close(self.master)
        os.close(self.slave)
        return status


def test_a_prompt_shows_nothing(data):
    terminal = Terminal(data.command("user", "add", "alice"))
    seen = b""
    terminal.expect("Password of alice: ")
    assert not terminal.echoes()
    assert PASSWORD.encode() not in open(
        f"/proc/{terminal.process.pid}/cmdline", "rb").read()
    terminal.type(PASSWORD + "\n")
    terminal.expect("The same again: ")
    seen += terminal.shown
    terminal.type(PASSWORD + "\n")
    terminal.expect("user alice added")
    assert terminal.echoes()
    assert terminal.close() == 0
    assert b"horse" not in seen + terminal.shown + terminal.rest
    assert data.json("user", "show", "alice")["password"]
    assert not data.stored_in_clear(PASSWORD)


def test_two_different_answers(stopped):
    terminal = Terminal(stopped.command("user", "add", "alice"))
    terminal.expect("Password of alice: ")
    terminal.type(PASSWORD + "\n")
    terminal.expect("The same again: ")
    terminal.type(PASSWORD + "9\n")
    terminal.expect("not the same")
    assert terminal.close() == 2
    assert stopped.json("user", "list") == {"users": []}


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_prompt_that_is_left_gives_the_echo_back(stopped, sig):
    terminal = Terminal(stopped.command("service", "password", "ci"))
    terminal.expect("Password of ci: ")
    assert not terminal.echoes()
    terminal.process.send_signal(sig)
    terminal.process.wait(60)
    assert terminal.echoes()
    assert terminal.close() == -sig
    assert not stopped.json("service", "show", "ci")["password"]


def test_what_cannot_be_printed_is_an_error(stopped):
    with open("/dev/full", "w") as full:
        done = subprocess.run(stopped.command("version"), stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 3 and "standard output" in done.stderr


def status_of(server, credential):
    """Status of a question that team/a's members may ask."""
    value = base64.b64encode(credential.encode()).decode()
    return http.request(server, "GET", "/v2/team/a/tags/list",
                        {"Authorization": f"Basic {value}"}).status


@pytest.mark.alone
def test_a_daemon_knows_within_a_second(make_registry):
    server = make_registry(daemon_config='auth = "on"',
                           location_directives="registry_auth on;")
    wait_until(server.daemon_answers, what="daemon up")
    data = Data(server.root)
    login = f"alice:{PASSWORD}"
    add_user(data, "alice")

    late = []

    def soon(status, credential=login):
        start = time.monotonic()
        seen = []

        def there():
            seen.append(status_of(server, credential))
            return seen[-1] == status
        try:
            wait_until(there)
        except TimeoutError:
            pytest.fail(f"{set(seen)}, not {status}")
        # A second, and what the answers themselves take.
        if time.monotonic() - start > 2:
            late.append((status, time.monotonic() - start))

    soon(403)
    data.run("grant", "add", "alice", "team/*", "pull,push")
    soon(404)  # she may know that there is nothing
    made = data.run("token", "create", "alice").stdout.strip()
    soon(404, f"x:{made}")
    data.run("token", "revoke", made[4:12])
    soon(401, f"x:{made}")
    data.run("grant", "remove", "alice", "team/*")
    soon(403)
    data.run("user", "disable", "alice")
    soon(401)
    data.run("user", "enable", "alice")
    soon(403)
    data.run("group", "add", "devs")
    data.run("grant", "add", "devs", "team/**", "pull")
    data.run("group", "member-add", "devs", "alice")
    soon(404)
    data.run("group", "member-remove", "devs", "alice")
    soon(403)
    data.run("user", "password", "alice", "--password-stdin",
             given="another horse 10")
    soon(401)
    soon(403, "alice:another horse 10")
    data.run("visibility", "set", "team/a", "public")
    soon(404, "alice:another horse 10")
    # A machine that stops a process now and then makes one or two late.
    assert len(late) <= 2, late
    data.run("user", "remove", "alice")
    soon(401, "alice:another horse 10")
    logs = server.logs()
    assert PASSWORD not in logs and made[13:] not in logs


# The commands that the daemon's answers name.
@pytest.mark.parametrize("words", [
    ("token", "create", "ci", "--actions", "push", "--repositories",
     "team/app"),
    ("grant", "add", "ci", "team/app", "push"),
    ("visibility", "set", "team/app", "public")])
def test_what_the_daemon_says_can_be_typed(data, words):
    data.run("service", "add", "ci")
    assert data.run(*words).returncode == 0


# Both write into one database: none loses anything, none waits for long.
def test_beside_a_daemon_that_writes(fresh_registry):
    data = Data(fresh_registry.root)
    wait_until(fresh_registry.daemon_answers, what="daemon up")
    over = threading.Event()
    pushed = []

    def push():
        repository = oci.Repository(fresh_registry, "team/app")
        while not over.is_set():
            image = oci.make_image([b"layer %d" % len(pushed)])
            repository.push(image, f"t{len(pushed)}")
            pushed.append(image)

    def add(number):
        data.run("user", "add", f"u{number}", "--no-password")
        data.run("grant", "add", f"u{number}", f"team/{number}", "push")

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(40)))
    finally:
        over.set()
        pusher.join()
    assert len(pushed) > 3
    assert len(data.json("user", "list")["users"]) == 40
    assert len(data.json("grant", "list")["grants"]) == 40
    tags = oci.Repository(fresh_registry, "team/app").tags().json()["tags"]
    assert len(tags) == len(pushed)
    with sqlite3.connect(data.root / "db/longshore.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == (
            "ok",)
        # 80 changes, each one told to the daemon.
        assert database.execute("SELECT version FROM policy").fetchone() == (
            81,)
    database.close()


def test_two_at_once_make_one(data):
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: subprocess.run(
            data.command("group", "add", "one"), capture_output=True,
            text=True), range(6)))
    assert sorted(each.returncode for each in done) == [0, 1, 1, 1, 1, 1]
    assert all("already" in each.stderr for each in done if each.returncode)
