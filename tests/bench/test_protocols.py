"""bench/protocols: every way is measured and nothing fails."""

import subprocess

import pytest

from harness.server import BUILD
from harness.tree import TREE

pytestmark = pytest.mark.ours


def test_every_way_has_a_number():
    done = subprocess.run(
        [TREE / "bench/protocols", "--rounds", "1", "--seconds", "1",
         "--build", BUILD], capture_output=True, text=True, timeout=120,
        check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()
            if line.startswith("| 1")]
    assert [row[0].strip() for row in rows] == ["100 MiB", "1 MiB", "1 KiB"]
    for row in rows:
        assert len(row) == 5
        for cell in row[1:]:
            assert float(cell.split()[0].replace(",", "").removesuffix("/s")
                         ) > 0, row
