"""Invalidations on their way from registryd to nginx, some of them lost.

`Lossy` stands between the daemon's PUB and an nginx; `LossyRegistry` is a
registry whose nginx hears the daemon only through it. Questions and their
answers take the straight way.
"""

import os
import struct
import threading

import zmq

from .process import wait_until
from .seam import Reader, text
from .server import Registry


def invalidation(epoch, sequence, keys):
    """The message, as docs/protocol.md has it."""
    return (struct.pack("<BQQH", 1, epoch, sequence, len(keys))
            + b"".join(text(key) for key in keys))


def read_invalidation(message):
    """(epoch, sequence, keys)"""
    reader = Reader(message)
    assert reader.number(1) == 1
    epoch, sequence = reader.number(8), reader.number(8)
    return epoch, sequence, [reader.text() for _ in range(reader.number(2))]


class Lossy(threading.Thread):
    """Forwards what `passes(keys)` says; keys are empty for a heartbeat.

    `lost` and `passed` count messages with keys, `beats` the heartbeats that
    passed; `last` is (epoch, sequence) of the last message, lost or not.
    """

    def __init__(self, source, sink):
        super().__init__(daemon=True)
        self.passes = lambda keys: True
        self.lost = self.passed = self.beats = 0
        self.last = (0, 0)
        self.extra = []
        self.over = threading.Event()
        self.context = zmq.Context()
        self.source = self.context.socket(zmq.SUB)
        self.source.reconnect_ivl = 20
        self.source.reconnect_ivl_max = 20
        self.source.subscribe(b"")
        self.source.connect(source)
        self.sink = self.context.socket(zmq.PUB)
        self.sink.bind(sink)

    def run(self):
        while not self.over.is_set():
            while self.extra:
                self.sink.send(self.extra.pop(0))
            if not self.source.poll(5):
                continue
            message = self.source.recv()
            epoch, sequence, keys = read_invalidation(message)
            if not self.passes(keys):
                self.lost += bool(keys)
            else:
                self.sink.send(message)
                self.passed += bool(keys)
                self.beats += not keys
            self.last = (epoch, sequence)

    def send(self, epoch, sequence, keys=()):
        """A message of our own, in place of the daemon."""
        self.extra.append(invalidation(epoch, sequence, keys))

    def close(self):
        self.over.set()
        self.join()
        self.source.close(0)
        self.sink.close(0)
        self.context.term()


class LossyRegistry(Registry):
    """A registry with `.lossy` before its nginx."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.lossy = None

    def conf_text(self):
        # Another name of the daemon's socket; that of the invalidations
        # follows from it and is ours.
        link = self.dir / "p.sock"
        if not link.is_symlink():
            os.symlink(self.socket, link)
        if self.lossy is None:
            self.lossy = Lossy(f"{self.endpoint}.pub", f"ipc://{link}.pub")
            self.lossy.start()
        return super().conf_text().replace(f"registry_daemon {self.endpoint}",
                                           f"registry_daemon ipc://{link}")

    def start(self):
        super().start()
        wait_until(lambda: self.lossy.beats > 0, 10, what="a heartbeat")
        return self

    def close(self, check=True):
        super().close(check)
        if self.lossy is not None:
            self.lossy.close()
