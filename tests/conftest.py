"""Fixtures of all suites. See README.md beside this file."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import clients  # noqa: E402
from harness.server import (  # noqa: E402
    STAND_IN, DistributionRegistry, server_class)

def pytest_configure(config):
    for line in (
            "heavy: needs a core for itself; heavy files run one at a time",
            "alone: measures time; runs when nothing else does",
            "sanitize: runs again on builds with sanitizers",
            "sanitized: runs on builds with sanitizers only",
            "ours: uses what docker-registry (the stand-in) does not have"):
        config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """One group per file, all heavy files in one group (xdist loadgroup)."""
    if not os.environ.get("LONGSHORE_SANITIZED"):
        plain = [item for item in items
                 if item.get_closest_marker("sanitized") is None]
        config.hook.pytest_deselected(
            items=[item for item in items if item not in plain])
        items[:] = plain
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            heavy = item.get_closest_marker("heavy") is not None
            item.add_marker(pytest.mark.xdist_group(
                "heavy" if heavy else item.path.stem))
        if STAND_IN and item.get_closest_marker("ours"):
            item.add_marker(pytest.mark.skip(
                reason="docker-registry, the stand-in, cannot do it"))


@pytest.fixture(scope="module")
def registry():
    """A server for the tests of one file; each test its own repository."""
    with server_class()() as server:
        yield server


@pytest.fixture(scope="module")
def registry_tls():
    """The same with TLS and HTTP/2."""
    with server_class()(tls=True) as server:
        yield server


@pytest.fixture
def fresh_registry():
    """A server for one test alone."""
    with server_class()() as server:
        yield server


@pytest.fixture
def make_registry():
    """Calls `Registry(**arguments)`, started; all end with the test."""
    servers = []

    def make(**arguments):
        server = server_class()(**arguments)
        servers.append(server)
        return server.start()
    yield make
    for server in servers:
        server.close()


@pytest.fixture
def distribution():
    """Debian's docker-registry on a fresh root."""
    clients.need("docker-registry")
    with DistributionRegistry() as server:
        yield server


@pytest.fixture(scope="session")
def client():
    """`client("crane")`: the program's path; see `clients.need`."""
    return clients.need


@pytest.fixture
def repo_name(request):
    """A repository name of this test's own."""
    name = request.node.name.lower()
    clean = "".join(c if c.isalnum() else "-" for c in name)
    while "--" in clean:
        clean = clean.replace("--", "-")
    return "t/" + clean.strip("-")
