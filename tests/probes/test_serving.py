"""Ends at the points that a worker of nginx and registryd come to while they
serve: docs/durability.md, "Ends at any point"."""

import pytest

from harness import points

pytestmark = pytest.mark.ours


@pytest.mark.parametrize("name, kind", points.cases(points.WORKER))
def test_a_worker_ends(life, name, kind):
    life.end_worker(name, life.make(kind))


# A supervisor starts all of nginx again; a quarter of the rows is enough.
@pytest.mark.parametrize("name, kind", points.cases(points.WORKER)[::4])
def test_all_of_nginx_ends(life, name, kind):
    life.end_worker(name, life.make(kind), master=True)


@pytest.mark.parametrize("name, kind", points.cases(points.DAEMON))
def test_registryd_ends(life, name, kind):
    life.end_daemon(name, life.make(kind))
