"""A bug put into one file, and the tests that must see it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`bug` is the class, see `classes.py`; `like` is what such advisories
    were; `old` stands once in `file` and `new` takes its place.

    `tests` are `unit_daemon Suite.Test`, or `suite/test_file.py::test`; at
    least one of them has to fail by an assertion. `cells` is a regular
    expression of operations: with it `auth/test_matrix.py::test_matrix` is
    one of the tests, with these operations alone."""

    name: str
    bug: int
    like: str
    file: str
    old: str
    new: str
    tests: tuple = ()
    cells: str = ""

    def commands(self):
        """(test, cells) of each test."""
        matrix = (("auth/test_matrix.py::test_matrix", self.cells),) \
            if self.cells else ()
        return tuple((test, "") for test in self.tests) + matrix
