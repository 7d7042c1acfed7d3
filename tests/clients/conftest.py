"""Real clients meet what `make run` starts; see `registry`."""

import os

import pytest

from harness.client_fixtures import (
    certificates, cli, docker, family, family_layout, hello, home, layout,
    note, picture)
from harness.server import STAND_IN, MakeRun, server_class

__all__ = ("certificates", "cli", "docker", "family", "family_layout",
           "hello", "home", "layout", "note", "picture")


@pytest.fixture(scope="module")
def registry():
    """What `make run` starts, one per file.

    Not with sanitizers: `make run` does not preload their libraries.
    """
    plain = STAND_IN or os.environ.get("LONGSHORE_PRELOAD")
    with (server_class() if plain else MakeRun)() as server:
        yield server
