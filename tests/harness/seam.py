"""The daemon's side of the seam, spoken from Python: docs/protocol.md."""

import os
import shutil
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

import zmq

from .process import PATIENCE
from .server import BUILD, open_unless_said

ASK, RECEIVED, TALLY = 1, 2, 3
NONE, MEMORY, BLOB, SPOOL = 0, 1, 2, 3
TYPES = {1: "serve", 2: "reply", 3: "receive", 4: "redirect", 5: "deny",
         7: "proceed"}
INTO = {"memory": 1, "upload": 2, "spool": 3}
AREAS = {"blobs": 0, "documents": 1}
MD5, SHA1, SHA512, BLAKE2B = 1, 2, 4, 8
VERSION = 3


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(data)) + data


def texts(values):
    return struct.pack("<H", len(values)) + b"".join(map(text, values))


def name_of(numbers, number):
    return next(name for name, known in numbers.items() if known == number)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, size):
        value = int.from_bytes(self.data[self.at:self.at + size], "little")
        self.at += size
        return value

    def bytes(self):
        size = self.number(4)
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self):
        return self.bytes().decode()


def question(method, target, headers=(), body_bytes=0, number=1, prefix="",
             received=None, peer="192.0.2.1", guarded=False, cert="",
             host="registry.example"):
    """`received`: (ticket, kind, size, digest, upload id, body[, digests])."""
    out = struct.pack("<BBQ", VERSION, RECEIVED if received else ASK, number)
    for value in (method, target, prefix, "http", host, peer,
                  f"request-{number}", cert):
        out += text(value)
    out += struct.pack("<H", len(headers))
    for name, value in headers:
        out += text(name) + text(value)
    out += struct.pack("<qB", body_bytes, guarded)
    if received:
        ticket, kind, size, digest, upload, body, *digests = received
        out += text(ticket) + struct.pack("<BQ", kind, size)
        out += text(digest) + texts(*digests or [()])
        out += text(upload) + text(body)
    return out


class Decision:
    def __init__(self, data):
        reader = Reader(data)
        assert reader.number(1) == VERSION
        self.type = TYPES[reader.number(1)]
        self.id = reader.number(8)
        (self.repository, self.format, self.action, self.reference,
         self.error) = (reader.text() for _ in range(5))
        self.status = reader.number(2)
        self.headers = [(reader.text(), reader.text())
                        for _ in range(reader.number(2))]
        self.body = reader.bytes()
        self.location = reader.text()
        self.digest = reader.text()
        self.media_type = reader.text()
        self.size = reader.number(8)
        self.area = name_of(AREAS, reader.number(1))
        self.counted = bool(reader.number(1))
        self.into = name_of(INTO, reader.number(1))
        self.max_bytes = reader.number(8)
        self.algorithms = reader.number(1)
        self.upload_id = reader.text()
        self.ticket = reader.bytes()
        self.ttl_ms = reader.number(4)
        self.keys = [reader.text() for _ in range(reader.number(2))]
        self.grant_ms = reader.number(4)
        self.grant_keys = [reader.text() for _ in range(reader.number(2))]
        self.drops = [reader.text() for _ in range(reader.number(2))]
        assert reader.at == len(data)

    def header(self, name):
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        return values[0] if values else None


