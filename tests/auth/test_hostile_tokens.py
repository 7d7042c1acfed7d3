"""Tokens that somebody made up, bent or found: each is answered 401 or 400,
by nginx where the same request is warm for a good one, by nginx that has to
ask, and by registryd; never by a grant or a 5xx."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey

from harness import http, oci, seam
from harness.authorized import (
    BLOB, PRIVATE, Authorized, basic, bearer)

pytestmark = [pytest.mark.ours]

ORDER = 2**252 + 27742317777372353535851937790883648493
WARM = (f"/v2/{PRIVATE}/manifests/v1",
        f"/v2/{PRIVATE}/blobs/{oci.digest(BLOB)}")
COLD = (f"/v2/{PRIVATE}/tags/list", "/v2/")
REFUSED = {400, 401, 431}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    return json.dumps(value, separators=(",", ":"))


class Forge:
    """What an attacker would give much for: a good token, its parts, and the
    daemon's own key."""

    def __init__(self, server):
        answer = http.request(
            server, "GET", "/-/token?service=registry&offline_token=true"
            f"&scope=repository:{PRIVATE}:pull", server.root_basic())
        self.good = answer.json()["token"]
        self.refresh = answer.json()["refresh_token"]
        self.api = server.new_token("reader", "--actions", "pull")
        self.header, self.payload, self.signature = self.good.split(".")
        self.head = json.loads(unb64(self.header))
        self.claims = json.loads(unb64(self.payload))
        path = server.root / "keys" / "token" / (self.head["kid"] + ".key")
        self.key = Ed25519PrivateKey.from_private_bytes(
            unb64(path.read_text().split()[1]))
        self.public = self.key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.stranger = Ed25519PrivateKey.generate()

    def sign(self, head=None, payload=None, key=None):
        """Texts, signed by the daemon's key unless another is given."""
        head = self.header if head is None else b64(head.encode())
        if payload is None:
            payload = self.payload
        else:
            payload = b64(payload if isinstance(payload, bytes)
                          else payload.encode("utf-8", "surrogateescape"))
        text = f"{head}.{payload}"
        return f"{text}.{b64((key or self.key).sign(text.encode()))}"

    def with_head(self, key=None, **members):
        head = {**self.head, **members}
        return self.sign(compact({k: v for k, v in head.items()
                                  if v != "-"}), key=key)

    def with_claims(self, **members):
        claims = {**self.claims, **members}
        return self.sign(payload=compact({k: v for k, v in claims.items()
                                          if v != "-"}))

    def with_text(self, old, new):
        """The payload with one text in place of another, signed."""
        text = unb64(self.payload).decode()
        assert old in text
        return self.sign(payload=text.replace(old, new, 1))

    def access(self, name=PRIVATE, actions=("pull",), kind="repository"):
        return self.with_claims(access=[
            {"type": kind, "name": name, "actions": list(actions)}])

    def unsigned(self, alg, signature=""):
        return f"{b64(compact({**self.head, 'alg': alg}).encode())}." \
            f"{self.payload}.{signature}"

    def hmac(self, alg, secret, digest=hashlib.sha256):
        text = f"{b64(compact({**self.head, 'alg': alg}).encode())}." \
            f"{self.payload}"
        return text + "." + b64(hmac.new(secret, text.encode(),
                                         digest).digest())

    def raw(self, signature):
        return f"{self.header}.{self.payload}.{signature}"

    def bent(self, change):
        data = bytearray(unb64(self.signature))
        change(data)
        return self.raw(b64(bytes(data)))

    def malleable(self):
        data = unb64(self.signature)
        high = int.from_bytes(data[32:], "little") + ORDER
        return self.raw(b64(data[:32] + high.to_bytes(32, "little")))

    def last_bits(self):
        alphabet = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    "0123456789-_")
        last = alphabet.index(self.signature[-1])
        return self.raw(self.signature[:-1] + alphabet[last ^ 1])

    def embedded(self):
        mine = self.stranger.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return self.with_head(key=self.stranger, jwk={
            "kty": "OKP", "crv": "Ed25519", "x": b64(mine)})


def flip(at):
    def change(data):
        data[at] ^= 1
    return change


