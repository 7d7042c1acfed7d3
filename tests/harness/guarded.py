"""nginx with `registry_auth on` before a scripted daemon that knows who may do
what and counts its questions; and that daemon's signer of access tokens."""

import base64
import json
import re
import time
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey

from . import http, oci, seam
from .process import wait_until
from .server import Registry

STATUS = "location = /status { registry_status json; }"
HOUR_MS = 3_600_000
ROUTES = re.compile(
    r"/v2/(?P<name>.+)/(?:(?P<kind>manifests|tags|referrers|blobs)/)"
    r"(?P<upload>uploads/)?(?P<reference>[^/?]*)(?:\?.*)?$")
NEEDS = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
MANIFEST = b'{"schemaVersion":2,"mediaType":"x/y","note":"in the zone"}'
BLOB = b"the bytes of a blob"
DIGEST = oci.digest(BLOB)
PERSONAL = ("/v2/", "/v2", "/v2/_catalog")
CHALLENGE = 'Bearer realm="https://registry.example/token"'


class Guarded(Registry):
    """nginx that asks; `rights`: credential → {(repository, action)}."""

    def __init__(self, workers=1, location_directives="registry_auth on;",
                 locations_more="", **more):
        self.rights = {}
        self.grant_ms = HOUR_MS
        self.before_answer = lambda question: None
        self.stand_in = None
        self.settled = 0.0
        super().__init__(workers=workers,
                         locations=STATUS + locations_more,
                         location_directives=location_directives,
                         daemon_options="timeout=6s", **more)

    # The daemon

    def start_daemon(self):
        self.stand_in = seam.StandIn(self.endpoint, self.decide)

    def stop_daemon(self, sig=None):
        if self.stand_in is not None:
            self.stand_in.close()
            self.stand_in = None

    def decide(self, question):
        self.before_answer(question)
        who = question.client_cert or question.header("authorization")
        mine = self.rights.get(who, ())
        route = ROUTES.match(question.target)
        if route is None:
            if who in self.rights and question.target in PERSONAL:
                return seam.reply(question, media_type="application/json")
            return self.refuse(question)
        name = re.sub("%([0-9a-fA-F]{2})",
                      lambda hit: chr(int(hit[1], 16)), route["name"])
        action = NEEDS.get(question.method, "push")
        if route["upload"]:
            action = "push"
        if (name, action) not in mine:
            return self.refuse(question)
        principal = sorted(self.rights, key=str).index(who)
        grant = {"repository": name, "action": action,
                 "reference": route["reference"], "grant_ms": self.grant_ms,
                 "grant_keys": ["p", f"p,{principal}"]}
        if question.type == seam.RECEIVED:
            return seam.decision(question, status=201, **grant)
        if route["upload"] and route["reference"]:
            return seam.decision(question, "proceed", **grant)
        if route["kind"] == "blobs" and action == "pull":
            return seam.decision(question, "serve", digest=DIGEST,
                                 size=len(BLOB), **grant)
        if action != "pull":
            return seam.decision(question, status=202, **grant)
        if route["reference"] == "missing":
            return seam.decision(question, "deny", status=404,
                                 error="MANIFEST_UNKNOWN", body="{}")
        return seam.decision(
            question, body=MANIFEST, media_type="application/json",
            ttl_ms=HOUR_MS, keys=[f"m,{name},{route['reference']}"], **grant)

    @staticmethod
    def refuse(question):
        return seam.decision(question, "deny", status=401,
                             error="UNAUTHORIZED", body="{}",
                             headers=[("WWW-Authenticate", CHALLENGE)])

    # nginx

    def start(self):
        super().start()
        self.settle()
        return self

    def settle(self):
        """All workers listen, and what they missed is behind them."""
        flushes = self.counter("cache_flushes")
        self.stand_in.wait_for_workers(self.workers)
        wait_until(lambda: self.counter("daemon_connected") >= self.workers,
                   what="all workers connected")
        self.stand_in.beat()
        wait_until(lambda: self.counter("cache_flushes") > flushes,
                   what="the first heartbeat")
        self.settled = time.time()

    def reset(self):
        """Nobody may do anything, and nothing of before is good."""
        self.grant_ms = HOUR_MS
        self.before_answer = lambda question: None
        self.rights.clear()
        self.drop("p")

    def counter(self, name):
        return http.request(self, "GET", "/status").json()[name]

    def answers_status(self):
        """nginx is there, with or without a daemon."""
        try:
            return http.request(self, "GET", "/status").status == 200
        except (OSError, http.Closed):
            return False

    def drop(self, *keys):
        drops = self.counter("cache_drops")
        self.stand_in.drop(*keys)
        wait_until(lambda: self.counter("cache_drops") >= drops + len(keys),
                   pause=0.001, what="keys dropped")
        self.settled = time.time()

    # Requests

    def ask(self, target, who=None, method="GET", **more):
        headers = {"Authorization": who} if who else {}
        return http.request(self, method, target, headers, **more)

    def questions(self, request):
        """(the answer's status, how many questions it took)"""
        before = len(self.stand_in.questions)
        answer = request()
        return answer.status, len(self.stand_in.questions) - before

    def cost(self, target, who=None, method="GET", **more):
        return self.questions(
            lambda: self.ask(target, who, method, **more))

    # The disk

    def put_blob(self, name):
        encoded = DIGEST.partition(":")[2]
        base = self.root / "docker" / "registry" / "v2"
        blob = base / "blobs" / "sha256" / encoded[:2] / encoded
        link = (base / "repositories" / name / "_layers" / "sha256"
                / encoded)
        blob.mkdir(parents=True, exist_ok=True)
        link.mkdir(parents=True, exist_ok=True)
        (blob / "data").write_bytes(BLOB)
        (link / "link").write_text(DIGEST)
        return f"/v2/{name}/blobs/{DIGEST}"

    def make_session(self, name):
        session = str(uuid.uuid4())
        folder = (self.root / "docker" / "registry" / "v2" / "repositories"
                  / name / "_uploads" / session)
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(b"")
        (folder / "startedat").write_text("2026-01-01T00:00:00Z")
        return f"/v2/{name}/blobs/uploads/{session}", folder


