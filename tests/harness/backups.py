"""A registry that is backed up, folders of backups, and roots to restore
into."""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from . import oci
from .private import Private
from .process import wait_until
from .server import BUILD, Registry

CTL = BUILD / "registryctl"
DAY = 86_400
BLOCK = bytes(range(256)) * 4096  # 1 MiB


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def ctl(*words, root=None, status=0):
    """registryctl --json; what it said, on both outputs."""
    command = [CTL, "--json", *(["--root", root] if root else []), *words]
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=180)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    said = json.loads(done.stdout) if done.stdout.strip() else {}
    return said, done.stderr


def create(folder, root, status=0):
    return ctl("backup", "create", folder, root=root, status=status)[0]


def verify(folder, *name, status=0):
    return ctl("backup", "verify", folder, *name, status=status)[0]


def begin(*words, root=None):
    """The same as a process of its own."""
    return subprocess.Popen(
        [CTL, *(["--root", root] if root else []), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# A process begins with the memory of the one that forked it, so that one is
# small.
MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=sys.stderr)
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_kib(*words, root):
    """The most memory that it had until it was done."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", MEASURE, CTL, "--root", root, *words],
        capture_output=True, text=True, timeout=180)
    status, peak = done.stdout.split()
    assert status == "0", done.stderr
    return int(peak)


class Mine(oci.Repository):
    """A repository whose registry has accounts."""

    def __init__(self, server, name, token):
        super().__init__(server, name)
        self.login = {"Authorization": f"Bearer {token}"}

    def call(self, method, path, headers=(), body=b"", pieces=None):
        return super().call(method, path, {**dict(headers), **self.login},
                            body, pieces)


def age(root, *digests):
    """As if blob and links had been changed two days ago."""
    then = time.time() - 2 * DAY
    base = root / "docker/registry/v2"
    for digest in digests:
        algorithm, hexed = digest.split(":")
        # Folders may go meanwhile, which os.walk takes as it comes.
        links = [f"{folder}/link"
                 for folder, _, _ in os.walk(base / "repositories")
                 if folder.endswith(f"/_layers/{algorithm}/{hexed}")]
        for path in (base / "blobs" / algorithm / hexed[:2] / hexed / "data",
                     *links):
            try:
                os.utime(path, (then, then))
            except FileNotFoundError:
                pass


def data(root, digest):
    algorithm, hexed = digest.split(":")
    return (root / "docker/registry/v2/blobs" / algorithm / hexed[:2] / hexed
            / "data")


def blob(folder, digest):
    algorithm, hexed = digest.split(":")
    return folder / "blobs" / algorithm / hexed[:2] / hexed


def newest(folder):
    return sorted((folder / "backups").iterdir())[-1]


def whole(folder):
    """Names of the backups that are one."""
    said, _ = ctl("backup", "list", folder)
    return [one["name"] for one in said["backups"]]


def write_manifest(backup, change=None):
    """The manifest as if a registryctl had made it of what lies there, with
    `change` done to it."""
    path = backup / "manifest.json"
    document = json.loads(path.read_text())
    del document["check"]
    for file in document["files"]:
        body = (backup / file["path"]).read_bytes()
        file.update(size=len(body), sha256=sha256(body))
    if change:
        change(document)
    compact = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    document["check"] = sha256(compact.encode())
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text)
    return text


def sql(backup, *statements):
    """Changes the database of a backup, digests and all."""
    path = backup / "longshore.sqlite"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = DELETE")
    with database:
        database.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            database.execute(statement)
    database.close()
    write_manifest(backup)


def empty(root):
    return sorted(path.name for path in root.iterdir()) == []


def verify_root(root):
    report, _ = ctl("verify", root=root)
    assert report["differences"] == [], report
    assert report["indexed"]
    return report


class Restored(Private):
    """nginx and registryd on a root that was restored."""

    def start(self):
        Registry.start(self)
        return self


def stop_at(process, ready):
    """Stops the process, which is at work, once `ready()`."""
    def seen():
        assert process.poll() is None, process.communicate()
        return ready()
    wait_until(seen, pause=0.0005, what="it is that far")
    os.kill(process.pid, signal.SIGSTOP)


def kill_at(process, ready):
    """SIGKILL once `ready()`, or at its end; true if it was killed."""
    while process.poll() is None and not ready():
        time.sleep(0.0002)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def copy_of(folder, target):
    shutil.copytree(folder, target, symlinks=True)
    return Path(target)
