"""Every point of the programs has an operation that comes to it, and is named
in docs/durability.md."""

import re

import pytest

from harness import points, probes, tree
from harness.endings import CTL, MODULE
from harness.server import DAEMON

pytestmark = pytest.mark.ours
LEAST = 40


@pytest.fixture(scope="module")
def found():
    return {name for path in (MODULE, DAEMON, CTL)
            for name in probes.Program(path).names}


def test_there_are_enough(found):
    assert len(found) >= LEAST


def test_every_point_has_an_operation(found):
    assert found == points.all_names()


def test_every_point_is_in_the_source_and_the_other_way_round(found):
    written = {f"{area}.{name}" for path in tree.cpp_files(
        "common", "ngx_module", "daemon", "ctl")
        for area, name in re.findall(r"LS_PROBE\((\w+), (\w+)\);",
                                     tree.read(path))}
    assert found == written


def test_every_point_is_documented(found):
    text = tree.read("docs/durability.md")
    table = text[text.index("Ends at any point"):]
    named = {f"{area}.{name}" for area, names in re.findall(
        r"^\| `(\w+)` \| ([^|]*) \|", table, re.M)
        for name in re.findall(r"`(\w+)`", names)}
    assert named == found


def test_a_trap_is_no_more_than_one_instruction(tmp_path):
    """The copy differs from the program at the point, and nowhere else."""
    program = probes.Program(DAEMON)
    nop, end = probes.trap()
    small = probes.Program(probes.without_debugging(DAEMON, tmp_path / "d"))
    # Packages install it without debugging information; the points stay.
    assert small.names == program.names
    copy = small.trapped_copy("names.committed", tmp_path / "trapped")
    before, after = (tmp_path / "d").read_bytes(), copy.read_bytes()
    differing = [at for at in range(0, len(before), 4096)
                 if before[at:at + 4096] != after[at:at + 4096]]
    places = [place for place in small.places
              if place.name == "names.committed"]
    assert len(differing) <= len(places)
    for place in places:
        assert before[place.offset:place.offset + len(nop)] == nop
        assert after[place.offset:place.offset + len(end)] == end