def encode(data):
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """The daemon's keys of access tokens."""

    def __init__(self, server, *ids):
        self.server = server
        self.keys = {}
        for key in ids or ("first",):
            self.keys[key] = Ed25519PrivateKey.generate()
        self.publish()

    def publish(self):
        folder = self.server.root / "keys"
        folder.mkdir(exist_ok=True)
        text = ""
        for key, secret in self.keys.items():
            public = secret.public_key().public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            text += f"{key} {encode(public)}\n"
        new = folder / "token.new"
        new.write_text(text)
        new.rename(folder / "token.pub")
        time.sleep(1.1)  # looked after once a second

    def token(self, access, key="first", secret=None, alg="EdDSA", sub="42",
              iss="registry", aud="registry", life=300, issued=None,
              secret_id="id", begin=None):
        # Not from the second in which something was dropped.
        wait_until(lambda: time.time() // 1 > self.server.settled // 1 + 1)
        now = int(time.time()) if issued is None else issued
        head = {"alg": alg, "kid": key, "typ": "JWT"}
        claims = {"iss": iss, "sub": sub, "aud": aud, "exp": now + life,
                  "nbf": now if begin is None else begin, "iat": now,
                  "jti": secret_id,
                  "access": [{"type": "repository", "name": name,
                              "actions": actions}
                             for name, actions in access]}
        text = f"{encode(head)}.{encode(claims)}"
        signed = b"" if alg == "none" else \
            (secret or self.keys[key]).sign(text.encode())
        return f"{text}.{encode(signed)}"


def manifest(name, reference="v1"):
    return f"/v2/{name}/manifests/{reference}"
