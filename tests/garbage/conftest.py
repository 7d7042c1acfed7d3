"""A server for each file of this suite, and what it has on disk, which is
compared with its database at the end of each test."""

import pytest

from harness.server import Registry
from harness.stored import Store


@pytest.fixture(scope="module")
def server():
    with Registry() as one:
        yield one


@pytest.fixture
def store(server):
    one = Store(server)
    yield one
    one.check()
