"""A raw HTTP/1.1 client: it sends exactly the bytes a test wants.

Nothing is normalised, added or retried. Hostile tests need that: libraries
repair paths, refuse bad headers and hide interim answers.
"""

import socket
import ssl as tls_library
from dataclasses import dataclass, field

CRLF = b"\r\n"


class Closed(Exception):
    """The server closed the connection before a whole answer arrived."""


class Headers:
    """Header fields in order; names compare without case."""

    def __init__(self, pairs=()):
        self.pairs = list(pairs)

    def get(self, name, default=None):
        for key, value in self.pairs:
            if key.lower() == name.lower():
                return value
        return default

    def all(self, name):
        return [v for k, v in self.pairs if k.lower() == name.lower()]

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name):
        return self.get(name) is not None

    def __iter__(self):
        return iter(self.pairs)

    def __repr__(self):
        return repr(self.pairs)


@dataclass
class Response:
    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    interim: list = field(default_factory=list)  # statuses of 1xx answers
    will_close: bool = False

    def json(self):
        import json
        return json.loads(self.body)

    def error_code(self):
        """The first OCI error code of the body, or None."""
        try:
            return self.json()["errors"][0]["code"]
        except (ValueError, KeyError, IndexError, TypeError):
            return None

    def parts(self):
        """A multipart/byteranges body as [(Headers, bytes)]."""
        kind = self.headers["Content-Type"]
        if not kind.lower().startswith("multipart/byteranges"):
            raise AssertionError(f"not multipart: {kind}")
        boundary = kind.split("boundary=", 1)[1].strip().strip('"').encode()
        pieces = self.body.split(b"--" + boundary)
        if pieces[-1].strip() != b"--":
            raise AssertionError("multipart body does not end in a closing")
        out = []
        for piece in pieces[1:-1]:
            head, data = piece[2:].split(b"\r\n\r\n", 1)
            out.append((Headers(_fields(head)), data[:-2]))
        return out


def chunked(pieces):
    """The pieces in chunked transfer coding, with the last chunk."""
    out = b"".join(b"%x\r\n" % len(p) + p + CRLF for p in pieces if p)
    return out + b"0\r\n\r\n"


def head(method, target, headers=(), host="127.0.0.1"):
    """The bytes of a request head; `headers` is a dict or pairs."""
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    if not any(k.lower() == "host" for k, _ in pairs):
        pairs.insert(0, ("Host", host))
    lines = [_bytes(method) + b" " + _bytes(target) + b" HTTP/1.1"]
    lines += [_bytes(k) + b": " + _bytes(v) for k, v in pairs]
    return CRLF.join(lines) + CRLF + CRLF


class Connection:
    """One TCP (or TLS) connection, kept until closed."""

    def __init__(self, host, port, tls=None, timeout=60.0, own=None):
        """`tls`: None, True (any certificate) or a file of trusted ones.

        `own`: the client's certificate and key, two files."""
        self.name = f"{host}:{port}"
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = tls_library.create_default_context(
                cafile=tls if isinstance(tls, str) else None)
            if tls is True:
                context.check_hostname = False
                context.verify_mode = tls_library.CERT_NONE
            if own:
                context.load_cert_chain(*own)
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(_bytes(data))

    def request(self, method, target, headers=(), body=b"", pieces=None):
        """Sends a request and reads its answer. `pieces`: chunked body."""
        pairs = list(headers.items() if isinstance(headers, dict)
                     else headers)
        names = {k.lower() for k, _ in pairs}
        if pieces is not None:
            pairs.append(("Transfer-Encoding", "chunked"))
            body = chunked(pieces)
        elif "content-length" not in names and (
                body or method in ("POST", "PUT", "PATCH")):
            pairs.append(("Content-Length", str(len(body))))
        try:
            self.send(head(method, target, pairs, self.name) + body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # an early answer may be there to read
        return self.read_response(method)

    def read_response(self, method="GET"):
        """Reads one final answer; 1xx ones go to `.interim`."""
        interim = []
        while True:
            raw = self._until(b"\r\n\r\n")
            line, _, rest = raw.partition(CRLF)
            words = line.split(b" ", 2)
            if len(words) < 2 or not words[0].startswith(b"HTTP/"):
                raise AssertionError(f"not a status line: {line!r}")
            status = int(words[1])
            reason = words[2].decode("latin-1") if len(words) > 2 else ""
            if status >= 200 or status == 101:
                break
            interim.append(status)
        headers = Headers(_fields(rest))
        answer = Response(status, reason, headers, interim=interim)
        answer.will_close = (
            (headers.get("Connection") or "").lower() == "close")
        if method == "HEAD" or status in (204, 304):
            return answer
        coding = (headers.get("Transfer-Encoding") or "").lower()
        if coding == "chunked":
            answer.body = self._chunks()
        elif "Content-Length" in headers:
            answer.body = self._exactly(int(headers["Content-Length"]))
        else:
            answer.body = self._rest()
            answer.will_close = True
        return answer

    def wait_for_continue(self):
        """Returns when the server has read the head of a request that says
        `Expect: 100-continue`, and holds what it will write to."""
        raw = self._until(CRLF + CRLF)
        assert raw.startswith(b"HTTP/1.1 100"), raw

    def at_end(self):
        """True if the server has closed its side; waits for it or data."""
        if self.buffer:
            return False
        try:
            self.buffer = self.sock.recv(65536)
        except ConnectionResetError:
            return True
        return not self.buffer

    def _more(self):
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(f"closed after {self.buffer[:200]!r}")
        self.buffer += data

    def _until(self, mark):
        while mark not in self.buffer:
            self._more()
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def _exactly(self, size):
        pieces, have = [self.buffer], len(self.buffer)
        while have < size:
            try:
                data = self.sock.recv(min(1 << 20, max(size - have, 65536)))
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(f"closed after {have} of {size} bytes")
            pieces.append(data)
            have += len(data)
        whole = b"".join(pieces)
        self.buffer = whole[size:]
        return whole[:size]

    def _chunks(self):
        out = []
        while True:
            size = int(self._until(CRLF).split(b";")[0], 16)
            if size == 0:
                while self._until(CRLF):
                    pass
                return b"".join(out)
            out.append(self._exactly(size))
            if self._exactly(2) != CRLF:
                raise AssertionError("chunk does not end in CRLF")

    def _rest(self):
        out = self.buffer
        self.buffer = b""
        while True:
            try:
                data = self.sock.recv(1 << 18)
            except ConnectionResetError:
                return out
            if not data:
                return out
            out += data


def request(server, method, target, headers=(), body=b"", pieces=None,
            timeout=60.0):
    """One request on its own connection to anything with host and port."""
    tls = getattr(server, "tls", None) or None
    with Connection(server.host, server.port, tls, timeout) as connection:
        return connection.request(method, target, headers, body, pieces)


def _fields(raw):
    pairs = []
    for line in raw.split(CRLF):
        if line:
            name, _, value = line.partition(b":")
            pairs.append((name.decode("latin-1"),
                          value.strip().decode("latin-1")))
    return pairs


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")
