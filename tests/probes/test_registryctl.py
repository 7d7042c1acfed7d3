"""Ends at the points that registryctl comes to."""

import signal
import subprocess

import pytest

from harness import operations as o, points
from harness.endings import CTL, WHOLE, Life
from harness.process import wait_until

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def life():
    with Life() as one:
        yield one
        one.sweep()


def ends(life, name, *words, given=None):
    """registryctl comes to the point."""
    path = life.trapped("ctl", CTL, name)
    done = subprocess.run([path, "--root", life.server.root, *words],
                          input=given, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == -signal.SIGTRAP, (name, done)


@pytest.mark.parametrize("name", points.REBUILD)
def test_a_rebuild_ends(life, name):
    """There is a whole database at any moment, the old or the new one."""
    done = [life.make(kind) for kind in (o.PutManifest, o.PutFile)]
    for operation in done:
        operation.do()
    life.server.stop_daemon()
    ends(life, name, "rebuild")
    life.server.start_daemon()
    wait_until(life.works, what="the servers work")
    for operation in done:
        assert operation.look() == WHOLE
    assert not list((life.server.root / "db").glob("*rebuild*"))
    life.verify()
    life.server.stop_daemon()
    life.ctl("rebuild")
    life.server.start_daemon()
    wait_until(life.works, what="the servers work")
    for operation in done:
        assert operation.look() == WHOLE
    life.armed = False


@pytest.mark.parametrize("name", points.SETUP)
def test_a_setup_ends(life, name):
    """The administrator is there, and there is no second one."""
    password = "a password of tests 1"
    ends(life, name, "setup", "root", "--password-stdin", given=password)
    again = subprocess.run(
        [CTL, "--root", life.server.root, "setup", "root",
         "--password-stdin"], input=password, capture_output=True, text=True,
        timeout=60)
    assert again.returncode != 0
    assert "there is an administrator already: root" in again.stderr
    life.armed = False
    life.verify()
