"""Where the servers' data lie while a group of rows is asked, and how each
server begins a round there.

`disk` is the file system of --data, `memory` that of --memory: the same pushes
where neither fsync nor writing costs anything. `catalog` is a tree with many
manifests that ours and docker-registry serve both.
"""

import os
import shutil
import tempfile
from pathlib import Path

from harness.server import BUILD

from . import catalog
from .content import GIB, MIB
from .machine import file_system
from .servers import (KINDS, CatalogOurs, CatalogStatic, DockerRegistry,
                      GuardedOurs, OpenOurs, Ours)

# What the rows there need at most: two blobs of 1 GiB, of one server or the
# floor, what was pushed in small ones, and the tree.
IN_MEMORY = ("tmpfs", "ramfs")
MEMORY_BYTES = 4 * GIB
MEMORY_BYTES_QUICK = 512 * MIB


class Place:
    """One group of servers. `refused` says why nothing is measured here."""

    key = "disk"

    def __init__(self, folder, servers, refused=None):
        self.folder = folder
        self.servers = [] if refused else servers
        self.refused = refused
        self.on_disk = bool(folder) and file_system(folder) not in IN_MEMORY
        self.down = {}  # server name -> why it is out, from then on
        self.started = {server.name: [] for server in self.servers}

    def begin(self, content, say):
        """Starts every server as if it were new, so that all rounds begin
        alike and what was pushed does not pile up."""
        for server in self.servers:
            if server.name in self.down:
                continue
            try:
                self.renew(server, content)
            except Exception as error:  # whatever it is, it is this server's
                self.down[server.name] = reason(error)
                say(f"  {server.name} failed: {reason(error)}")

    def renew(self, server, content):
        server.stop()
        shutil.rmtree(server.root)
        server.root.mkdir()
        server.start()
        server.fill(content)
        server.stop()
        self.started[server.name].append(server.launch())

    def end(self):
        for server in self.servers:
            server.stop()

    def close(self):
        """Stops all; {server name: lines of its log that must not be}."""
        self.end()
        bad = {s.name: s.bad_log_lines()[:5] for s in self.servers}
        for server in self.servers:
            server.close(check=False)
        return bad


class MemoryPlace(Place):
    """Nothing is read here but what was pushed: servers start empty."""

    key = "memory"

    def renew(self, server, content):
        server.stop()
        shutil.rmtree(server.root)
        server.root.mkdir()
        server.start()


class GuardedPlace(Place):
    """With and without a login."""

    key = "guarded"


class CatalogPlace(Place):
    """The tree is made once, when the first round comes; the servers are
    started anew in each round."""

    key = "catalog"

    def __init__(self, folder, database, count, servers):
        super().__init__(folder, servers)
        self.database = database
        self.count = count
        self.targets = []
        self.warm_target = ""  # not in the list: what is in memory is not cold
        self.target_file = database.parent / "targets"
        self.next = {}  # server name -> number of the target to go on from

    def begin(self, content, say):
        if not self.targets:
            say(f"making a tree and a database with {self.count:,} manifests")
            tree = self.folder / "tree"
            *self.targets, self.warm_target = catalog.make_tree(
                tree, self.count + 1)
            self.target_file.write_text("\n".join(self.targets) + "\n",
                                        encoding="ascii")
            if any(s.name == Ours.name for s in self.servers):
                catalog.make_database(BUILD / "registryctl", tree,
                                      self.database, self.count + 1)
        super().begin(content, say)

    def renew(self, server, content):
        server.stop()
        server.content = content  # what static nginx returns
        self.started[server.name].append(server.launch())

    def take(self, server, count):
        """Where a run goes on that will ask for `count` more manifests."""
        first = self.next.get(server.name, 0)
        self.next[server.name] = first + count
        return first % self.count


def disk(folder, names, workers):
    names = [*names, *(["plain"] if "static" in names else [])]
    return Place(folder, [KINDS[name](folder / f"data-{name}", workers)
                          for name in names])


def memory(folder, names, workers, data):
    """`folder` is on the file system in memory, None if it has no room."""
    refused = None
    if folder is None:
        refused = "no file system in memory has the room"
    elif os.stat(data).st_dev == os.stat(folder).st_dev:
        refused = "the data of all rows is in memory"
    if refused:
        return MemoryPlace(None, [], refused)
    return MemoryPlace(folder, [
        KINDS[name](folder / f"data-{name}", workers) for name in names
        if name in (Ours.name, DockerRegistry.name)])


def guarded(folder, names, workers):
    kinds = (GuardedOurs, OpenOurs) if Ours.name in names else ()
    return GuardedPlace(folder, [
        kind(folder / f"guarded-{kind.name}", workers) for kind in kinds])


def catalog_place(folder, data, names, workers, count):
    """The tree lies in `folder`, the database in `data`, which is on disk."""
    tree, database = folder / "tree", data / "catalog-db"
    tree.mkdir()
    database.mkdir()
    made = {"ours": lambda: CatalogOurs(tree, workers, database),
            "static": lambda: CatalogStatic(data / "catalog-static", workers),
            "registry": lambda: DockerRegistry(tree, workers)}
    return CatalogPlace(folder, database, count,
                        [made[name]() for name in names])


def has_room(base, quick):
    """True if a folder is in memory, with room for what is put there."""
    needed = MEMORY_BYTES_QUICK if quick else MEMORY_BYTES
    return (base.is_dir() and file_system(base) in IN_MEMORY and
            shutil.disk_usage(base).free >= needed)


def memory_folder(base, quick):
    """A new folder below `base`; None if that has no room."""
    if not has_room(base, quick):
        return None
    return Path(tempfile.mkdtemp(prefix="longshore-bench-", dir=base))


def reason(error):
    """What went wrong in a line; of a log behind it, the last line too."""
    lines = (str(error).strip() or repr(error)).splitlines()
    return ": ".join(dict.fromkeys((lines[0], lines[-1])))[:400]
