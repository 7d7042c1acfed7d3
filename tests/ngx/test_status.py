"""registry_status: numbers that are right, in three formats."""

import re
import socket

import pytest

from harness import http, oci
from harness.process import wait_until
from harness.server import TREE
from harness.server import Registry

pytestmark = pytest.mark.ours

LOCATIONS = """
location = /status { registry_status; }
location = /status.json { registry_status json; }
location = /status.txt { registry_status plain; }
location = /metrics { registry_status openmetrics; }
"""


@pytest.fixture(scope="module")
def server():
    with Registry(workers=2, locations=LOCATIONS) as made:
        # A worker that meets the daemon empties the zone.
        wait_until(lambda: numbers(made)["daemon_connected"] == 2,
                   what="all workers connected")
        yield made


def numbers(server):
    answer = http.request(server, "GET", "/status.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def test_requests_by_action(make_registry, repo_name):
    server = make_registry(locations=LOCATIONS)  # that nobody else asked
    repo = oci.Repository(server, repo_name)
    image = oci.make_image()
    repo.push(image, "v1")
    for _ in range(3):
        assert repo.get_manifest("v1").status == 200
    assert repo.get_manifest("none").status == 404
    assert repo.get_blob(oci.digest(image.blobs[0])).status == 200
    assert repo.delete_manifest("v1").status == 202

    # A request counts in its log phase, which may come after its answer.
    wanted = {("pull_manifest", "2xx"): 3, ("pull_manifest", "4xx"): 1,
              ("push_manifest", "2xx"): 1, ("delete", "2xx"): 1,
              ("pull_blob", "2xx"): 1}

    def counted():
        requests = numbers(server)["requests"]
        return {key: requests[key[0]][key[1]] for key in wanted}
    wait_until(lambda: all(counted()[key] >= wanted[key] for key in wanted),
               what="all requests are counted")
    assert counted() == wanted
    assert (numbers(server)["requests"]["pull_blob"]["sent_bytes"]
            >= len(image.blobs[0]))


def test_cache_and_uploads(server, repo_name):
    before = numbers(server)
    repo = oci.Repository(server, repo_name)
    repo.push(oci.make_image(), "v1")
    for _ in range(5):
        repo.get_manifest("v1")
    wait_until(lambda: numbers(server)["uploads_active"] == 0)
    after = numbers(server)
    assert after["cache_hits"] - before["cache_hits"] == 4
    assert after["cache_misses"] - before["cache_misses"] == 1
    assert after["cache_entries"] >= 1
    assert after["uploads_finished"] > before["uploads_finished"]
    assert after["uploads_active"] == 0
    assert after["daemon_waiting"] == 0
    assert after["daemon_connected"] == 2


def test_aborted_upload(server, repo_name):
    repo = oci.Repository(server, repo_name)
    first = repo.start_upload()
    before = numbers(server)
    with http.Connection(server.host, server.port) as link:
        link.send(http.head("PATCH", oci.target(first.headers["Location"]),
                            {"Content-Length": "1000000"}) + b"x" * 1000)
        wait_until(lambda: numbers(server)["uploads_active"] == 1,
                   what="the upload is active")
    wait_until(lambda: numbers(server)["uploads_aborted"]
               == before["uploads_aborted"] + 1)
    wait_until(lambda: numbers(server)["uploads_active"] == 0)


def test_plain(server):
    answer = http.request(server, "GET", "/status.txt")
    assert answer.headers["Content-Type"] == "text/plain"
    for line in answer.body.decode().splitlines():
        assert re.fullmatch(r"[a-z_]+( [a-z_]+)?( [1-5]xx)? \d+", line), line
    assert b"\ncache_hits " in answer.body


def test_openmetrics(server):
    answer = http.request(server, "GET", "/metrics")
    assert answer.headers["Content-Type"].startswith(
        "application/openmetrics-text; version=1.0.0")
    text = answer.body.decode()
    assert text.endswith("# EOF\n")
    families = set()
    for line in text.splitlines()[:-1]:
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in families
            families.add(name)
        elif line.startswith("# HELP "):
            assert line.split(" ")[2] == name
        else:
            sample = re.fullmatch(r"([a-z_]+)(\{[^}]*\})? (\d+)", line)
            assert sample, line
            suffix = "_total" if kind == "counter" else ""
            assert sample[1] == name + suffix
    assert {"registry_requests", "registry_cache_hits",
            "registry_uploads_active"} <= families


@pytest.mark.parametrize("accept,media", [
    (None, "text/plain"),
    ("*/*", "text/plain"),
    ("application/json", "application/json"),
    ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
     "application/openmetrics-text"),
])
def test_negotiation(server, accept, media):
    headers = {"Accept": accept} if accept else {}
    answer = http.request(server, "GET", "/status", headers)
    assert answer.headers["Content-Type"].startswith(media)


