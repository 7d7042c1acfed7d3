"""Words that do not belong into the tree: notes of unfinished work, paths of
the machine it was written on, second names for what has a name."""

import re

import pytest

from harness import tree

HERE = "tests/house/test_words.py"
UNFINISHED = re.compile(
    r"\b(TODO|FIXME|XXX|TBD|HACK)\b|\b[Nn]ot (yet )?implemented\b|"
    r"\b[Ll]orem ipsum\b|\bimplement me\b")
MACHINE = re.compile(
    r"(?<![\w.$}/-])/(work|Users)/|(?<![\w$}])/home/(?!\w+[>}])\w+|"
    r"\.pyenv|/root/\w")
# Types of ours; the protocols' own documents may say "layers".
SECOND_NAME = re.compile(
    r"\b(?:class|struct|enum class) (Artifact|Item|Object|User|Layer|Image|"
    r"Repo|Checksum|Sha|Namespace|Project)\b")
TEXT = (*tree.CPP, ".py", ".md", ".txt", ".sh", ".sql", ".conf", ".json",
        ".cmake", ".toml", ".yml", ".service", ".in")


def breaches(path, text):
    found = []
    rules = [UNFINISHED, MACHINE]
    if path.endswith(tree.CPP):
        rules.append(SECOND_NAME)
    for number, line in enumerate(text.splitlines(), 1):
        for rule in rules:
            match = rule.search(line)
            if match:
                found.append(f"{path}:{number}: {match.group(0)}")
    return found


def readable(path):
    return path != HERE and not path.startswith("tests/fuzz/corpus/") and (
        path.endswith(TEXT) or "." not in path.rsplit("/", 1)[-1])


def test_every_file():
    found = [line for path in tree.files() if readable(path)
             for line in breaches(path, tree.read(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path, line", [
    ("a.cpp", "// TODO: later"),
    ("a.py", "# FIXME"),
    ("docs/a.md", "This is not implemented."),
    ("tools/run", "cd /Users/me/longshore"),
    ("a.hpp", 'auto path = "/home/me/x";'),
    ("a.hpp", "struct Artifact {"),
])
def test_a_planted_breach_is_seen(path, line):
    assert breaches(path, f"first\n{line}\n")


@pytest.mark.parametrize("path, line", [
    ("a.cpp", "struct UploadState {"),
    ("a.cpp", "auto layers = manifest.layers;"),
    ("tools/run", 'work="$dir/work/x"'),
])
def test_what_is_allowed_passes(path, line):
    assert not breaches(path, line)
