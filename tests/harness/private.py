"""A registry with accounts and private repositories of packages, made by
registryctl as an operator would: `writer` may pull, push and delete
everywhere, `reader` may pull, `stranger` nothing, `root` everything."""

import itertools
import json
import sqlite3
import subprocess
import time

from . import http
from .process import wait_until
from .server import BUILD, Registry

RIGHTS = {"writer": "pull,push,delete", "reader": "pull", "stranger": ""}
_numbers = itertools.count(1)


def add_repository(server, key, format, settings="{}"):
    """Makes a repository in a running server; its base URL."""
    path = server.root / "db" / "longshore.sqlite"
    database = sqlite3.connect(path, timeout=30)
    with database:
        database.execute(
            "INSERT INTO repositories (key, format, kind, settings,"
            " created_at_ms) VALUES (?, ?, 'local', ?, ?)",
            (key, format, settings, int(time.time() * 1000)))
    database.close()
    return f"{server.url}/{format}/{key}"


class Private(Registry):
    """Both servers with authorization on."""

    def __init__(self, **more):
        super().__init__(location_directives="registry_auth on;",
                         daemon_config='auth = "on"\n', **more)
        self.tokens = {}

    def start(self):
        super().start()
        self.ctl("setup", "root", "--password-stdin",
                 given=self.password("root"))
        for who, rights in RIGHTS.items():
            self.ctl("user", "add", who, "--password-stdin",
                     given=self.password(who))
            if rights:
                self.ctl("grant", "add", who, "**", rights)
            self.tokens[who] = self.new_token(who, "*")
        self.tokens["readonly"] = self.new_token("writer", "pull")
        wait_until(lambda: http.request(
            self, "GET", "/api/v1/me", {
                "Authorization": "Bearer " + self.tokens["stranger"]}
        ).status == 200, what="the accounts are known")
        return self

    def ctl(self, *words, given=None):
        done = subprocess.run(
            [BUILD / "registryctl", "--root", self.root, "--json", *words],
            input=given, capture_output=True, text=True, timeout=60,
            check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    @staticmethod
    def password(who):
        return f"the password of {who} 1"

    def new_token(self, who, actions):
        return self.ctl("token", "create", who, "--actions", actions)["token"]

    def repository(self, format, settings="{}"):
        """Base URL of a new private repository."""
        return add_repository(self, f"{format}-private{next(_numbers)}",
                              format, settings)
