"""A format is one source, one test and one page; and the table of the README
is that of the formats there are."""

import re
import subprocess

import pytest

from harness import tree
from harness.server import BUILD

FOLDER = tree.TREE / "daemon" / "formats"
KEYS = sorted(path.stem for path in FOLDER.iterdir()
              if path.is_dir() or path.suffix == ".cpp")
# The protocol that everything began with has suites of its own.
TESTS = {"oci": "tests/oci/test_conformance.py"}
PAGES = {"oci": "docs/oci.md"}


@pytest.mark.parametrize("key", KEYS)
def test_each_has_its_test_and_its_page(key):
    test = TESTS.get(key, f"tests/formats/test_{key}.py")
    page = PAGES.get(key, f"docs/formats/{key}.md")
    assert (tree.TREE / test).is_file(), f"no {test}"
    text = (tree.TREE / page).read_text()
    assert re.match(r"# \S", text), f"{page} has no title"
    if key not in PAGES:
        assert "registryctl setup" in text or "curl" in text or (
            "```" in text or "\n    " in text), f"{page} sets no client up"


def test_the_list_is_not_empty():
    assert {"generic", "oci"} <= set(KEYS)


def test_the_table_of_the_readme_is_current():
    done = subprocess.run(
        [tree.TREE / "tools" / "support-table", "--build", BUILD, "--check"],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
