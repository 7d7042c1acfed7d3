"""A registry that is ended again and again, one for each file."""

import pytest

from harness.endings import Life


@pytest.fixture(scope="module")
def life():
    with Life() as one:
        yield one
        one.sweep()
