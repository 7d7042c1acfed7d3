"""bench/audit: both registries are measured, and one of them keeps no log."""

import json
import subprocess

import pytest

from harness.server import BUILD
from harness.tree import TREE

pytestmark = [pytest.mark.ours, pytest.mark.heavy]


def test_every_kind_has_numbers(tmp_path):
    done = subprocess.run(
        [TREE / "bench/audit", "--rounds", "1", "--seconds", "0.5", "--json",
         "--data", tmp_path, "--build", BUILD], capture_output=True,
        text=True, timeout=300, check=False)
    if done.returncode == 2 and "sanitizer" in done.stderr:
        pytest.skip("bench/audit refuses sanitizer builds")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert set(found["runs"]) == {"manifest pushed", "refused, 401"}
    for kind in found["runs"].values():
        for runs in (kind["on"], kind["off"]):
            assert len(runs) == 1
            assert runs[0]["per_s"] > 0 and runs[0]["cpu_us"] > 0
    assert found["rows"]["off"] == 0 < found["rows"]["on"]
