"""Faults put in on purpose are seen: by the sanitizers with the builds and
settings that their stages use, and by valgrind as it watches nginx."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import server as servers, valgrind
from harness.process import end, run, start, wait_until

HERE = Path(__file__).parent
SANITIZER = os.environ.get("LONGSHORE_SANITIZED")
BUILD = servers.DAEMON.parent  # of the stage; BUILD may be the plain one

SEEN = {
    "asan": {
        "heap_use_after_free": "ERROR: AddressSanitizer: heap-use-after-free",
        "undefined_shift": "runtime error: shift exponent 40 is too large",
    },
    "tsan": {"data_race": "WARNING: ThreadSanitizer: data race"},
}
FAULTS = sorted(SEEN.get(SANITIZER, SEEN["asan"] | SEEN["tsan"]))


class Idle(servers.Server):
    """A server whose only process is one with a fault."""

    def __init__(self, command, program=""):
        super().__init__()
        self.command = command
        self.environment = servers.environment(program)
        self.process = None

    def start(self):
        self.process = start(self.command, self.dir / "planted.log",
                             self.environment)
        wait_until(lambda: self.process.poll() is not None, 60,
                   what="planted fault is over")
        return self

    def stop(self):
        end(self.process)


def commands(fault):
    """How a fault is met: in a program of the build and, as the module in
    Debian's nginx, in a library that a plain program loads."""
    out = [pytest.param(fault, [BUILD / "planted", fault], "",
                        id=f"{fault}-program")]
    if SANITIZER != "tsan":
        code = f"ctypes.CDLL('{BUILD}/planted_library.so').{fault}()"
        out.append(pytest.param(
            fault, [sys.executable, "-c", "import ctypes; " + code], "nginx",
            id=f"{fault}-library"))
    return out


@pytest.mark.sanitized
@pytest.mark.parametrize("fault, command, program", [
    row for fault in FAULTS for row in commands(fault)])
def test_the_stage_turns_red(fault, command, program):
    with pytest.raises(AssertionError) as red:
        with Idle(command, program):
            pass
    assert SEEN[SANITIZER][fault] in str(red.value)


@pytest.mark.sanitized
@pytest.mark.parametrize("fault", FAULTS)
def test_the_process_ends_with_it(fault):
    """Without the settings of the stage, which let a race go on."""
    env = {name: value for name, value in os.environ.items()
           if not name.endswith("SAN_OPTIONS")}
    done = subprocess.run([BUILD / "planted", fault], env=env,
                          capture_output=True, text=True)
    assert done.returncode != 0
    assert SEEN[SANITIZER][fault] in done.stderr


@pytest.mark.sanitized
def test_what_the_tests_run_is_instrumented(fresh_registry):
    """Not only the planted program: registryd, the module, their processes."""
    server = fresh_registry
    watched = {servers.DAEMON: [server.daemon_pid]}
    if SANITIZER == "asan":
        wait_until(lambda: len(server.worker_pids()) == server.workers,
                   what="all workers")
        watched[servers.BUILD / "ngx_http_registry_module.so"] = \
            server.worker_pids()
    short = SANITIZER[:1]
    for path, pids in watched.items():
        wanted = run("nm", "-D", "--undefined-only", path).stdout
        assert re.search(rf" __{short}san_(report_)?(load|read)8", wanted)
        assert (" __ubsan_handle_" in wanted) == (SANITIZER == "asan")
        for pid in pids:
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert f"/lib{SANITIZER}.so" in maps
            assert str(path.resolve()) in maps


# A module is seen by its name, or by the place of its sources where it has
# debugging information.
@pytest.mark.ours
@pytest.mark.parametrize("folder, name, flags", [
    ("ngx_module", "other.so", ["-g", "-O2"]),
    ("common", "other.so", ["-g", "-O0"]),
    ("elsewhere", "ngx_http_registry_module.so", ["-O2"]),
], ids=["sources", "common", "name"])
@pytest.mark.parametrize("fault, said", [
    ("heap_use_after_free", "Invalid read of size 1"),
    ("leak", "4,321 bytes in 1 blocks are definitely lost")])
def test_valgrind_reports_it(tmp_path, folder, name, flags, fault, said):
    source = tmp_path / folder / "planted.cpp"
    source.parent.mkdir()
    source.write_text((HERE / "planted.cpp").read_text())
    host, library = tmp_path / "host", tmp_path / name
    run("g++", "-std=c++20", "-rdynamic", "-o", host, HERE / "planted.cpp")
    run("g++", "-std=c++20", *flags, "-shared", "-fPIC", "-o", library,
        source)
    script = valgrind.wrap(host, tmp_path)
    assert run(script, "nothing", library, check=False).returncode == 2
    assert valgrind.findings(tmp_path) == []
    run(script, fault, library)
    found = valgrind.findings(tmp_path)
    assert len(found) == 1 and said in found[0], found


@pytest.mark.ours
def test_valgrind_lets_other_code_s_faults_pass(tmp_path):
    """Debian's nginx has some."""
    host = tmp_path / "host"
    run("g++", "-std=c++20", "-g", "-rdynamic", "-o", host,
        HERE / "planted.cpp")
    run(valgrind.wrap(host, tmp_path), "heap_use_after_free")
    assert valgrind.findings(tmp_path) == []
    assert "Invalid read" in "".join(
        path.read_text() for path in tmp_path.glob("valgrind.*.txt"))
