"""nginx before a scripted daemon: each test says what it decides."""

import hashlib

from . import http, seam
from .process import wait_until
from .server import Registry

ALL = seam.MD5 | seam.SHA1 | seam.SHA512 | seam.BLAKE2B
STATUS = "location = /status { registry_status json; }"


class Scripted(Registry):
    """`decide(question)` makes every decision; 404 until a test sets it."""

    def __init__(self, workers=1, **more):
        self.stand_in = None
        self.decide = self.nothing
        super().__init__(workers=workers, locations=STATUS,
                         daemon_options="timeout=6s", **more)

    @staticmethod
    def nothing(question):
        return seam.decision(question, "deny", status=404, error="UNKNOWN",
                             body="{}")

    def start_daemon(self):
        self.stand_in = seam.StandIn(self.endpoint,
                                     lambda question: self.decide(question))

    def stop_daemon(self, sig=None):
        if self.stand_in is not None:
            self.stand_in.close()
            self.stand_in = None

    def answers(self):
        return self.numbers() is not None

    def numbers(self):
        try:
            answer = http.request(self, "GET", "/status")
            return answer.json() if answer.status == 200 else None
        except (OSError, http.Closed):
            return None

    def start(self):
        """Returns when what the workers missed is behind them."""
        super().start()
        self.stand_in.wait_for_workers(self.workers)
        flushes = self.numbers()["cache_flushes"]
        self.stand_in.beat()
        wait_until(lambda: self.numbers()["cache_flushes"] > flushes,
                   what="the first heartbeat")
        return self

    def ask(self, target, headers=(), method="GET", **more):
        return http.request(self, method, target, headers, **more)

    def cost(self, *request, **more):
        """(the answer, how many questions it took)"""
        before = len(self.stand_in.questions)
        answer = self.ask(*request, **more)
        return answer, len(self.stand_in.questions) - before

    def drop(self, *keys):
        drops = self.numbers()["cache_drops"]
        self.stand_in.drop(*keys)
        wait_until(lambda: self.numbers()["cache_drops"] >= drops + len(keys),
                   pause=0.001, what="keys dropped")

    def put(self, area, data):
        """Puts bytes into an area of the store; their digest."""
        encoded = hashlib.sha256(data).hexdigest()
        folder = self.root / "documents" / "sha256" / encoded[:2]
        path = folder / encoded
        if area == "blobs":
            folder = (self.root / "docker" / "registry" / "v2" / "blobs"
                      / "sha256" / encoded[:2] / encoded)
            path = folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"sha256:{encoded}"

    def tallied(self):
        """What the tallies so far come to, by repository and reference."""
        counts = {}
        for tally in list(self.stand_in.tallies):
            for repository, reference, count in tally:
                key = (repository, reference)
                counts[key] = counts.get(key, 0) + count
        return counts


class Spooling(Scripted):
    """Takes a body into the spool, then answers 201; `receive` are members
    of the Receive decision."""

    def __init__(self, **more):
        super().__init__(**more)
        self.moved = self.dir / "moved"
        self.reset()

    def reset(self):
        self.receive = {"algorithms": ALL}
        self.received = []
        self.moves = True
        self.status = 201
        self.decide = self.take

    def take(self, question):
        if question.type == seam.ASK:
            return seam.decision(question, "receive", into="spool",
                                 ticket="ticket", **self.receive)
        path = self.root / "spool" / question.upload_id
        question.data = path.read_bytes()
        self.received.append(question)
        if self.moves:
            path.rename(self.moved)
        return seam.decision(question, status=self.status, body="{}")

    def start_nginx(self):
        (self.root / "spool").mkdir(exist_ok=True)
        super().start_nginx()

    def spooled(self):
        """Files in the spool."""
        return sorted((self.root / "spool").iterdir())
