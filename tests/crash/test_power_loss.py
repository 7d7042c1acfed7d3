"""Nothing that was answered with success is lost with the power, at any of
200 moments of a short run; `make crash` has more than ten thousand of them.
Where the disk cannot be had (root, /dev/fuse, loop devices, nbdkit) it
fails."""

import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ours, pytest.mark.heavy]
RUN = Path(__file__).parent / "run"
SHORT = ("--rounds", "1", "--images", "8", "--few", "--points", "200",
         "--looks", "4")
FULL = os.environ.get("LONGSHORE_CRASH") == "full"
FIGURES = re.compile(r"crash points: (\d+), flush boundaries: (\d+), "
                     r"with the product: (\d+), violations: (\d+)")


def output(*command):
    """What it printed, and its exit code. It is asked to end where the test
    is, for it has loop devices."""
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            text, _ = process.communicate()
            return text, process.returncode
        finally:
            process.terminate()


@pytest.mark.timeout(7200 if FULL else 600)
def test_nothing_acknowledged_is_lost():
    text, code = output(RUN, *(() if FULL else SHORT))
    print(text)
    figures = FIGURES.search(text)
    if not figures:  # which no mutant may be caught by
        raise RuntimeError("it came to no end:\n" + text[-4000:])
    points, boundaries, looks, violations = map(int, figures.groups())
    assert violations == 0, text[:4000]
    assert code == 0
    least = (10_000, 1000, 50) if FULL else (200, 100, 4)
    assert (points, boundaries, looks) >= least
