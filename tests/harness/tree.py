"""The source tree, for tests that read it: files, C++ without comments."""

import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent.parent
CPP = (".cpp", ".hpp", ".c", ".h")


@lru_cache(maxsize=None)
def files():
    """Paths of all files of the project, relative to the tree, sorted."""
    listed = subprocess.run(
        ["git", "-C", str(TREE), "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"], capture_output=True, text=True)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.split("\0") if name]
    else:  # an unpacked archive
        names = []
        for folder, folders, leaves in os.walk(TREE):
            folders[:] = [name for name in folders if not re.match(
                r"build|var$|\.git$|\.cache|__pycache__|node_modules", name)]
            names += [str((Path(folder) / leaf).relative_to(TREE))
                      for leaf in leaves]
    return sorted(name for name in set(names) if (TREE / name).is_file())


def cpp_files(*folders):
    """C and C++ files, all or those below the folders."""
    return [name for name in files() if name.endswith(CPP) and (
        not folders or name.startswith(tuple(f"{f}/" for f in folders)))]


@lru_cache(maxsize=None)
def read(name):
    return (TREE / name).read_text(encoding="utf-8")


_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|"""
    r"""(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'""", re.S)


def code_only(text):
    """C++ with comments blanked and literals emptied, lines kept."""
    def blank(match):
        found = match.group(0)
        lines = "\n" * found.count("\n")
        return lines if found.startswith("/") else '""' + lines
    return _TOKEN.sub(blank, text)
