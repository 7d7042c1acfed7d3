"""Invalidations on their way from registryd to nginx, some of them lost.

`Lossy` stands between the daemon's PUB and an nginx; `LossyRegistry` is a
registry whose nginx hears the daemon only through it. Questions and their
answers take the straight way, or that through a `Relay`, which can hold
answers back.
"""

import os
import threading

import zmq

from .process import wait_until
from .seam import VERSION, Decision, Reader, invalidation
from .server import Registry


def read_invalidation(message):
    """(epoch, sequence, keys)"""
    reader = Reader(message)
    assert reader.number(1) == VERSION
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


class Relay(threading.Thread):
    """Carries questions and answers; keeps those `holds(decision)` names
    in `held` until release()."""

    def __init__(self, source, sink):
        super().__init__(daemon=True)
        self.holds = lambda decision: False
        self.held = []
        self.released = threading.Event()
        self.over = threading.Event()
        self.endpoint = source
        self.context = zmq.Context()
        self.nginx = self.context.socket(zmq.ROUTER)
        self.nginx.linger = 0
        self.nginx.bind(sink)
        self.daemons = {}  # a DEALER for each worker, by its identity

    def run(self):
        while not self.over.is_set():
            if self.released.is_set():
                while self.held:
                    self.nginx.send_multipart(self.held.pop(0))
                self.released.clear()
            self.nginx.poll(2)
            while self.nginx.poll(0):
                peer, question = self.nginx.recv_multipart()
                self._daemon(peer).send(question)
            for peer, daemon in self.daemons.items():
                while daemon.poll(0):
                    self._answer([peer, daemon.recv()])

    def _daemon(self, peer):
        if peer not in self.daemons:
            daemon = self.context.socket(zmq.DEALER)
            daemon.linger = 0
            daemon.connect(self.endpoint)
            self.daemons[peer] = daemon
        return self.daemons[peer]

    def _answer(self, frames):
        if self.holds(Decision(frames[1])):
            self.held.append(frames)
        else:
            self.nginx.send_multipart(frames)

    def release(self):
        """Held answers go on their way."""
        self.released.set()
        wait_until(lambda: not self.released.is_set(), what="release")

    def close(self):
        self.over.set()
        self.join()
        for socket in (self.nginx, *self.daemons.values()):
            socket.close(0)
        self.context.term()


class LossyRegistry(Registry):
    """A registry with `.lossy`, or with `relayed` also a `.relay`, before its
    nginx."""

    def __init__(self, relayed=False, **arguments):
        super().__init__(**arguments)
        self.lossy = self.relay = None
        self.relayed = relayed

    def conf_text(self):
        # Another name of the daemon's socket; that of the invalidations
        # follows from it and is ours.
        link = self.dir / "p.sock"
        if self.lossy is None:
            if self.relayed:
                self.relay = Relay(self.endpoint, f"ipc://{link}")
                self.relay.start()
            else:
                os.symlink(self.socket, link)
            self.lossy = Lossy(f"{self.endpoint}.pub", f"ipc://{link}.pub")
            self.lossy.start()
        return super().conf_text().replace(f"registry_daemon {self.endpoint}",
                                           f"registry_daemon ipc://{link}")

    def start(self):
        super().start()
        wait_until(lambda: self.lossy.beats > 0, what="a heartbeat")
        return self

    def close(self, check=True):
        super().close(check)
        for part in (self.lossy, self.relay):
            if part is not None:
                part.close()
