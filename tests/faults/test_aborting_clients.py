"""Aborting clients: nothing leaks, nothing is used after free.

Run against the release build, and by tests/run once more against builds with
AddressSanitizer (module and daemon) and ThreadSanitizer (daemon); the last
test runs nginx under valgrind.
"""

import os
import signal

import pytest

from harness import server as servers, valgrind
from harness.abuse import abuse
from harness.process import wait_until

SLOW = bool(os.environ.get("LONGSHORE_SANITIZED"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.ours
@pytest.mark.sanitize
def test_nothing_leaks(fresh_registry):
    server = fresh_registry
    abuse(server, 4, 60)
    before = {pid: descriptors(pid) for pid in server.worker_pids()}
    abuse(server, 6, 40 if SLOW else 150)

    def settled():
        return all(descriptors(pid) <= count + 8
                   for pid, count in before.items())
    wait_until(settled, what="descriptors are given back")
    assert set(server.worker_pids()) == set(before), "a worker died"


@pytest.mark.ours
@pytest.mark.sanitize
def test_reload_meanwhile(fresh_registry):
    fresh_registry.allow_log(r"open socket #\d+ left in connection")
    abuse(fresh_registry, 4, 40 if SLOW else 120,
          meanwhile=fresh_registry.reload)


@pytest.mark.ours
@pytest.mark.sanitize
def test_daemon_dies_meanwhile(fresh_registry):
    server = fresh_registry
    abuse(server, 4, 40 if SLOW else 120,
          meanwhile=lambda: server.restart_daemon(signal.SIGKILL))


class UnderValgrind(servers.Registry):
    """nginx under memcheck."""

    def start_nginx(self):
        plain, servers.NGINX = servers.NGINX, str(
            valgrind.wrap(servers.NGINX, self.dir))
        try:
            super().start_nginx()
        finally:
            servers.NGINX = plain


@pytest.mark.ours
@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_valgrind_finds_nothing():
    if SLOW:
        pytest.skip("a sanitizer build does not run under valgrind")
    server = UnderValgrind(workers=1)
    with server:
        # Everything is twenty times slower here, the first handshake too.
        wait_until(server.daemon_answers, 60, what="daemon answers")
        abuse(server, 3, 25)
        server.stop_nginx(signal.SIGQUIT)
        found = valgrind.findings(server.dir)
        assert list(server.dir.glob("valgrind.*.txt"))
    assert not found, "\n\n".join(found[:5])
