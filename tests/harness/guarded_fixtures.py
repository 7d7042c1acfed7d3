"""A guarded nginx for all tests of a file, before each of which nobody may do
anything; and a name of a repository."""

import pytest

from .guarded import Guarded


@pytest.fixture(scope="module")
def shared():
    with Guarded() as made:
        yield made


@pytest.fixture
def server(shared):
    shared.reset()
    return shared


@pytest.fixture
def name(repo_name):
    return repo_name
