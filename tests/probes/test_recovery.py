"""Reads and writes work two seconds after an end, without anybody's doing."""

import pytest

from harness import operations as o
from harness.endings import Life
from harness.process import within

pytestmark = [pytest.mark.ours, pytest.mark.alone]
LONGEST = 2.0  # seconds


@pytest.fixture(scope="module")
def life():
    with Life() as one:
        yield one


@pytest.mark.parametrize("name, kind", [
    ("blob.renamed", o.Push), ("upload.state_written", o.PushInPieces)])
def test_of_a_worker(life, name, kind):
    def seconds():
        life.end_worker(name, life.make(kind))
        return life.took[name]
    within(LONGEST, seconds)


@pytest.mark.parametrize("name, kind", [
    ("names.committed", o.MoveTag), ("database.filled", o.PutManifest),
    ("gc.all_aside", o.Collect)])
def test_of_registryd(life, name, kind):
    def seconds():
        life.end_daemon(name, life.make(kind))
        return life.took[name]
    within(LONGEST, seconds)
