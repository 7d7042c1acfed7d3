"""The mutants apply to the sources of now, name tests that are there, and
two of them a day are built and caught; all of them by `make mutants`."""

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.server import BUILD, TREE  # noqa: E402

from classes import CLASSES, NOT_YET  # noqa: E402
from table import MUTANTS  # noqa: E402

TESTS = TREE / "tests"
# Of these a compiler, a linker and a moment are enough.
QUICK = [mutant for mutant in MUTANTS if not mutant.cells and mutant.tests
         and all(test.startswith(("unit_common", "unit_ngx"))
                 for test in mutant.tests)]
DAY = int(time.time() // 86400)


def run(*words):
    return subprocess.run(
        [TESTS / "mutants" / "run", "--build", BUILD, *words],
        capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_it_still_applies(mutant):
    text = (TREE / mutant.file).read_text()
    assert text.count(mutant.old) == 1, (
        f"{mutant.file} has changed: put the bug of the mutant "
        f"{mutant.name} into what it is now (tests/mutants)\n{mutant.old}")
    assert mutant.old != mutant.new


def test_every_class_has_mutants():
    count = Counter(mutant.bug for mutant in MUTANTS)
    assert set(count) <= set(CLASSES)
    assert set(CLASSES) == set(count) | set(NOT_YET)
    names = Counter(mutant.name for mutant in MUTANTS)
    assert max(names.values()) == 1 and len(MUTANTS) >= 35


def test_every_test_is_there():
    unit = {"unit_common": "common", "unit_daemon": "daemon",
            "unit_model": "model", "unit_ngx": "ngx"}
    texts = {name: "".join(path.read_text() for path in
                           (TESTS / "unit").glob(f"{group}_*.cpp"))
             for name, group in unit.items()}
    for mutant in MUTANTS:
        assert mutant.commands(), mutant.name
        for test, _ in mutant.commands():
            if test.startswith("unit_"):
                program, label = test.split()
                suite, _, case = label.partition(".")
                pattern = rf"TEST\w*\({suite},\s*" + (
                    "" if case == "*" else rf"{case}\)")
                assert re.search(pattern, texts[program]), test
            else:
                path, _, case = test.partition("::")
                text = (TESTS / path).read_text()
                assert f"def {case}" in text, test


def test_two_of_them_are_caught():
    start = DAY * 2 % len(QUICK)
    chosen = (QUICK + QUICK)[start:start + 2]
    done = run("-j1", *(mutant.name for mutant in chosen))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 mutants caught" in done.stdout


def test_the_driver_can_fail(tmp_path):
    """A change that breaks nothing, and one that does not compile."""
    for new, said in (("2 + 1", "no test failed by an assertion"),
                      ("no such", "does not compile")):
        copy = tmp_path / new.replace(" ", "_")
        copy.mkdir()
        for name in ("run", "mutant.py", "classes.py"):
            text = (TESTS / "mutants" / name).read_text()
            text = text.replace("Path(__file__).resolve().parents[1]",
                                f"Path({str(TESTS)!r})")
            (copy / name).write_text(text)
        (copy / "table.py").write_text(
            "from mutant import Mutant\n"
            "MUTANTS = (Mutant('same', 26, '', 'common/siphash.cpp',"
            f" 'namespace longshore {{', 'namespace longshore {{\\nnamespace"
            f" {{ [[maybe_unused]] const int kThree = {new}; }}',"
            " ('unit_common SipHash.*',)),)\n")
        done = subprocess.run(
            [sys.executable, copy / "run", "--build", BUILD],
            capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 1, done.stdout + done.stderr
        assert said in done.stdout
