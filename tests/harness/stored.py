"""What a server has on disk, made older as one likes, and registryctl beside
it."""

import json
import os
import sqlite3
import subprocess
import time

from harness.server import BUILD

DAY = 86_400
# nginx leaves a link alone for a minute after it took a lease by it. Where a
# test makes links older while others push, that memory must not be asked.
FORGETFUL = "registry_open_files off;"


class Store:
    """The server's files, and registryctl beside it."""

    def __init__(self, server):
        self.server = server
        self.base = server.root / "docker/registry/v2"

    def data(self, digest):
        algorithm, hexed = digest.split(":")
        return self.base / "blobs" / algorithm / hexed[:2] / hexed / "data"

    def link(self, name, digest):
        algorithm, hexed = digest.split(":")
        return (self.base / "repositories" / name / "_layers" / algorithm
                / hexed / "link")

    def age(self, *paths):
        """As if they had been changed two days ago; all, without paths."""
        then = time.time() - 2 * DAY
        for path in paths or [*self.base.rglob("link"),
                              *self.base.rglob("data")]:
            try:
                os.utime(path, (then, then))
            except FileNotFoundError:
                pass

    def age_blob(self, name, digest):
        self.age(self.data(digest), self.link(name, digest))

    def ctl(self, *words, status=0):
        done = subprocess.run(
            [BUILD / "registryctl", "--root", self.server.root, "--json",
             *words], capture_output=True, text=True, timeout=120)
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def run(self, *words):
        report = self.ctl("gc", "run", *words)
        assert report.get("state", "done") == "done", report
        return report

    def rows(self, digest):
        path = self.server.root / "db" / "longshore.sqlite"
        database = sqlite3.connect(path, timeout=30)
        count, = database.execute(
            "SELECT count(*) FROM blobs WHERE digest = ?", (digest,)).fetchone()
        database.close()
        return count

    def check(self):
        """Files and database agree, and nothing is half gone."""
        report = self.ctl("verify")
        assert report["differences"] == [], report
        assert [one.name for one in (self.server.root / "trash").iterdir()] \
            == ["blobs"]