NOW = int(time.time())
LOW_ORDER = b64(bytes([1]) + bytes(63))
TOKENS = {
    # The algorithm is not the token's to say.
    "alg none": lambda f: f.unsigned("none"),
    "alg none, signed": lambda f: f.unsigned("none", f.signature),
    "alg None": lambda f: f.unsigned("None"),
    "alg NONE": lambda f: f.unsigned("NONE"),
    "alg nOnE": lambda f: f.unsigned("nOnE"),
    "alg empty": lambda f: f.unsigned(""),
    "alg null": lambda f: f.unsigned(None),
    "alg number": lambda f: f.unsigned(0),
    "alg list": lambda f: f.unsigned(["EdDSA", "none"]),
    "alg missing": lambda f: f.with_head(alg="-"),
    "alg lower case": lambda f: f.with_head(alg="eddsa"),
    "alg with a space": lambda f: f.with_head(alg="EdDSA "),
    "alg Ed25519": lambda f: f.with_head(alg="Ed25519"),
    "hs256, raw public key": lambda f: f.hmac("HS256", f.public),
    "hs256, public key text": lambda f: f.hmac("HS256",
                                               b64(f.public).encode()),
    "hs256, empty key": lambda f: f.hmac("HS256", b""),
    "hs512, raw public key": lambda f: f.hmac("HS512", f.public,
                                              hashlib.sha512),
    "alg es256": lambda f: f.with_head(alg="ES256"),
    "alg rs256": lambda f: f.with_head(alg="RS256"),
    "alg twice, none last": lambda f: f.sign(
        '{"alg":"EdDSA","kid":"%s","typ":"JWT","alg":"none"}'
        % f.head["kid"]),
    "alg twice, none first": lambda f: f.sign(
        '{"alg":"none","alg":"EdDSA","kid":"%s","typ":"JWT"}'
        % f.head["kid"]),
    # Nothing else in the header either.
    "crit": lambda f: f.with_head(crit=["exp"]),
    "b64 false": lambda f: f.with_head(b64=False, crit=["b64"]),
    "embedded key": lambda f: f.embedded(),
    "jku": lambda f: f.with_head(key=f.stranger, jku="http://127.0.0.1/k"),
    "x5u": lambda f: f.with_head(key=f.stranger, x5u="file:///etc/passwd"),
    "typ missing": lambda f: f.with_head(typ="-"),
    "typ lower case": lambda f: f.with_head(typ="jwt"),
    "typ at+jwt": lambda f: f.with_head(typ="at+jwt"),
    "cty": lambda f: f.with_head(cty="JWT"),
    "header reordered": lambda f: f.sign(compact(
        {k: f.head[k] for k in reversed(list(f.head))})),
    "header with spaces": lambda f: f.sign(json.dumps(f.head)),
    "header list": lambda f: f.sign("[]"),
    "header empty": lambda f: f.sign(""),
    "header deep": lambda f: f.sign("[" * 2000),
    # Which key.
    "kid unknown": lambda f: f.with_head(kid="nobodyskey"),
    "kid missing": lambda f: f.with_head(kid="-"),
    "kid empty": lambda f: f.with_head(kid=""),
    "kid null": lambda f: f.with_head(kid=None),
    "kid path": lambda f: f.with_head(kid="../token/" + f.head["kid"]),
    "kid dev null": lambda f: f.with_head(kid="/dev/null"),
    "kid sql": lambda f: f.with_head(kid="' OR 1=1 --"),
    "kid command": lambda f: f.with_head(kid="|id"),
    "kid long": lambda f: f.with_head(kid="k" * 4000),
    "kid with a NUL": lambda f: f.with_head(kid=f.head["kid"] + "\0"),
    "kid escaped": lambda f: f.sign(compact(f.head).replace(
        f.head["kid"], "\\u%04x" % ord(f.head["kid"][0])
        + f.head["kid"][1:])),
    "kid swapped case": lambda f: f.with_head(kid=f.head["kid"].swapcase()),
    "kid right, key other": lambda f: f.sign(key=f.stranger),
    # Signatures.
    "signature missing": lambda f: f"{f.header}.{f.payload}",
    "signature empty": lambda f: f.raw(""),
    "signature zeros": lambda f: f.raw(b64(bytes(64))),
    "signature low order": lambda f: f.raw(LOW_ORDER),
    "signature ones": lambda f: f.raw(b64(b"\xff" * 64)),
    "signature malleable": lambda f: f.malleable(),
    "signature cut": lambda f: f.good[:-1],
    "signature longer": lambda f: f.good + "A",
    "signature of 63 bytes": lambda f: f.raw(
        b64(unb64(f.signature)[:63])),
    "signature of 65 bytes": lambda f: f.raw(
        b64(unb64(f.signature) + b"\0")),
    "first bit": lambda f: f.bent(flip(0)),
    "last bit of R": lambda f: f.bent(flip(31)),
    "first bit of S": lambda f: f.bent(flip(32)),
    "last bit of S": lambda f: f.bent(flip(63)),
    "signature of another": lambda f: f.raw(f.with_claims(
        jti="p.0.other").split(".")[2]),
    "payload of another": lambda f: f"{f.header}." + b64(compact(
        {**f.claims, "sub": "1"}).encode()) + f".{f.signature}",
    # One spelling.
    "padded": lambda f: f.good + "==",
    "padded payload": lambda f: f"{f.header}.{f.payload}=.{f.signature}",
    "last bits": lambda f: f.last_bits(),
    "base64 of the other kind": lambda f: f.raw(base64.b64encode(
        b"\xfb\xff" + unb64(f.signature)[2:]).decode().rstrip("=")),
    "space inside": lambda f: f.good[:40] + " " + f.good[40:],
    "tab inside": lambda f: f.good[:40] + "\t" + f.good[40:],
    "percent inside": lambda f: f.good.replace(".", "%2e", 1),
    "parts swapped": lambda f: f"{f.payload}.{f.header}.{f.signature}",
    "two tokens": lambda f: f.good + "." + f.good,
    "two tokens, comma": lambda f: f.good + "," + f.good,
    "four parts": lambda f: f.good + ".",
    "five parts": lambda f: f"{f.header}..{f.payload}.{f.payload}."
    + f.signature,
    "dots": lambda f: "..", "one dot": lambda f: ".",
    "json form": lambda f: compact({"payload": f.payload,
                                    "signature": f.signature}),
    # Claims, signed by the daemon's own key.
    "iss other": lambda f: f.with_claims(iss="other"),
    "iss missing": lambda f: f.with_claims(iss="-"),
    "iss empty": lambda f: f.with_claims(iss=""),
    "iss upper case": lambda f: f.with_claims(iss="REGISTRY"),
    "iss twice": lambda f: f.with_text('"iss"', '"iss":"other","iss"'),
    "aud other": lambda f: f.with_claims(aud="other"),
    "aud missing": lambda f: f.with_claims(aud="-"),
    "aud list": lambda f: f.with_claims(aud=["registry"]),
    "aud null": lambda f: f.with_claims(aud=None),
    "exp past": lambda f: f.with_claims(exp=NOW - 3600, nbf=NOW - 7200,
                                        iat=NOW - 7200),
    "exp missing": lambda f: f.with_claims(exp="-"),
    "exp zero": lambda f: f.with_claims(exp=0),
    "exp negative": lambda f: f.with_claims(exp=-1),
    "exp fraction": lambda f: f.with_claims(exp=NOW + 300.5),
    "exp text": lambda f: f.with_claims(exp=str(NOW + 300)),
    "exp beyond the calendar": lambda f: f.with_claims(exp=253402300800),
    "exp beyond int64": lambda f: f.with_claims(exp=2**63),
    "exp beyond uint64": lambda f: f.with_claims(exp=2**64 + NOW + 300),
    "exp 1e400": lambda f: f.with_text(str(f.claims["exp"]), "1e400"),
    "exp hexadecimal": lambda f: f.with_text(str(f.claims["exp"]),
                                             "0x7fffffff"),
    "exp with a zero": lambda f: f.with_text(
        str(f.claims["exp"]), "0" + str(f.claims["exp"])),
    "exp twice": lambda f: f.with_text('"exp"', '"exp":1,"exp"'),
    "nbf to come": lambda f: f.with_claims(nbf=NOW + 3600, iat=NOW + 3600,
                                           exp=NOW + 7200),
    "nbf missing": lambda f: f.with_claims(nbf="-"),
    "iat missing": lambda f: f.with_claims(iat="-"),
    "iat text": lambda f: f.with_claims(iat="now"),
    "sub missing": lambda f: f.with_claims(sub="-"),
    "sub number": lambda f: f.with_claims(sub=int(f.claims["sub"])),
    "sub with a zero": lambda f: f.with_claims(sub="0" + f.claims["sub"]),
    "sub with a sign": lambda f: f.with_claims(sub="+" + f.claims["sub"]),
    "sub with a space": lambda f: f.with_claims(sub=f.claims["sub"] + " "),
    "sub twice": lambda f: f.with_text('"sub"', '"sub":"1","sub"'),
    "jti missing": lambda f: f.with_claims(jti="-"),
    "access missing": lambda f: f.with_claims(access="-"),
    "access null": lambda f: f.with_claims(access=None),
    "access object": lambda f: f.with_claims(access={}),
    "access deep": lambda f: f.with_text('"access":[',
                                         '"access":[' + "[" * 1500),
    "access of 65": lambda f: f.with_claims(
        access=f.claims["access"] * 65),
    "access twice": lambda f: f.with_text('"access"',
                                          '"access":[],"access"'),
    "admin member": lambda f: f.with_claims(admin=True),
    "name escaped": lambda f: f.with_text(PRIVATE,
                                          PRIVATE.replace("/", "\\u002f")),
    "name with dots": lambda f: f.access("team/../" + PRIVATE),
    "name upper case": lambda f: f.access(PRIVATE.upper()),
    "name with a slash": lambda f: f.access(PRIVATE + "/"),
    "name below": lambda f: f.access(PRIVATE + "/b"),
    "name above": lambda f: f.access(PRIVATE.split("/", maxsplit=1)[0]),
    "name star": lambda f: f.access("team/*"),
    "name two stars": lambda f: f.access("**"),
    "name empty": lambda f: f.access(""),
    "name with a NUL": lambda f: f.access(PRIVATE + "\0"),
    "type registry": lambda f: f.access(kind="registry"),
    "type upper case": lambda f: f.access(kind="Repository"),
    "action push": lambda f: f.access(actions=["push"]),
    "action upper case": lambda f: f.access(actions=["PULL"]),
    "action part": lambda f: f.access(actions=["pul"]),
    "action list in a text": lambda f: f.access(actions=["pull,push"]),
    "no action": lambda f: f.access(actions=[]),
    "payload with spaces": lambda f: f.sign(payload=json.dumps(f.claims)),
    "payload reordered": lambda f: f.sign(payload=compact(
        {k: f.claims[k] for k in reversed(list(f.claims))})),
    "payload and more": lambda f: f.sign(payload=compact(f.claims) + "{}"),
    "payload with a BOM": lambda f: f.sign(
        payload=b"\xef\xbb\xbf" + compact(f.claims).encode()),
    "payload list": lambda f: f.sign(payload="[]"),
    "payload text": lambda f: f.sign(payload='"x"'),
    "payload null": lambda f: f.sign(payload="null"),
    "payload empty": lambda f: f.sign(payload=""),
    "payload no utf-8": lambda f: f.sign(
        payload=compact(f.claims).encode().replace(b"team", b"te\xffm")),
    "payload huge": lambda f: f.sign(payload=compact(
        {**f.claims, "x": "y" * 20_000})),
    # Whom it is of.
    "sub of nobody": lambda f: f.with_claims(sub="999999"),
    "sub empty": lambda f: f.with_claims(sub=""),
    "sub beyond int64": lambda f: f.with_claims(sub=str(2**63)),
    "jti of another life": lambda f: f.with_claims(jti="p.1.abc"),
    "jti of no form": lambda f: f.with_claims(jti="abc"),
    "jti anonymous": lambda f: f.with_claims(jti="a.0.abc"),
    "jti of no api token": lambda f: f.with_claims(
        jti="tzzzzzzzz." + f.claims["jti"].split(".", 1)[1]),
    # Other secrets in its place.
    "refresh token": lambda f: f.refresh,
    "api token, checksum": lambda f: f.api[:-1]
    + ("a" if f.api[-1] != "a" else "b"),
    "api token, cut": lambda f: f.api[:-1],
    "api token, longer": lambda f: f.api + "0",
    "api token, public part": lambda f: f.api[:13],
    "api token, lower case": lambda f: f.api.swapcase(),
    "api token as a refresh token": lambda f: "lsf_" + f.api[4:],
    "nothing": lambda f: "", "a word": lambda f: "token",
    "null": lambda f: "null", "high bytes": lambda f: "\xff\xfe",
}
# In these nginx alone cannot see what is wrong with a token that the daemon's
# own key has signed: it takes it for what it says until it ends.
OURS_ALONE = {"sub of nobody", "sub beyond int64", "jti of another life",
              "jti of no form", "jti anonymous", "jti of no api token"}


