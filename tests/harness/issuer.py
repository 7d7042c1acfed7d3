"""An OpenID Connect issuer on this machine: discovery and keys over TLS with
a CA of its own, tokens of any algorithm, and every bad manner an issuer may
have. Several issuers live below one server, one path each."""

import base64
import datetime
import hashlib
import hmac
import ipaddress
import json
import secrets
import shutil
import ssl
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec, ed25519, padding, rsa, utils)

from .ports import free_port

AUDIENCE = "registry.test"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A key pair of RS256, ES256 or EdDSA."""

    def __init__(self, algorithm, kid=None, bits=2048):
        self.algorithm = algorithm
        self.kid = kid or secrets.token_hex(8)
        self.private = {
            "RS256": lambda: rsa.generate_private_key(65537, bits),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate}[algorithm]()

    def public_bytes(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, **more):
        public = self.private.public_key()
        key = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if self.algorithm == "RS256":
            numbers = public.public_numbers()
            key.update(kty="RSA", n=number(numbers.n), e=number(numbers.e))
        elif self.algorithm == "ES256":
            numbers = public.public_numbers()
            key.update(kty="EC", crv="P-256", x=number(numbers.x, 32),
                       y=number(numbers.y, 32))
        else:
            key.update(kty="OKP", crv="Ed25519", x=b64(public.public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw)))
        return {**key, **more}

    def sign(self, data, der=False):
        if self.algorithm == "RS256":
            return self.private.sign(data, padding.PKCS1v15(),
                                     hashes.SHA256())
        if self.algorithm == "EdDSA":
            return self.private.sign(data)
        made = self.private.sign(data, ec.ECDSA(hashes.SHA256()))
        if der:
            return made
        r, s = utils.decode_dss_signature(made)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def token(key, claims, header=None, payload=None, secret=None, der=False):
    """A JWT; `payload` in place of the claims' JSON, `secret`: by HS256."""
    header = {"typ": "JWT", "alg": key.algorithm, "kid": key.kid,
              **(header or {})}
    header = {name: value for name, value in header.items()
              if value is not None}
    body = payload if payload is not None else json.dumps(claims).encode()
    data = f"{b64(json.dumps(header).encode())}.{b64(body)}".encode()
    if secret is not None:
        signature = hmac.new(secret, data, hashlib.sha256).digest()
    else:
        signature = key.sign(data, der)
    return f"{data.decode()}.{b64(signature)}"


class Issuer:
    """One issuer: its keys, and what is answered below its path."""

    def __init__(self, server, path):
        self.server = server
        self.path = path
        self.keys = [Key("RS256"), Key("ES256"), Key("EdDSA")]
        self.requests = 0
        self.answer = None  # f(handler, path) in place of the usual

    @property
    def url(self):
        return f"{self.server.url}{self.path}"

    def key(self, algorithm="RS256"):
        return next(key for key in self.keys if key.algorithm == algorithm)

    def jwks(self):
        return {"keys": [key.jwk() for key in self.keys]}

    def discovery(self):
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"]}

    def claims(self, **more):
        """`None` takes a claim away."""
        now = int(time.time())
        all_claims = {"iss": self.url, "aud": AUDIENCE, "sub": "somebody",
                      "iat": now, "nbf": now, "exp": now + 600, **more}
        return {name: value for name, value in all_claims.items()
                if value is not None}

    def token(self, algorithm="RS256", **claims):
        return token(self.key(algorithm), self.claims(**claims))

    def handle(self, handler, rest):
        self.requests += 1
        if self.answer is not None:
            self.answer(handler, rest)
        elif rest == "/.well-known/openid-configuration":
            handler.document(self.discovery())
        elif rest == "/keys":
            handler.document(self.jwks())
        else:
            handler.send_error(404)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        for issuer in self.server.owner.issuers.values():
            if self.path.startswith(issuer.path + "/"):
                try:
                    issuer.handle(self, self.path[len(issuer.path):])
                except OSError:
                    self.close_connection = True
                return
        self.send_error(404)

    def body(self, data, status=200, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def document(self, value):
        self.body(json.dumps(value).encode(),
                  headers=[("Content-Type", "application/json")])

    def log_message(self, *_):
        pass


class IssuerServer:
    """The server of them all; it may go and come back."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="longshore-issuer-"))
        self.ca_file = self.dir / "ca.pem"
        self.make_certificates()
        self.port = free_port()
        self.issuers = {}
        self.server = None

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def issuer(self, path):
        return self.issuers.setdefault(path, Issuer(self, path))

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.dir / "server.pem",
                                self.dir / "server.key")
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler,
                                          bind_and_activate=False)
        self.server.allow_reuse_address = True
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.owner = self
        self.server.server_bind()
        self.server.server_activate()
        # The handshake is made by the connection's own thread.
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True,
            do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def make_certificates(self):
        now = datetime.datetime.utcnow()
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca_name = x509.Name([x509.NameAttribute(
            x509.oid.NameOID.COMMON_NAME, "CA of the test issuer")])

        def certificate(name, key):
            return (x509.CertificateBuilder()
                    .subject_name(name).issuer_name(ca_name)
                    .public_key(key.public_key())
                    .serial_number(x509.random_serial_number())
                    .not_valid_before(now - datetime.timedelta(days=1))
                    .not_valid_after(now + datetime.timedelta(days=30)))
        ca = certificate(ca_name, ca_key).add_extension(
            x509.BasicConstraints(True, None), True).sign(
                ca_key, hashes.SHA256())
        key = ec.generate_private_key(ec.SECP256R1())
        made = certificate(x509.Name([]), key).add_extension(
            x509.SubjectAlternativeName([
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                x509.DNSName("localhost")]), True).sign(
                    ca_key, hashes.SHA256())
        pem = serialization.Encoding.PEM
        self.ca_file.write_bytes(ca.public_bytes(pem))
        (self.dir / "server.pem").write_bytes(made.public_bytes(pem))
        (self.dir / "server.key").write_bytes(key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
