"""Each fuzz target runs for FUZZ_SECONDS (15 where CI is set, else 5)."""

import fcntl
import importlib.machinery
import importlib.util
import os
from pathlib import Path

import pytest

from harness import clients

HERE = Path(__file__).parent
CI = os.environ.get("CI", "") not in ("", "0", "false")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "15" if CI else "5"))


def load_runner():
    """tests/fuzz/run as a module."""
    loader = importlib.machinery.SourceFileLoader(
        "fuzz_run", str(HERE / "run"))
    spec = importlib.util.spec_from_loader("fuzz_run", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


RUNNER = load_runner()


@pytest.fixture(scope="session")
def built():
    clients.need("clang++")
    RUNNER.BUILD.mkdir(exist_ok=True)
    with open(RUNNER.BUILD / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        RUNNER.build(RUNNER.targets())


# Two groups, so that two targets run at a time.
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.xdist_group(f"fuzz-{place % 2}"))
    for place, name in enumerate(RUNNER.targets())])
@pytest.mark.timeout(SECONDS + 1800)  # a cold build included
def test_target(built, name):
    runs, failure = RUNNER.fuzz(name, SECONDS)
    print(f"{runs} executions")
    assert not failure, failure
    assert runs > 1000