@pytest.fixture(scope="module")
def server():
    with Authorized(1) as one:
        yield one


@pytest.fixture(scope="module")
def forge(server):
    made = Forge(server)
    for target in WARM + COLD[:1]:
        assert http.request(server, "GET", target,
                            bearer(made.good)).status == 200
    return made


@pytest.fixture(scope="module")
def daemon(server):
    with seam.Client(server.endpoint) as one:
        yield one


def test_there_are_enough():
    assert len(TOKENS) >= 80


@pytest.mark.parametrize("name", TOKENS)
def test_is_refused(server, forge, daemon, name):
    token = TOKENS[name](forge)
    warm = () if name in OURS_ALONE else WARM
    for target in warm + COLD:
        if name in ("name star", "name two stars", "name with dots") \
                and target == "/v2/":
            continue  # a token of ours, for something else
        if target == "/v2/" and is_ours(name):
            continue
        answer = http.request(server, "GET", target, bearer(token))
        assert answer.status in REFUSED, (target, answer.status)
        assert BLOB not in answer.body and b"seen" not in answer.body
    for target in WARM + COLD[:1]:
        answer = daemon.ask("GET", target, [
            ("Authorization", "Bearer " + token)], guarded=True)
        assert answer.status in REFUSED, (target, answer.status)
        assert answer.type == "deny" and answer.grant_ms == 0
        assert answer.ttl_ms == 0


