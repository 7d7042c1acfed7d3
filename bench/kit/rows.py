"""What is measured: requests and pushes, as data. The other kinds of rows are
in memory.py and cold.py; table.py has all of them in order.

A row is asked of each server in turn; `check` looks at right answers before
the timing, `measure` returns the numbers of one run.
"""

from dataclasses import dataclass, field

from . import client
from .content import KIB, MANIFEST_TYPE, MIB

ACCEPT = {"Accept": MANIFEST_TYPE}
ALL = ("ours", "static", "registry")
REGISTRIES = ("ours", "registry")


@dataclass(frozen=True)
class Row:
    """`scale` names the rate that is compared: `requests` per second,
    `bytes`, or what is less the better: `rss`, `seconds`. `per` is the unit
    of CPU time: GiB or 10,000 requests. `versus` names another row whose runs
    of the same round and server this one is compared with, and what to call
    that."""

    key: str
    title: str
    connections: int
    scale: str = "requests"
    per: str = "10k"
    place: str = "disk"
    servers: tuple = ALL
    floor: bool = False   # compare with hash and write alone
    writes: bool = False
    versus: tuple = ()

    def refuses(self, server):
        """Why a server has no such row; None when it has."""
        return None

    def check(self, bench, server):
        """The length of a right answer; 0 where `measure` checks."""
        return 0


@dataclass(frozen=True)
class Get(Row):
    """Repeats one request for the seconds of a run."""

    method: str = "GET"
    blob: str = ""
    reference: str = ""  # of the manifest: "tag" or "digest"
    ranges: tuple = ()
    login: str = ""  # the form of a credential, where nobody else is let in

    def target(self, content):
        base = f"/v2/{content.repository}"
        if self.blob:
            return f"{base}/blobs/{content.blobs[self.blob].digest}"
        reference = (content.tag if self.reference == "tag"
                     else content.manifest_digest)
        return f"{base}/manifests/{reference}"

    def headers(self, server):
        out = {} if self.blob else dict(ACCEPT)
        if self.login:
            out.update(server.credential(self.login))
        if self.ranges:
            out["Range"] = "bytes=" + ",".join(
                f"{first}-{last}" for first, last in self.ranges)
        return out

    def check(self, bench, server):
        """Asks once with a careful client; the length of the answer."""
        content = bench.content
        target = self.target(content)
        if self.blob:
            blob = content.blobs[self.blob]
            size, digest = blob.size, blob.digest
        else:
            size, digest = len(content.manifest), content.manifest_digest
        if self.ranges:
            return client.check_ranges(server.port, target, blob.data(),
                                       self.ranges)
        if self.method == "HEAD":
            client.check_head(server.port, target, size,
                              self.headers(server))
        else:
            client.check_get(server.port, target, digest, size,
                             self.headers(server))
        return size

    def measure(self, bench, server):
        length = bench.lengths[self.key, server.name]
        arguments = ["get", "--method", self.method,
                     "--target", self.target(bench.content),
                     "--status", "206" if self.ranges else "200",
                     "--length", str(length)]
        if len(self.ranges) > 1:
            # Each boundary may be as long as RFC 2046 lets it be.
            arguments += ["--slack", str(70 * (len(self.ranges) + 1))]
        for name, value in self.headers(server).items():
            arguments += ["--header", f"{name}: {value}"]
        bench.load(server, self.connections,
                   [*arguments, "--seconds", str(bench.plan.warm_seconds)])
        return bench.timed(server, lambda: bench.load(
            server, self.connections,
            [*arguments, "--seconds", str(bench.plan.seconds)]))


@dataclass(frozen=True)
class GuardedGet(Get):
    """The same of a registry that knows who asks, and of one that does not
    look."""

    place: str = "guarded"
    servers: tuple = ("ours", "open")

    def measure(self, bench, server):
        asked = getattr(server, "questions", lambda: 0)
        before = asked()
        run = super().measure(bench, server)
        # Among them those of the warming and for the access token.
        run["questions"] = asked() - before
        return run


@dataclass(frozen=True)
class CrowdedGet(Get):
    """The same request without and then beside many who hardly read: a blob
    of 100 MiB each, so many bytes a second."""

    crowd: int = 2000
    crowd_rate: int = 64 * KIB

    def measure(self, bench, server):
        idle = super().measure(bench, server)
        crowd = ["hold", "--target", f"/v2/{bench.content.repository}/blobs/"
                 f"{bench.content.blobs['100 MiB'].digest}",
                 "--rate", str(self.crowd_rate)]
        with bench.held(server, self.crowd, crowd) as held, \
                bench.beside(held):
            held.line()
            run = super().measure(bench, server)
            end = held.release()
        if end["under_way"] != self.crowd:
            raise client.Wrong(f"{end['under_way']} of {self.crowd} slow "
                               "pulls were under way at the end")
        run["idle_p99_us"] = idle["p99_us"]
        run["crowd_p99"] = run["p99_us"] / idle["p99_us"]
        return run


@dataclass(frozen=True)
class Push(Row):
    """Pushes new blobs; each counts when its last answer came."""

    blob: str = ""
    style: str = "monolithic"
    count: int = 1
    chunk: int = 5 * MIB
    scale: str = "bytes"
    per: str = "GiB"
    writes: bool = field(default=True)

    def refuses(self, server):
        if server.dav and self.style == "chunked":
            return "no chunked upload"
        return None

    def measure(self, bench, server):
        count = bench.plan.pushes(self.count)
        pushes = Pushes(bench, server, self.blob, self.style)
        run = bench.timed(server, lambda plan: bench.load(
            server, self.connections,
            [*pushes.arguments(plan), "--chunk", str(self.chunk)]),
            lambda: (pushes.new_blobs(count),))
        if run["units"] != count:
            raise client.Wrong(f"{run['units']} of {count} blobs were pushed")
        pushes.check()
        pushes.forget()
        if bench.place.on_disk and "written_bytes" in run:
            run["written_per_byte"] = run["written_bytes"] / run["body_out"]
        return run


class Pushes:
    """The blobs of the attempts of one run: each attempt has new ones, those
    of the last are looked at, and large ones are taken off the disk."""

    LARGE = 10 * MIB

    def __init__(self, bench, server, blob, style="monolithic"):
        self.bench = bench
        self.server = server
        self.blob = blob
        self.body = bench.content.body(blob)
        self.style = "dav" if server.dav else style
        self.repository = "dav" if server.dav else "bench/push"
        self.digests = []

    def new_blobs(self, count):
        """A plan of blobs that nobody has seen."""
        self.forget()
        plan, self.digests = self.bench.content.plan(self.blob, count)
        return plan

    def arguments(self, plan):
        return ["push", "--style", self.style, "--repository",
                self.repository, "--body", str(self.body.path), "--plan",
                str(plan)]

    def check(self):
        """HEAD of all, and every byte of the last."""
        base = ("/dav" if self.server.dav
                else f"/v2/{self.repository}/blobs")
        port = self.server.port
        for digest in self.digests:
            client.check_head(port, f"{base}/{digest}", self.body.size)
        client.check_get(port, f"{base}/{self.digests[-1]}",
                         self.digests[-1], self.body.size)

    def forget(self):
        if self.body.size >= self.LARGE:
            self.server.forget(self.digests)
        self.digests = []
