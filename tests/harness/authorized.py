"""Both servers with authorization on, and people who may do different
things: made by registryctl, as an operator would."""

import base64
import json
import sqlite3
import subprocess

from . import http, oci
from .process import wait_until
from .server import BUILD, Registry

PRIVATE, PUBLIC, OTHER = "team/a", "team/open/a", "other/a"
SEEN = oci.make_index([], annotations={"x": "seen"})
BLOB = b"a blob that is there"

# What everybody below has on team/** and other/**; root has it on **.
RIGHTS = {"anonymous": "", "stranger": "", "reader": "pull",
          "writer": "pull push", "deleter": "pull push delete",
          "disabled": "pull push delete", "root": "pull push delete"}
PEOPLE = [who for who in RIGHTS if who != "anonymous"]

def basic(user, secret):
    text = base64.b64encode(f"{user}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Authorized(Registry):
    """Both servers with the switch on, and the accounts of the matrix."""

    def __init__(self, workers=2, location_directives="", **more):
        super().__init__(workers=workers,
                         location_directives="registry_auth on;"
                         + location_directives,
                         daemon_config='auth = "on"', **more)
        self.tokens = {}

    def start(self):
        super().start()
        self.make_accounts()
        wait_until(lambda: http.request(
            self, "GET", "/v2/", self.root_basic()).status == 200,
            what="the accounts are known")
        self.fill()
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

    def make_accounts(self):
        self.ctl("setup", "root", "--password-stdin",
                 given=self.password("root"))
        for who in PEOPLE:
            if who != "root":
                self.ctl("user", "add", who, "--password-stdin",
                         given=self.password(who))
            if RIGHTS[who] and who != "root":
                for pattern in ("team/**", "other/**"):
                    self.ctl("grant", "add", who, pattern,
                             ",".join(RIGHTS[who].split()))
            for kind, words in {
                    "whole": ("--actions", "*"),
                    "readonly": ("--actions", "pull"),
                    "limited": ("--actions", "*", "--repository",
                                "other/**"),
                    "expired": ("--actions", "*"),
                    "revoked": ("--actions", "*")}.items():
                self.tokens[who, kind] = self.new_token(who, *words)
            self.ctl("token", "revoke", self.tokens[who, "revoked"][4:12])
        database = sqlite3.connect(
            self.root / "db" / "longshore.sqlite", timeout=20)
        for who in PEOPLE:
            database.execute(
                "UPDATE api_tokens SET expires_at_ms = 1 WHERE id = ?",
                (self.tokens[who, "expired"][4:12],))
        database.commit()
        database.close()
        self.ctl("visibility", "set", "team/open/**", "public")
        self.ctl("user", "disable", "disabled")

    def new_token(self, who, *words):
        return self.ctl("token", "create", who, *words)["token"]

    def root_basic(self):
        return basic("root", self.password("root"))

    def fill(self):
        """The repositories that are there."""
        for name in (PRIVATE, PUBLIC, OTHER, "hidden/a"):
            for reference in ("v1", SEEN.digest):
                answer = http.request(
                    self, "PUT", f"/v2/{name}/manifests/{reference}",
                    {**self.root_basic(), "Content-Type": oci.INDEX},
                    SEEN.manifest)
                assert answer.status == 201, (answer.status, answer.body)
            answer = http.request(
                self, "POST",
                f"/v2/{name}/blobs/uploads/?digest={oci.digest(BLOB)}",
                {**self.root_basic(),
                 "Content-Type": "application/octet-stream"}, BLOB)
            assert answer.status == 201, (answer.status, answer.body)