def is_ours(name):
    """Good tokens, but not for this repository and action: /v2/ is open."""
    return name.startswith(("name ", "type ", "action ", "no action"))


def test_the_good_ones_are_good(server, forge):
    """Else the others would be refused for some other reason."""
    assert forge.sign() == forge.good
    assert forge.with_claims() == forge.with_head() == forge.good
    assert forge.access() != ""
    for target in WARM:
        for token in (forge.good, forge.access(), forge.api):
            assert http.request(server, "GET", target,
                                bearer(token)).status == 200


def test_of_a_repository_made_again(server):
    """Rights are of names. A manifest of before is not there again; a token
    for the name is good for the name, as long as the policy says so."""
    root = server.root_basic()
    index = oci.make_index([], annotations={"x": "again"})
    put = {**root, "Content-Type": oci.INDEX}
    target = f"/v2/team/again/manifests/{index.digest}"
    assert http.request(server, "PUT", "/v2/team/again/manifests/v1", put,
                        index.manifest).status == 201
    token = bearer(http.request(
        server, "GET", "/-/token?service=registry&scope="
        "repository:team/again:pull",
        basic("reader", server.password("reader"))).json()["token"])
    assert http.request(server, "GET", target, token).status == 200
    assert http.request(server, "DELETE", target, root).status == 202
    assert http.request(server, "GET", target, token).status == 404
    other = oci.make_index([], annotations={"x": "other"})
    assert http.request(server, "PUT", "/v2/team/again/manifests/v1", put,
                        other.manifest).status == 201
    assert http.request(server, "GET", target, token).status == 404
    again = http.request(server, "GET", "/v2/team/again/manifests/v1", token)
    assert (again.status, again.body) == (200, other.manifest)


