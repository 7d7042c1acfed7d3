"""Clients that leave at the worst moment: half a request, half a body, half
an answer, a question in flight. Used under ASan, under valgrind and bare."""

import random
import socket
import struct
import threading

from . import http
from .oci import Repository, digest, make_image, target


class Abuser(threading.Thread):
    """Runs `count` random aborted requests; `failures` are real errors."""

    def __init__(self, server, seed, count, image):
        super().__init__(daemon=True)
        self.server = server
        self.random = random.Random(seed)
        self.count = count
        self.image = image
        self.name_of = f"abuse/r{seed}"
        self.repo = Repository(server, self.name_of)
        self.failures = []

    def run(self):
        moves = (self.leave_in_head, self.leave_in_patch,
                 self.leave_in_chunk, self.leave_in_put, self.leave_in_get,
                 self.leave_in_question, self.leave_in_manifest)
        for _ in range(self.count):
            try:
                self.random.choice(moves)()
            except (OSError, http.Closed):
                pass  # the server may close first
            except AssertionError as error:
                self.failures.append(str(error))

    def connect(self):
        return http.Connection(self.server.host, self.server.port,
                               self.server.tls and True, 20)

    def leave(self, connection):
        """Closes, half of the time with a reset."""
        if self.random.random() < 0.5:
            connection.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER,
                struct.pack("ii", 1, 0))
        connection.close()

    def send_part(self, data):
        connection = self.connect()
        connection.send(data[:self.random.randrange(1, len(data) + 1)])
        self.leave(connection)

    def leave_in_head(self):
        self.send_part(http.head("GET", "/v2/abuse/x/tags/list"))

    def session(self):
        answer = self.repo.start_upload()
        assert answer.status in (202, 503), answer.status
        if answer.status == 503:
            raise OSError("daemon is away")
        return target(answer.headers["Location"])

    def leave_in_patch(self):
        size = self.random.choice((10, 70_000, 700_000))
        body = self.random.randbytes(size)
        self.send_part(http.head("PATCH", self.session(),
                                 {"Content-Length": str(size)}) + body)

    def leave_in_chunk(self):
        pieces = [self.random.randbytes(self.random.randrange(1, 90_000))
                  for _ in range(5)]
        self.send_part(http.head("PATCH", self.session(),
                                 {"Transfer-Encoding": "chunked"})
                       + http.chunked(pieces))

    def leave_in_put(self):
        body = self.random.randbytes(self.random.choice((5, 100_000)))
        path = self.session()
        path += ("&" if "?" in path else "?") + "digest=" + digest(body)
        connection = self.connect()
        connection.send(http.head("PUT", path,
                                  {"Content-Length": str(len(body))}) + body)
        self.leave(connection)

    def leave_in_get(self):
        name = digest(self.image.blobs[1])
        connection = self.connect()
        connection.send(http.head("GET", f"/v2/abuse/base/blobs/{name}"))
        connection.sock.recv(self.random.randrange(1, 100_000))
        self.leave(connection)

    def leave_in_question(self):
        """Goes while the daemon has the question."""
        connection = self.connect()
        path = self.random.choice((
            "/v2/_catalog", "/v2/abuse/base/tags/list",
            f"/v2/{self.name_of}/manifests/missing",
            f"/v2/{self.name_of}/referrers/{self.image.digest}"))
        connection.send(http.head("GET", path))
        self.leave(connection)

    def leave_in_manifest(self):
        connection = self.connect()
        body = self.image.manifest
        connection.send(http.head(
            "PUT", f"/v2/abuse/base/manifests/t{self.random.randrange(5)}",
            {"Content-Type": self.image.media_type,
             "Content-Length": str(len(body))})
            + body[:self.random.randrange(len(body) + 1)])
        self.leave(connection)


def abuse(server, clients, requests_each, meanwhile=None):
    """Runs abusers; `meanwhile()` is called again and again beside them.

    Afterwards the server must still do honest work."""
    image = make_image((random.Random(1).randbytes(2_000_000),))
    base = Repository(server, "abuse/base")
    base.push(image, "latest")
    threads = [Abuser(server, seed, requests_each, image)
               for seed in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if meanwhile is not None:
            meanwhile()
        for thread in threads:
            thread.join(0.2)
    failures = [line for thread in threads for line in thread.failures]
    assert not failures, failures[:5]
    after = Repository(server, "abuse/after")
    after.push(make_image((b"still here",)), "latest")
    assert after.get_manifest("latest").status == 200
    name = digest(image.blobs[1])
    assert base.get_blob(name).body == image.blobs[1]