class Client:
    """A DEALER that asks the registryd at `endpoint`, as nginx does."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.context = zmq.Context()
        self.socket = None
        self.number = 0

    def connect(self):
        if self.socket:
            self.socket.close(0)
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(self.endpoint)

    def ask(self, method, target, headers=(), timeout=PATIENCE, **more):
        self.number += 1
        self.socket.send(question(method, target, headers,
                                  number=self.number, **more))
        return self.receive(timeout)

    def receive(self, timeout=PATIENCE):
        if not self.socket.poll(timeout * 1000):
            raise TimeoutError(f"no answer; log:\n{self.log()}")
        return Decision(self.socket.recv())

    def put_manifest(self, target, body, media_type, headers=()):
        """Ask, then Received with the body, as nginx does."""
        headers = [("Content-Type", media_type), *headers]
        decision = self.ask("PUT", target, headers, body_bytes=len(body))
        if decision.type != "receive":
            return decision
        assert decision.into == "memory" and len(body) <= decision.max_bytes
        return self.ask("PUT", target, headers, body_bytes=len(body),
                        received=(decision.ticket, MEMORY, len(body), "", "",
                                  body))

    def log(self):
        return ""

    def close(self):
        if self.socket:
            self.socket.close(0)
        self.context.term()

    def __enter__(self):
        self.connect()
        return self

    def __exit__(self, *_):
        self.close()


class Question:
    """One ask or received, as nginx sent it; see docs/protocol.md."""

    def __init__(self, data):
        reader = Reader(data)
        assert reader.number(1) == VERSION
        self.type = reader.number(1)
        self.id = reader.number(8)
        (self.method, self.target, self.prefix, self.scheme, self.host,
         self.peer, self.request_id, self.client_cert) = (
            reader.text() for _ in range(8))
        self.headers = [(reader.text(), reader.text())
                        for _ in range(reader.number(2))]
        self.body_bytes = reader.number(8)
        self.guarded = bool(reader.number(1))
        if self.type == RECEIVED:
            self.ticket = reader.bytes()
            self.body_kind = reader.number(1)
            self.size = reader.number(8)
            self.digest = reader.text()
            self.digests = dict(
                reader.text().split(":") for _ in range(reader.number(2)))
            self.upload_id = reader.text()
            self.body = reader.bytes()
        assert reader.at == len(data)

    def header(self, name):
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        return values[0] if values else None


def decision(question, kind="reply", *, repository="", action="",
             reference="", error="", status=200, headers=(), body="",
             digest="", media_type="", size=0, into="memory", max_bytes=0,
             upload_id="", ticket="", ttl_ms=0, keys=(), grant_ms=0,
             grant_keys=(), drops=(), area="blobs", counted=False,
             algorithms=0, format="oci"):
    """A decision on a question, as registryd would send it."""
    number = {name: value for value, name in TYPES.items()}[kind]
    out = struct.pack("<BBQ", VERSION, number, question.id)
    for value in (repository, format, action, reference, error):
        out += text(value)
    out += struct.pack("<HH", status, len(headers))
    for name, value in headers:
        out += text(name) + text(value)
    out += text(body) + text("") + text(digest) + text(media_type)
    out += struct.pack("<QBBBQB", size, AREAS[area], counted, INTO[into],
                       max_bytes, algorithms)
    out += text(upload_id) + text(ticket)
    out += struct.pack("<I", ttl_ms) + texts(keys)
    return out + struct.pack("<I", grant_ms) + texts(grant_keys) + texts(drops)


def reply(question, status=200, body="{}", ttl_ms=0, **more):
    """The decision `reply` to a question."""
    return decision(question, status=status, body=body, ttl_ms=ttl_ms, **more)


def invalidation(epoch, sequence, keys=()):
    """What registryd publishes; without keys the heartbeat."""
    return struct.pack("<BQQ", VERSION, epoch, sequence) + texts(keys)


def tally(data):
    """The lines (repository, reference, count) of a Tally."""
    reader = Reader(data[2:])
    return [(reader.text(), reader.text(), reader.number(8))
            for _ in range(reader.number(2))]


class StandIn(threading.Thread):
    """In registryd's place: `answer(question)` makes each decision.

    drop() and beat() publish, after wait_for_workers(), from the thread that
    made this one.
    """

    def __init__(self, endpoint, answer):
        super().__init__(daemon=True)
        self.answer = answer
        self.questions = []
        self.tallies = []  # [(repository, reference, count), …] of each
        self.failed = None
        self.epoch = int.from_bytes(os.urandom(7), "little")
        self.sequence = 0
        self._ending = threading.Event()
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 0
        self._router.bind(endpoint)
        self._events = self._context.socket(zmq.XPUB)
        self._events.linger = 0
        self._events.xpub_verbose = 1
        self._events.bind(endpoint + ".pub")
        self.start()

    def wait_for_workers(self, count, timeout=PATIENCE):
        """Until so many listen to what is published."""
        for _ in range(count):
            if not self._events.poll(timeout * 1000):
                raise TimeoutError("a worker does not listen")
            self._events.recv()

    def beat(self):
        self._events.send(invalidation(self.epoch, self.sequence))

    def drop(self, *keys):
        self.sequence += 1
        self._events.send(invalidation(self.epoch, self.sequence, keys))

    def run(self):
        try:
            while not self._ending.is_set():
                if not self._router.poll(50):
                    continue
                peer, data = self._router.recv_multipart()
                if data[1] == TALLY:
                    self.tallies.append(tally(data))
                    continue
                question = Question(data)
                self.questions.append(question)
                self._router.send_multipart([peer, self.answer(question)])
        except Exception as error:
            self.failed = error
        self._router.close()

    def close(self):
        self._ending.set()
        self.join()
        self._events.close(0)
        self._context.term()
        assert self.failed is None, self.failed


class Daemon(Client):
    """registryd on a root of its own, and a DEALER to ask it."""

    def __init__(self, *arguments, settings=""):
        self.dir = Path(tempfile.mkdtemp(prefix="lsd-", dir="/tmp"))
        super().__init__(f"ipc://{self.dir}/d")
        self.root = self.dir / "root"
        self.arguments = list(arguments)
        self.settings = settings
        self.process = None

    def command(self):
        conf = self.dir / "registryd.conf"
        conf.write_text(open_unless_said(self.settings))
        return [str(BUILD / "registryd"), "--config", str(conf), "--root",
                str(self.root), "--listen", self.endpoint, *self.arguments]

    def start(self):
        log = open(self.dir / "log", "ab")
        env = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
        self.process = subprocess.Popen(self.command(), stderr=log, env=env)
        log.close()
        self.connect()
        return self

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode if self.process else None

    def close(self):
        self.stop()
        super().close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()
