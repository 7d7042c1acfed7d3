"""A proxy before the registry that puts another access token in the place of
one that a client sends, once: as if it had ended, or was asked for less, just
then. What the registry says to that is its own. It may also be a registry whose
token service takes no POST."""

import base64
import json
import re
import socket
import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey

BEARER = re.compile(rb"(?i)(\r\nauthorization: *bearer +)([\w-]+\.[\w-]+\."
                    rb"[\w-]+)")
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_again(server, token, change):
    """The token with changed claims, signed by registryd's own key."""
    head, claims, _ = token.split(".")
    kid = json.loads(decode(head))["kid"]
    key = (server.root / "keys" / "token" / f"{kid}.key").read_text()
    key = Ed25519PrivateKey.from_private_bytes(decode(key.split()[1]))
    claims = json.loads(decode(claims))
    change(claims)
    compact = json.dumps(claims, separators=(",", ":"))
    text = f"{head}.{encode(compact.encode())}"
    return f"{text}.{encode(key.sign(text.encode()))}"


def ended(claims):
    for name in ("iat", "nbf", "exp"):
        claims[name] -= 3600


def pull_only(claims):
    for access in claims["access"]:
        access["actions"] = ["pull"]


class OtherToken:
    """Before `server`; once armed, the first request with an access token that
    `pattern` matches ("GET /v2/…") gets the other one."""

    def __init__(self, server, post_is=None):
        """`post_is`: the status that POST to the token service gets."""
        self.server = server
        self.post_is = post_is
        self.asked = []  # methods of requests to the token service
        self.pattern = self.change = None
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.open = True
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, pattern, change):
        with self.lock:
            self.pattern, self.change = re.compile(pattern.encode()), change

    @property
    def armed(self):
        return self.pattern is not None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False
        self.listener.close()

    def accept(self):
        while self.open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,),
                             daemon=True).start()

    def serve(self, client):
        with client, socket.create_connection(
                (self.server.host, self.server.port)) as behind:
            back = threading.Thread(target=copy, args=(behind, client),
                                    daemon=True)
            back.start()
            try:
                self.forward(client, behind)
                behind.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            back.join(60)

    def forward(self, client, behind):
        """Requests one by one, until one has a body of unknown length."""
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = client.recv(65536)
                if not more:
                    return
                data += more
                if not data[:1].isalpha():
                    return  # some try TLS first
            head, _, data = data.partition(b"\r\n\r\n")
            if self.is_without_post(head):
                data = refuse(client, head, data, self.post_is)
                continue
            behind.sendall(self.looked_at(head) + b"\r\n\r\n")
            if CHUNKED.search(head):
                behind.sendall(data)
                copy(client, behind)
                return
            found = LENGTH.search(head)
            left = int(found[1]) if found else 0
            while left:
                data = data or client.recv(65536)
                if not data:
                    return
                behind.sendall(data[:left])
                left, data = left - len(data[:left]), data[left:]

    def is_without_post(self, head):
        line = head.split(b"\r\n")[0].decode("latin-1")
        if "/-/token" not in line.split("?")[0]:
            return False
        self.asked.append(line.split()[0])
        return self.post_is is not None and line.startswith("POST ")

    def looked_at(self, head):
        found = BEARER.search(head)
        with self.lock:
            if not found or not self.armed or not self.pattern.match(head):
                return head
            self.pattern = None
        other = signed_again(self.server, found[2].decode(), self.change)
        return head[:found.start(2)] + other.encode() + head[found.end(2):]


def refuse(client, head, data, status):
    """Answers in the registry's place; what comes after the body."""
    found = LENGTH.search(head)
    left = int(found[1]) if found else 0
    while len(data) < left:
        more = client.recv(65536)
        if not more:
            break
        data += more
    client.sendall(f"HTTP/1.1 {status} No\r\nContent-Type: text/plain\r\n"
                   "Content-Length: 3\r\n\r\nno\n".encode())
    return data[left:]


def copy(source, to):
    try:
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass
