"""The harness itself: a bad log turns a test red, a lost program too; a
server is the test's own."""

import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness import clients, ports, server as servers
from harness.machine import HOME, Machine
from harness.process import alive
from harness.server import Registry, Server

REPORTS = [
    "2026/01/01 00:00:00 [alert] 7#7: worker process 8 exited on signal 11",
    "2026/01/01 00:00:00 [crit] 7#7: *1 write() failed",
    "2026/01/01 00:00:00 [emerg] 7#7: still could not bind()",
    "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x6020",
    "==7==ERROR: LeakSanitizer: detected memory leaks",
    "WARNING: ThreadSanitizer: data race (pid=7)",
    "a.cpp:3:7: runtime error: shift exponent 40 is too large",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "panic: runtime error: index out of range",
]


@pytest.mark.parametrize("line", REPORTS)
@pytest.mark.parametrize("log", ["error.log", "nginx.log", "daemon.log"])
def test_a_report_in_a_log_turns_a_test_red(line, log):
    with pytest.raises(AssertionError, match="logs hold"):
        with Idle() as server:
            (server.dir / log).write_text(f"well\n{line}\nwell\n")
    assert not server.dir.exists()


def test_what_was_announced_is_let_pass():
    with Idle() as server:
        server.allow_log(r"worker process \d+ exited on signal")
        server.error_log.write_text(REPORTS[0] + "\n")
    with pytest.raises(AssertionError, match="AddressSanitizer"):
        with Idle() as server:
            server.allow_log(r"worker process \d+ exited on signal")
            server.error_log.write_text("\n".join(REPORTS) + "\n")


def test_what_clients_sent_is_no_report():
    with Idle() as server:
        server.error_log.write_text("[error] 7#7: *1 no such file\n")
        (server.dir / "access.log").write_text("GET /AddressSanitizer\n")


def test_a_test_that_fails_anyway_hides_no_report():
    with pytest.raises(AssertionError, match="AddressSanitizer") as red:
        with Idle() as server:
            server.error_log.write_text(REPORTS[3] + "\n")
            raise ZeroDivisionError
    assert isinstance(red.value.__cause__, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        with Idle() as server:
            raise ZeroDivisionError


def test_a_debian_program_may_not_lack(monkeypatch):
    monkeypatch.setattr(clients, "find", lambda name: None)
    for name in ("podman", "clang-format", "valgrind"):
        with pytest.raises(pytest.fail.Exception, match="tools/install-deps"):
            clients.need(name)
    with pytest.raises(pytest.skip.Exception, match="crane"):
        clients.need("crane")


class Idle(Server):
    """A server of no process: only its logs."""

    def start(self):
        return self

    def stop(self):
        pass


class Stranger(BaseHTTPRequestHandler):
    """Somebody else's registry."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def taken():
    """A port on which another server answers 200."""
    with HTTPServer((ports.HOST, ports.free_port()), Stranger) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield other.server_port
        other.shutdown()
        thread.join()


@pytest.mark.ours
def test_a_lost_port_is_no_server_and_no_failure(monkeypatch, taken):
    """nginx tries for seconds to bind; meanwhile the other one answers."""
    given = iter([taken])
    monkeypatch.setattr(servers, "free_port",
                        lambda: next(given, None) or ports.free_port())
    with Registry(workers=1) as server:
        assert server.port != taken
        assert server.answers()


def test_a_start_that_fails_leaves_nothing():
    server = Registry(workers=1, http_directives="no_such_directive;")
    with pytest.raises(AssertionError, match="no_such_directive"):
        server.start()
    assert not server.dir.exists()


def test_ports_are_not_those_of_clients():
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    given = [ports.free_port() for _ in range(20)]
    assert len(set(given)) == 20
    assert max(given) < lowest or lowest < ports.LAST


def test_two_processes_share_no_port():
    ports.free_port()
    program = ("import sys; sys.path.insert(0, sys.argv[1]);"
               "from harness.ports import SHARE, Share; share = Share();"
               "print(*{next(share.ports) for _ in range(SHARE)})")
    others = subprocess.run(
        [sys.executable, "-c", program, str(servers.TREE / "tests")],
        text=True, capture_output=True, check=True).stdout.split()
    assert len(others) == ports.SHARE
    mine = {ports.free_port() for _ in range(ports.SHARE)}
    assert not {int(port) for port in others} & mine


def test_who_listens_is_known():
    with socket.socket() as sock:
        sock.bind((ports.HOST, ports.free_port()))
        port = sock.getsockname()[1]
        assert not ports.listens(os.getpid(), port)
        sock.listen()
        assert ports.listens(os.getpid(), port)
        assert not ports.listens(os.getppid(), port)


def children_of_namespace(pid):
    """Pids of all processes in the PID namespace of `pid`."""
    def space(of):
        try:
            return os.readlink(f"/proc/{of}/ns/pid")
        except OSError:
            return None
    return [int(one) for one in os.listdir("/proc")
            if one.isdigit() and space(one) == space(pid)]


def test_a_machine_of_a_tests_own_leaves_this_one_alone(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    with Machine(tmp_path / "machine", shared) as machine:
        machine("touch /etc/longshore-test /usr/bin/longshore-test new",
                cwd=str(shared))
        machine("rm /etc/passwd")
        assert not machine.path("/etc/passwd").exists()
        machine.write(f"{HOME}/mine", "text")
        assert machine.files(HOME) == {f"{HOME}/mine": (b"text", 0o644)}
        # What goes on in it ends with it.
        machine("sleep 1000 > /dev/null 2>&1 &")
        inside = children_of_namespace(machine.pid)
        assert len(inside) > 1
    assert not [pid for pid in inside if alive(pid)]
    for path in ("/etc/longshore-test", "/usr/bin/longshore-test", HOME):
        assert not os.path.exists(path)
    assert os.path.exists("/etc/passwd") and (shared / "new").exists()


def test_no_machine_is_no_skip(tmp_path, monkeypatch):
    refuse = tmp_path / "unshare"
    refuse.write_text("#!/bin/sh\necho unshare: not permitted >&2\nexit 1\n")
    refuse.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(AssertionError, match="not permitted"):
        Machine(tmp_path / "machine")
