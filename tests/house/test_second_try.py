"""tests/run gives what failed a second try, and says so: seen with tests that
fail as planted."""

import os
import shutil
import subprocess
import sys
import types
from importlib.machinery import SourceFileLoader

import pytest

from harness.server import TREE

PLANTED = '''
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def once(name, words="the first one"):
    """Fails when it is called first."""
    if not (HERE / name).exists():
        (HERE / name).touch()
        raise AssertionError(words)


def test_good():
    pass
'''
ONCE = '''
@pytest.mark.parametrize("what", ["a/b", "c"])
def test_once_{0}(what):
    if what == "c":
        once("{0}", {1!r})
'''
ALWAYS = '''
def test_always():
    raise AssertionError("every time")
'''
AT_END = '''
@pytest.fixture
def ending():
    yield
    once("ending", "at its end")


def test_at_end(ending):
    once("body")
'''


@pytest.fixture
def runner(monkeypatch):
    """tests/run as a module."""
    loader = SourceFileLoader("tests_run", str(TREE / "tests" / "run"))
    module = types.ModuleType(loader.name)
    module.__file__ = loader.path
    monkeypatch.setitem(sys.modules, loader.name, module)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path):
    """Calls a copy of tests/run on planted tests: (exit code, lines, folder
    of the results)."""
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("run", "conftest.py", "pytest.ini"):
        shutil.copy(TREE / "tests" / name, tests)
    shutil.copytree(TREE / "tests" / "harness", tests / "harness",
                    ignore=shutil.ignore_patterns("__pycache__"))

    def call(*pieces):
        (tests / "planted").mkdir()
        (tests / "planted" / "test_it.py").write_text(
            PLANTED + "".join(pieces))
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("PYTEST_", "LONGSHORE_"))}
        done = subprocess.run(
            [sys.executable, tests / "run", "--build", tmp_path / "build",
             "--only", "planted", "-n", "1"], env=env, text=True,
            timeout=150, capture_output=True, check=False)
        return (done.returncode, done.stdout.splitlines(),
                tmp_path / "build" / "test-results")
    return call


def test_a_second_try_that_passes_is_told(run):
    code, lines, results = run(ONCE.format("a", "the first one"), AT_END)
    assert lines[-1] == "4 passed, 0 failed, 0 skipped, 2 unsteady"
    assert code == 0
    told = [line for line in lines if line.startswith("unsteady ")]
    assert len(told) == 2
    assert any("test_once_a[c]: AssertionError: the first one" in line
               for line in told)
    whole = (results / "unsteady.txt").read_text()
    assert "test_once_a[c]" in whole and "raise AssertionError(words)" in whole


def test_no_more_than_two(run):
    code, lines, _ = run(*(ONCE.format(name, "once") for name in "abc"))
    assert (code, lines[-1]) == (1, "4 passed, 3 failed, 0 skipped")


def test_a_second_failure_is_one(run):
    code, lines, _ = run(ONCE.format("a", "once"), ALWAYS)
    assert (code, lines[-1]) == (
        1, "3 passed, 1 failed, 0 skipped, 1 unsteady")
    assert any(line.startswith("FAILED ") and "test_always" in line
               for line in lines)


def test_what_a_sanitizer_says_is_final(run):
    code, lines, _ = run(ONCE.format("a", "ERROR: AddressSanitizer: x"))
    assert (code, lines[-1]) == (1, "2 passed, 1 failed, 0 skipped")


@pytest.mark.parametrize("node, text, final", [
    ("ngx/test_x.py::test_y", "AssertionError: 404", False),
    ("", "ctest ended with 8", True),
    ("house/test_x.py::test_y", "", True),
    ("fuzz/test_fuzz.py::test_y", "", True),
    ("oci/test_conformance.py::test_conformance[tls]", "", True),
    ("faults/test_planted.py::test_y", "", True),
    ("faults/test_x.py::test_valgrind_finds_nothing", "", True),
    ("ngx/test_x.py::test_y", "logs hold:\n[alert] 7#7: x", True),
    ("ngx/test_x.py::test_y", "WARNING: ThreadSanitizer: data race", True),
    ("ngx/test_x.py::test_y", "a.cpp:3:7: runtime error: shift", True),
    ("ngx/test_x.py::test_y", "==7== Invalid read of size 1", True),
])
def test_what_is_final(runner, node, text, final):
    assert runner.Failure("", "", text, node, {}).is_final() == final
