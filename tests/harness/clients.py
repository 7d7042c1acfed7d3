"""Where the real clients are: Debian's, or built ones in the cache."""

import os
import shutil
from pathlib import Path

# Built from source by tools/clients; the others are Debian packages.
BUILT = ("crane", "oras", "regctl", "cosign", "helm", "conformance")


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


def why_missing(name):
    """One line for the summary."""
    note = cache() / "failed" / name
    if note.exists():
        return f"{name} cannot be had: {note.read_text().strip()}"
    if name in BUILT:
        return f"{name} is not built (tools/clients {name})"
    return f"{name} is not installed (tools/install-deps clients)"
