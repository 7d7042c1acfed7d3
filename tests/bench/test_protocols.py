"""bench/protocols: every way is measured and nothing fails."""

import subprocess
import sys

import pytest

from harness.server import BUILD
from harness.tree import TREE

sys.path.insert(0, str(TREE / "bench"))

from kit import protocols  # noqa: E402

pytestmark = pytest.mark.ours


def test_every_way_has_a_number():
    done = subprocess.run(
        [TREE / "bench/protocols", "--rounds", "1", "--seconds", "1",
         "--build", BUILD], capture_output=True, text=True, timeout=120,
        check=False)
    if done.returncode == 2 and "sanitizer" in done.stderr:
        pytest.skip("bench/protocols refuses sanitizer builds")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()
            if line.startswith("| 1")]
    assert [row[0].strip() for row in rows] == ["100 MiB", "1 MiB", "1 KiB"]
    for row in rows:
        assert len(row) == 5
        for cell in row[1:]:
            assert float(cell.split()[0].replace(",", "").removesuffix("/s")
                         ) > 0, row


SAID = """\
finished in {took}, 3.00 req/s, 300.0MB/s
requests: 5 total, 5 started, 3 done, 3 succeeded, 0 failed, {bad} errored, \
0 timeout
status codes: {codes} 2xx, 0 3xx, {wrong} 4xx, 0 5xx
traffic: 300MB (3000300) total, 300B (300) headers (space savings 0.00%), \
300MB (3000000) data
"""


@pytest.mark.parametrize("words, expected", [
    ({"took": "1.50s"}, (1.5, 3000000)),
    ({"took": "500.00ms"}, (0.5, 3000000)),
    ({"bad": 1}, None), ({"codes": 0}, None), ({"wrong": 1}, None)])
def test_what_h2load_says_is_read(words, expected):
    said = SAID.format(**{"took": "1.00s", "bad": 0, "codes": 3, "wrong": 0,
                          **words})
    assert protocols.figures(said) == expected


def test_nothing_said_is_no_number():
    assert protocols.figures("") is None