def test_methods(server):
    answer = http.request(server, "HEAD", "/metrics")
    assert answer.status == 200 and int(answer.headers["Content-Length"]) > 0
    assert http.request(server, "DELETE", "/metrics").status == 405


def test_survives_a_reload(server):
    before = numbers(server)["requests"]["ping"]["2xx"]
    assert before > 0
    server.reload()
    assert numbers(server)["requests"]["ping"]["2xx"] >= before


def test_readable_without_the_daemon(server):
    before = numbers(server)
    server.stop_daemon()
    after = wait_until(lambda: numbers(server)["daemon_connected"] == 0
                       and numbers(server), what="the daemon is gone")
    assert after["daemon_downs"] > before["daemon_downs"]
    assert after["requests"]["ping"]["2xx"] >= (
        before["requests"]["ping"]["2xx"])
    server.start_daemon()


def test_requests_over_tls(make_registry):
    """Those that the kernel encrypts for are some of those over TLS."""
    server = make_registry(tls=True, workers=1, locations=LOCATIONS,
                           server_directives="ssl_conf_command Options KTLS;")
    repo = oci.Repository(server, "status/tls")
    for _ in range(5):
        assert repo.get_manifest("none").status == 404
    wait_until(lambda: numbers(server)["tls_requests"] >= 5)
    found = numbers(server)
    assert 0 <= found["ktls_requests"] <= found["tls_requests"] < 20
    assert (found["ktls_requests"] > 0) == kernel_has_tls()


def kernel_has_tls():
    """True if a TCP connection can be given the layer that kTLS is."""
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.create_connection(listener.getsockname()) as client:
        try:
            client.setsockopt(socket.IPPROTO_TCP, 31, b"tls")  # TCP_ULP
        except OSError:
            return False
        return True


SNIPPET = (TREE / "conf" / "registry.conf").read_text()
METRICS = re.search(r"location = /-/metrics \{.*?^\}", SNIPPET, re.S | re.M)[0]
BEHIND = "set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;"


def test_the_daemon_s_metrics_are_for_this_machine(make_registry):
    """As the shipped snippet says it, also behind a proxy on this machine."""
    server = make_registry(locations=METRICS, server_directives=BEHIND)
    answer = http.request(server, "GET", "/-/metrics")
    assert answer.status == 200
    assert b"registryd_queue_length" in answer.body
    for peer in ("203.0.113.7", "2001:db8::7"):
        answer = http.request(server, "GET", "/-/metrics",
                              {"X-Forwarded-For": peer})
        assert answer.status == 403, peer
        assert b"registryd_" not in answer.body


def test_the_daemon_itself_knows_who_asks(make_registry):
    server = make_registry(server_directives=BEHIND)
    answer = http.request(server, "GET", "/-/metrics",
                          {"X-Forwarded-For": "203.0.113.7"})
    assert (answer.status, b"registryd_" in answer.body) == (404, False)
