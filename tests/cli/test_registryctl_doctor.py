"""registryctl doctor: each wall is found, and a good registry is healthy."""

import json
import subprocess
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import oci
from harness.ports import free_port
from harness.process import run, wait_until
from harness.server import BUILD

SECRET = "correct horse 9"


def doctor(url, *words, given="", status=0):
    """Findings by check: (health, found, advice)."""
    done = subprocess.run(
        [str(BUILD / "registryctl"), "doctor", url, "--json", *words],
        input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done
    assert SECRET not in done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["healthy"] == (status == 0)
    return {each["check"]: (each["health"], each["found"], each["advice"])
            for each in report["findings"]}


def make_chain(folder, days=90, name="DNS:localhost,IP:127.0.0.1"):
    """root, intermediate and a server's certificate."""
    def make(who, issuer, extensions, days=days):
        (folder / "x.cnf").write_text(extensions)
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={who}",
            "-keyout", folder / f"{who}.key", "-out", folder / "x.csr")
        signer = ["-CA", folder / f"{issuer}.pem", "-CAkey",
                  folder / f"{issuer}.key"] if issuer else [
            "-signkey", folder / f"{who}.key"]
        run("openssl", "x509", "-req", "-in", folder / "x.csr", "-days",
            str(days), "-extfile", folder / "x.cnf", *signer, "-out",
            folder / f"{who}.pem")
        return (folder / f"{who}.pem").read_text()

    ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n"
    make("root", None, ca, 90)
    intermediate = make("intermediate", "root", ca, 90)
    return make("server", "intermediate", f"subjectAltName={name}\n",
                days), intermediate


def serve(make_registry, folder, more=True, http2=True, **options):
    """A registry that shows the server's certificate and the intermediate,
    or only the first."""
    own, intermediate = make_chain(folder, **options)
    server = make_registry(tls=True, http2=http2)
    (server.dir / "server.pem").write_text(own + (intermediate if more else
                                                  ""))
    (server.dir / "server.key").write_text(
        (folder / "server.key").read_text())
    # The harness asks about other things.
    server.tls = True
    server.reload(wait_old=True)
    return server


def test_a_good_registry(make_registry, tmp_path):
    server = serve(make_registry, tmp_path)
    oci.Repository(server, "team/app").push(oci.make_image(), "latest")
    url = f"https://localhost:{server.port}"
    found = doctor(url, "--roots", str(tmp_path / "root.pem"),
                   "--repository", "team/app", "--user", "alice",
                   "--password-stdin", given=SECRET)
    assert {name: row[0] for name, row in found.items()} == {
        name: "ok" for name in ("tls", "chain", "name", "expiry", "http2",
                                "api", "clock", "realm", "location",
                                "upload", "head", "range")}
    plain = subprocess.run([BUILD / "registryctl", "doctor", url],
                           capture_output=True, text=True)
    assert plain.returncode == 1
    assert plain.stdout.startswith("CHECK ") and "\nchain: " in plain.stdout


def test_a_missing_intermediate(make_registry, tmp_path):
    server = serve(make_registry, tmp_path, more=False)
    health, found, advice = doctor(
        f"https://127.0.0.1:{server.port}", "--roots",
        str(tmp_path / "root.pem"), status=1)["chain"]
    assert health == "fail" and "intermediate" in found
    assert "ssl_certificate" in advice


def test_the_wrong_name_an_end_that_is_near_and_no_http2(make_registry,
                                                         tmp_path):
    server = serve(make_registry, tmp_path, name="DNS:other.example", days=3,
                   http2=False)
    found = doctor(f"https://localhost:{server.port}", "--roots",
                   str(tmp_path / "root.pem"), "--repository", "a",
                   "--user", "alice", "--password-stdin", given=SECRET,
                   status=1)
    assert found["chain"][0] == "ok" and found["name"][0] == "fail"
    assert found["expiry"][0] == "warn" and found["http2"][0] == "warn"
    # No password for whoever this is.
    assert found["upload"][0] == "not checked"
    assert "trusted" in found["upload"][1]


def test_a_self_signed_certificate(make_registry):
    server = make_registry(tls=True)
    found = doctor(server.url, status=1)
    assert found["chain"][0] == "fail" and "self-signed" in found["chain"][1]
    assert found["name"][0] == "ok" and found["api"][0] == "ok"


