"""Both servers with authorization on, and people who may do different
things: made by registryctl, as an operator would."""

import base64
import json
import sqlite3
import subprocess

from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey

from . import http, oci
from .accounts import password_hash
from .policy import World
from .process import wait_until
from .server import BUILD, Registry

PRIVATE, PUBLIC, OTHER, HIDDEN = "team/a", "team/open/a", "other/a", "hidden/a"
SEEN = oci.make_index([], annotations={"x": "seen"})
BLOB = b"a blob that is there"
# What is in HIDDEN alone, which only root may see.
SECRET = oci.make_index([], annotations={"x": "secret"})
SECRET_BLOB = b"a blob that is somewhere else"

# What everybody below has on team/** and other/**; root has it on **.
RIGHTS = {"anonymous": "", "stranger": "", "reader": "pull",
          "writer": "pull push", "deleter": "pull push delete",
          "filed": "pull push", "disabled": "pull push delete",
          "root": "admin"}
PEOPLE = [who for who in RIGHTS if who != "anonymous"]
# By a group's rights alone; from the htpasswd file.
MEMBERS = {"writer": "writers"}
FILED = "filed"
# Kinds of API tokens: actions and patterns.
LIMITS = {"whole": ("*", ()), "readonly": ("pull", ()),
          "limited": ("*", ("other/**",)), "expired": ("*", ()),
          "revoked": ("*", ())}


def world():
    """What is set up below, for harness.policy to judge by."""
    made = World(visibility={"team/open/**": "public"},
                 disabled={"disabled"},
                 groups={who: [group] for who, group in MEMBERS.items()})
    for who, rights in RIGHTS.items():
        patterns = ("**",) if who == "root" else ("team/**", "other/**")
        if rights:
            made.grants[MEMBERS.get(who, who)] = [
                (pattern, ",".join(rights.split())) for pattern in patterns]
    return made


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def padded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


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
                         **more)
        htpasswd = self.dir / "htpasswd"
        htpasswd.write_text(
            f"{FILED}:{password_hash(self.password(FILED))}\n")
        self.daemon_config = f'auth = "on"\nhtpasswd = "{htpasswd}"\n'
        self.tokens = {}
        self.certificates = {}  # (file, key) of each

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
            if who not in ("root", FILED):
                self.ctl("user", "add", who, "--password-stdin",
                         given=self.password(who))
            if who in MEMBERS:
                self.ctl("group", "add", MEMBERS[who])
                self.ctl("group", "member-add", MEMBERS[who], who)
        for subject, rules in world().grants.items():
            for pattern, actions in rules:
                if subject != "root":  # has it by the set-up
                    self.ctl("grant", "add", subject, pattern, actions)
        for who in PEOPLE:
            for kind, (actions, patterns) in LIMITS.items():
                words = [word for pattern in patterns
                         for word in ("--repository", pattern)]
                self.tokens[who, kind] = self.new_token(
                    who, "--actions", actions, *words)
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

    def expired(self, token):
        """An access token like this one, which ended a while ago."""
        head, claims, _ = token.split(".")
        key = json.loads(padded(head))["kid"]
        secret = (self.root / "keys" / "token" / f"{key}.key").read_text()
        claims = json.loads(padded(claims))
        for name in ("exp", "nbf", "iat"):
            claims[name] -= 1000
        text = head + "." + unpadded(
            json.dumps(claims, separators=(",", ":")).encode())
        signer = Ed25519PrivateKey.from_private_bytes(
            padded(secret.split()[1]))
        return text + "." + unpadded(signer.sign(text.encode()))

    def root_basic(self):
        return basic("root", self.password("root"))

    def fill(self):
        """The repositories that are there."""
        for name, blob, image, tag in (
                *((name, BLOB, SEEN, "v1")
                  for name in (PRIVATE, PUBLIC, OTHER, HIDDEN)),
                (HIDDEN, SECRET_BLOB, SECRET, "h1")):
            for reference in (tag, image.digest):
                answer = http.request(
                    self, "PUT", f"/v2/{name}/manifests/{reference}",
                    {**self.root_basic(), "Content-Type": oci.INDEX},
                    image.manifest)
                assert answer.status == 201, (answer.status, answer.body)
            answer = http.request(
                self, "POST",
                f"/v2/{name}/blobs/uploads/?digest={oci.digest(blob)}",
                {**self.root_basic(),
                 "Content-Type": "application/octet-stream"}, blob)
            assert answer.status == 201, (answer.status, answer.body)
