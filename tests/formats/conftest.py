"""Fixtures of the suites of package formats."""

import itertools
import sqlite3
import time

import pytest

_numbers = itertools.count(1)


def add_repository(server, key, format, settings="{}"):
    """Makes a repository in a running server; its base URL."""
    path = server.root / "db" / "longshore.sqlite"
    with sqlite3.connect(path, timeout=30) as database:
        database.execute(
            "INSERT INTO repositories (key, format, kind, settings,"
            " created_at_ms) VALUES (?, ?, 'local', ?, ?)",
            (key, format, settings, int(time.time() * 1000)))
    database.close()
    return f"{server.url}/{format}/{key}"


@pytest.fixture
def make_repository(registry):
    """make_repository("npm") → base URL of a new repository of `registry`."""
    def make(format, key=None, settings="{}", server=registry):
        return add_repository(server, key or f"{format}{next(_numbers)}",
                              format, settings)
    return make