def test_of_an_account_made_again(server):
    """Who has a name anew has nothing of who had it before."""
    target = f"/v2/{PRIVATE}/manifests/v1"
    password = "the password of phoenix 1"

    def make():
        server.ctl("user", "add", "phoenix", "--password-stdin",
                   given=password)
        server.ctl("grant", "add", "phoenix", "team/**", "pull")
    make()
    mine = basic("phoenix", password)
    answer = http.request(
        server, "GET", "/-/token?service=registry&offline_token=1&scope="
        f"repository:{PRIVATE}:pull", mine).json()
    api = server.new_token("phoenix", "--actions", "pull")
    old = [bearer(answer["token"]), bearer(api), basic("x", api)]
    for headers in old:
        assert http.request(server, "GET", target, headers).status == 200
    server.ctl("user", "remove", "phoenix")
    deadline = time.time() + 20
    while any(http.request(server, "GET", target, headers).status != 401
              for headers in old):
        assert time.time() < deadline
    make()
    for headers in old:
        assert http.request(server, "GET", target, headers).status == 401
    form = ("grant_type=refresh_token&service=registry&refresh_token="
            + answer["refresh_token"]).encode()
    assert http.request(server, "POST", "/-/token", {
        "Content-Type": "application/x-www-form-urlencoded"},
        form).status == 401
    deadline = time.time() + 20
    while http.request(server, "GET", target, mine).status != 200:
        assert time.time() < deadline
