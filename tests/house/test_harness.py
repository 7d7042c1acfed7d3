"""The harness itself: a bad log turns a test red, a lost program too."""

import pytest

from harness import clients
from harness.server import Server

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


def test_the_test_s_own_failure_comes_first():
    with pytest.raises(ZeroDivisionError):
        with Idle() as server:
            server.error_log.write_text(REPORTS[3] + "\n")
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
