"""Clients as fleets have them: steady pulls, and uploads that go on.

A pull is repeated in one case only, as every real client does: the server
closed a kept connection before it said a byte to this request (RFC 9110
section 9.2.2 and RFC 9112 section 9.3.1). Everything else is a failure.
"""

import collections
import hashlib
import random
import socket
import threading
import time

from . import http
from .oci import Repository, target, with_query


class Unread(Exception):
    """The connection ended before a byte of the answer."""


def ask(connection, method, path, headers=()):
    """One request on a kept connection; `Unread` if nothing came back."""
    try:
        connection.send(http.head(method, path, headers))
        first = connection.sock.recv(1 << 16)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Unread(str(error)) from error
    if not first:
        raise Unread("closed")
    connection.buffer = first
    return connection.read_response(method)


class Pulls:
    """`rate` requests a second from `threads` kept connections.

    `requests` is a list of (weight, kind, method, path or callable, body);
    a callable makes the path of each request, body None is not compared
    (HEAD). Between start() and stop(); then `done` counts answers by kind,
    `repeated` the requests that met a closing connection, `failed` tells the
    rest and `milliseconds` holds how long each took.
    """

    def __init__(self, server, requests, rate=500, threads=10):
        self.server = server
        self.requests = requests
        self.weights = [row[0] for row in requests]
        self.pause = threads / rate
        self.done = collections.Counter()
        self.repeated = 0
        self.failed = []
        self.milliseconds = []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(seed,))
                        for seed in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _run(self, seed):
        dice = random.Random(seed)
        connection = None
        due = time.monotonic() + dice.random() * self.pause
        while not self.over.wait(max(0.0, due - time.monotonic())):
            due = max(due + self.pause, time.monotonic() - 1)
            row = dice.choices(self.requests, self.weights)[0]
            start = time.monotonic()
            connection = self._pull(connection, *row[1:])
            self.milliseconds.append((time.monotonic() - start) * 1000)
        if connection is not None:
            connection.close()

    def _pull(self, connection, kind, method, path, body):
        """Does one pull; the connection for the next, or None."""
        path = path() if callable(path) else path
        kept = connection is not None
        for attempt in (1, 2):
            try:
                if connection is None:
                    connection = http.Connection(self.server.host,
                                                 self.server.port)
                answer = ask(connection, method, path)
                break
            except Unread as error:
                connection.close()
                connection = None
                if not kept or attempt == 2:
                    return self._fail(kind, f"no answer: {error}")
                with self.lock:
                    self.repeated += 1
                kept = False
            except (OSError, http.Closed) as error:
                if connection is not None:
                    connection.close()
                return self._fail(kind, f"{type(error).__name__}: {error}")
        if answer.status != 200:
            self._fail(kind, f"{answer.status} {answer.body[:200]!r}")
        elif body is not None and answer.body != body:
            self._fail(kind, f"other bytes, {len(answer.body)} of them")
        else:
            with self.lock:
                self.done[kind] += 1
        if answer.will_close:
            connection.close()
            return None
        return connection

    def _fail(self, kind, text):
        with self.lock:
            self.failed.append(f"{time.strftime('%T')} {kind}: {text}")


class Upload(threading.Thread):
    """Pushes `data` so slowly that it takes `seconds`; then `finished`.

    `chunk`: bytes of each PATCH; 0: everything in the closing PUT. After a
    broken connection or a 5xx it asks for the status and goes on from there,
    as clients do; `resumed` counts how often.
    """

    PATIENCE = 60  # seconds without progress

    def __init__(self, server, name, data, seconds, chunk=0):
        super().__init__(daemon=True)
        self.repo = Repository(server, name)
        self.server = server
        self.data = data
        self.digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.speed = len(data) / seconds
        self.chunk = chunk
        self.resumed = collections.Counter()
        self.finished = False
        self.problem = None
        self.location = None
        self.offset = 0

    def run(self):
        try:
            self._push()
        except Exception as error:  # told by the test
            self.problem = repr(error)

    def _push(self):
        self.begun = time.monotonic()
        self._until(self._start, "POST")
        while self.chunk and self.offset < len(self.data):
            self._until(self._patch, "PATCH")
        self._until(self._put, "PUT")
        self.finished = True

    def _until(self, step, what):
        """Repeats a step until it succeeds, with the status in between."""
        give_up, best = time.monotonic() + self.PATIENCE, self.offset
        while True:
            try:
                answer = step()
                if answer is None:
                    return
                why = str(answer.status)
                assert answer.status >= 500 or answer.status == 416, (
                    what, answer.status, answer.body)
            except (OSError, http.Closed) as error:
                why = type(error).__name__
            self.resumed[f"{what} {why}"] += 1
            if self.offset > best:
                give_up, best = time.monotonic() + self.PATIENCE, self.offset
            assert time.monotonic() < give_up, f"no progress after {what} {why}"
            time.sleep(0.2)
            if self.location is not None:
                self._ask_status()

    def _ask_status(self):
        try:
            answer = self.repo.upload_status(self.location)
        except (OSError, http.Closed):
            return
        if answer.status == 204:
            self.location = answer.headers["Location"]
            self.offset = int(self.location.rpartition("offset=")[2])
        else:
            # Only bytes that are a blob already have no status any more;
            # the PUT that says so is to be repeated, without them.
            assert answer.status == 404, (answer.status, answer.body)
            self.offset = len(self.data)

    def _start(self):
        answer = self.repo.start_upload()
        if answer.status != 202:
            return answer
        self.location = answer.headers["Location"]
        return None

    def _patch(self):
        end = min(self.offset + self.chunk, len(self.data))
        answer = self._send("PATCH", target(self.location), end, {
            "Content-Range": f"{self.offset}-{end - 1}"})
        if answer.status != 202:
            return answer
        self.location = answer.headers["Location"]
        self.offset = end
        return None

    def _put(self):
        path = with_query(target(self.location), f"digest={self.digest}")
        answer = self._send("PUT", path, len(self.data), {})
        return None if answer.status == 201 else answer

    def _send(self, method, path, end, headers):
        """The bytes up to `end`, at the speed that was asked for."""
        headers = {"Content-Type": "application/octet-stream",
                   "Content-Length": str(end - self.offset), **headers}
        with http.Connection(self.server.host, self.server.port) as link:
            link.send(http.head(method, path, headers))
            at = self.offset
            while at < end:
                now = time.monotonic()
                allowed = int((now - self.begun) * self.speed)
                size = min(max(allowed - at, 1), end - at, 1 << 16)
                if allowed <= at:
                    time.sleep(0.05)
                    continue
                try:
                    link.send(self.data[at:at + size])
                except (BrokenPipeError, ConnectionResetError):
                    break  # an early answer may be there to read
                at += size
                if _readable(link.sock):
                    break
                time.sleep(0.05)
            return link.read_response(method)


def _readable(sock):
    """True if the server has said something, or has left."""
    try:
        sock.setblocking(False)
        return len(sock.recv(1, socket.MSG_PEEK)) >= 0
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        sock.settimeout(30)
