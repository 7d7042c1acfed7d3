"""Thousands of clients that take a blob very slowly, in one process.

The file is a program of its own, so that its work does not stand in the way
of what a test measures; `Crowd` starts it and talks to it. Each client reads
with a pace between 1 B/s and 1 MiB/s (the logarithm is spread evenly),
through a socket buffer of about that size, and compares every byte. Some
leave again and again in the middle, half of them with a reset, and others
take their place.
"""

import heapq
import json
import math
import mmap
import os
import random
import resource
import select
import socket
import struct
import subprocess
import sys
import time

SLOWEST, FASTEST = 1, 1 << 20  # bytes a second
MOST = 1 << 16                 # bytes of one read


class Crowd:
    """`crowd.open(2000)`, `crowd.state()`, `crowd.close()`, as a context."""

    def __init__(self, server, path, file):
        self.process = subprocess.Popen(
            [sys.executable, __file__, server.host, str(server.port), path,
             str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)

    def _call(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the crowd ended: {self.process.wait()}"
        state = json.loads(line)
        assert not state["wrong"], state["wrong"]
        return state

    def open(self, count, leaving=0.05):
        """Returns when every client has the head of its answer."""
        return self._call("open", count, leaving)

    def state(self):
        """clients, left (how often one left), bytes (read so far)."""
        return self._call("state")

    def close(self):
        """Every client leaves."""
        return self._call("close")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Client:
    def __init__(self, crowd, leaves):
        self.crowd = crowd
        dice = crowd.dice
        self.leaves = leaves
        speed = math.exp(dice.uniform(math.log(SLOWEST), math.log(FASTEST)))
        self.piece = int(min(max(speed / 4, 1), MOST))
        self.pause = self.piece / speed
        self.offset = -1  # the head is not read yet
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                             max(4096, self.piece * 2))
        self.sock.connect(crowd.address)
        self.sock.setblocking(False)
        self.sock.send(crowd.request)
        now = time.monotonic()
        self.end = now + dice.uniform(0.1, 3) if leaves else math.inf
        self.due = now + dice.random() * min(self.pause, 1)

    def __lt__(self, other):
        return self.due < other.due

    def take_head(self):
        """True once the head is read; the body begins behind it."""
        try:
            seen = self.sock.recv(2048, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        end = seen.find(b"\r\n\r\n")
        if not seen or (end >= 0 and not seen.startswith(b"HTTP/1.1 200 ")):
            raise ValueError(f"an answer of {seen[:200]!r}")
        if end < 0:
            return False
        self.sock.recv(end + 4)
        self.offset = 0
        return True

    def take(self):
        """One piece; False when the blob is complete."""
        if self.offset < 0 and not self.take_head():
            return True
        try:
            data = self.sock.recv(self.piece)
        except BlockingIOError:
            return True
        end = self.offset + len(data)
        if not data:
            raise ValueError(f"closed after {self.offset} bytes")
        if data != self.crowd.blob[self.offset:end]:
            raise ValueError(f"other bytes at {self.offset}")
        self.crowd.bytes += len(data)
        self.offset = end
        return end < len(self.crowd.blob)

    def leave(self, reset):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        self.sock.close()


class Process:
    """The other side of `Crowd`: a clock, and commands on standard input."""

    def __init__(self, host, port, path, file):
        self.address = (host, int(port))
        self.request = (f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"
                        .encode())
        with open(file, "rb") as opened:
            self.blob = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
        self.dice = random.Random(1)
        self.clients = []  # a heap, by when the next piece is due
        self.left = self.bytes = 0
        self.wrong = []

    def work(self):
        now = time.monotonic()
        while self.clients and self.clients[0].due <= now:
            client = heapq.heappop(self.clients)
            try:
                more = client.take()
            except (OSError, ValueError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                more = False
            if more and now < client.end:
                client.due = max(client.due + client.pause, now - 1)
            else:
                self.left += more
                client.leave(more and self.dice.random() < 0.5)
                client = Client(self, client.leaves)
            heapq.heappush(self.clients, client)
        if not self.clients:
            return 0.2
        return max(0.0, min(0.2, self.clients[0].due - time.monotonic()))

    def open(self, count, leaving):
        made = [Client(self, i < count * leaving) for i in range(count)]
        give_up = time.monotonic() + 60
        for client in made:
            while client.offset < 0 and not client.take_head():
                if time.monotonic() > give_up:
                    raise TimeoutError("no answer for a minute")
                time.sleep(0.001)
        self.clients += made
        heapq.heapify(self.clients)

    def obey(self, line):
        words = line.split()
        if words[0] == "open":
            self.open(int(words[1]), float(words[2]))
        elif words[0] == "close":
            for client in self.clients:
                client.leave(False)
            self.clients = []
        print(json.dumps({"clients": len(self.clients), "left": self.left,
                          "bytes": self.bytes, "wrong": self.wrong[:5]}),
              flush=True)

    def run(self):
        pause = 0.0
        while True:
            readable, _, _ = select.select([0], [], [], pause)
            if readable:
                line = sys.stdin.readline()
                if not line:
                    return
                self.obey(line)
            pause = self.work()


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # The server and who measures it go first.
    os.nice(10)
    Process(*sys.argv[1:]).run()


if __name__ == "__main__":
    main()