class Broken(BaseHTTPRequestHandler):
    """A registry behind a proxy that gets everything wrong."""

    protocol_version = "HTTP/1.1"
    challenge = None
    location = ""
    skew = 0
    seen = []

    def answer(self, status, body=b"", **headers):
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() + self.skew,
                                            usegmt=True))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Authorization")))
        if self.path == "/v2/" and self.challenge:
            self.answer(401, WWW_Authenticate=self.challenge)
        elif self.path.startswith("/v2/a/tags"):
            self.answer(200, b'{"tags": ["x"]}')
        elif "/manifests/" in self.path:
            self.answer(200, b'{"config": {"digest": "sha256:00"}}')
        else:
            self.answer(200, b"all of it")

    def do_HEAD(self):
        self.send_response_only(405)
        self.end_headers()

    def do_POST(self):
        self.answer(202, Location=self.location)

    def do_PATCH(self):
        self.close_connection = True
        self.answer(413, Connection="close")
        while self.rfile.read1(1 << 16):
            pass

    def do_DELETE(self):
        self.answer(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def broken():
    """Starts such a server; its class (to be told what is wrong) and URL."""
    kind = type("Kind", (Broken,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield kind, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_proxy_that_does_not_say_https_or_host(broken):
    kind, url = broken
    kind.challenge = 'Bearer realm="https://inside/token",service="registry"'
    found = doctor(url, "--user", "alice", "--password-stdin", given=SECRET,
                   status=1)
    assert found["realm"][0] == "fail"
    assert "X-Forwarded-Proto" in found["realm"][2]
    kind.challenge = 'Bearer realm="http://127.0.0.1:1/token",service="x"'
    found = doctor(url, "--user", "alice", "--password-stdin", given=SECRET)
    assert found["realm"][0] == "warn"
    # The password went nowhere.
    assert not any(authorization for _, authorization in kind.seen)


def test_limits_lengths_ranges_and_places(broken):
    kind, url = broken
    kind.location = "https://inside/v2/a/blobs/uploads/1"
    found = doctor(url, "--repository", "a", "--user", "alice",
                   "--password-stdin", given=SECRET, status=1)
    assert found["upload"][0] in ("fail", "warn")
    assert found["location"][0] == "fail" and "inside" in found["location"][1]
    assert found["head"][0] == "fail" and found["range"][0] == "warn"


@pytest.mark.parametrize("skew, health, status", [
    (0, "ok", 0), (120, "warn", 0), (-4000, "fail", 1)])
def test_clocks(broken, skew, health, status):
    kind, url = broken
    kind.skew = skew
    assert doctor(url, status=status)["clock"][0] == health


def test_a_registry_that_asks_for_a_login(make_registry):
    server = make_registry(daemon_config='auth = "on"',
                           location_directives="registry_auth on;")
    ctl = [BUILD / "registryctl", "--root", server.root]
    wait_until(server.daemon_answers, what="daemon up")
    run(*ctl, "user", "add", "alice", "--password-stdin", input=SECRET)
    run(*ctl, "grant", "add", "alice", "team/*", "pull,push,delete")
    more = "--user", "alice", "--password-stdin", "--repository", "team/a"

    def accepted():
        found = subprocess.run([*ctl, "doctor", server.url, *more],
                               input=SECRET, capture_output=True, text=True)
        return found.returncode == 0
    wait_until(accepted, what="the daemon knows alice")
    found = doctor(server.url, *more, given=SECRET)
    assert {found[name][0] for name in ("realm", "token", "location",
                                        "upload")} == {"ok"}
    assert "/-/token" in found["realm"][1]
    wrong = doctor(server.url, *more, given=SECRET + "0", status=1)
    assert wrong["token"][0] == "fail"


def test_nobody_there():
    found = doctor(f"https://127.0.0.1:{free_port()}", status=1)
    assert found["tls"][0] == "fail" and found["api"][0] == "fail"


@pytest.mark.parametrize("words", [
    ("ftp://x",), ("https://",), ("https://u:p@x",), ("x y",), ("",),
    ("https://localhost", "--user", "alice"),
    ("https://localhost", "--password-stdin"),
    ("https://localhost", "--repository", "../x"),
    ("https://localhost", "--roots", "/none")])
def test_wrong_usage(words):
    done = subprocess.run([BUILD / "registryctl", "doctor", *words],
                          input=SECRET, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done
