"""Every C++ file is as clang-format writes it."""

import subprocess

import pytest

from harness import clients, tree


def differs(*arguments, text=None):
    return subprocess.run(
        ["clang-format", "--dry-run", "-Werror", "--ferror-limit=3",
         *arguments], cwd=tree.TREE, input=text, capture_output=True,
        text=True)


@pytest.fixture(autouse=True)
def needs_clang_format():
    clients.need("clang-format")


def test_every_file():
    result = differs(*(name for name in tree.cpp_files()
                       if name.endswith((".cpp", ".hpp"))))
    assert result.returncode == 0, result.stderr


def test_a_planted_breach_is_seen():
    good = "int add(int a, int b) {\n    return a + b;\n}\n"
    name = "--assume-filename=common/x.cpp"
    assert differs(name, text=good).returncode == 0
    assert differs(name, text=good.replace("    ", "  ")).returncode != 0
