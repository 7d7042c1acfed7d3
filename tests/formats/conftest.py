"""Fixtures of the suites of package formats."""

import itertools

import pytest

from harness.private import Private, add_repository

_numbers = itertools.count(1)


@pytest.fixture
def make_repository(registry):
    """make_repository("npm") → base URL of a new repository of `registry`,
    where everybody may do everything."""
    def make(format, key=None, settings="{}", server=registry):
        return add_repository(server, key or f"{format}{next(_numbers)}",
                              format, settings)
    return make


@pytest.fixture(scope="module")
def private():
    """A registry with accounts; private.repository("npm") → base URL,
    private.tokens["writer" "reader" "readonly" "stranger"]."""
    with Private() as server:
        yield server
