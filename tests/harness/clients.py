"""Where programs are: Debian's, or clients built into the cache; and what
a test may do."""

import os
import shutil
from pathlib import Path

import pytest

# Built from source by tools/clients; the others are Debian packages.
BUILT = ("crane", "oras", "regctl", "cosign", "helm",
         "helm-cm-push", "conformance", "uv", "yarn", "yarn4", "pnpm", "bower")
# Bits of CapEff in /proc/self/status.
_RIGHTS = {"CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}


def cache():
    """The folder of tools/clients, outside the tree."""
    base = os.environ.get("LONGSHORE_CACHE") or os.path.expanduser(
        "~/.cache/longshore")
    return Path(base) / "clients"


def find(name):
    """The path of a client's program, or None."""
    given = os.environ.get(f"LONGSHORE_{name.upper()}")
    if given:
        return given
    built = cache() / "bin" / name
    if name in BUILT:
        return str(built) if os.access(built, os.X_OK) else None
    debian = f"/usr/bin/{name}"
    return debian if os.access(debian, os.X_OK) else shutil.which(
        name, path="/usr/sbin:/usr/local/bin:" + os.environ["PATH"])


def path_of(program):
    """PATH with the folder of a program first: of its companions too."""
    return f"{os.path.dirname(program)}:{os.environ['PATH']}"


def newest_go():
    """Folder of the newest Go: the machine's own, or what tools/clients
    fetched to build with. It builds crane first, so that says why there is
    none."""
    for folder in (Path("/usr/local/go/bin"),
                   *sorted(cache().glob("go1.*/bin"), reverse=True)):
        if os.access(folder / "go", os.X_OK):
            return folder
    pytest.fail(why_missing("crane"))


def why_missing(name):
    """One line for the summary."""
    note = cache() / "failed" / name
    if note.exists():
        return f"{name} cannot be had: {note.read_text().strip()}"
    if name in BUILT:
        return f"{name} is not built (tools/clients {name})"
    return f"{name} is not installed (tools/install-deps)"


def need(name):
    """The path of a program that a test cannot do without.

    `make test` installs Debian's, so a missing one fails the test; a client
    that is built from source may be out of reach: a counted skip.
    """
    path = find(name)
    if path is None:
        (pytest.skip if name in BUILT else pytest.fail)(why_missing(name))
    return path


def need_right(name, what):
    """Skips a test that lacks a right. One that has it may not skip."""
    with open("/proc/self/status", encoding="ascii") as status:
        mask = next(int(line.split()[1], 16) for line in status
                    if line.startswith("CapEff:"))
    if not mask >> _RIGHTS[name] & 1:
        pytest.skip(f"needs {name} {what}")
