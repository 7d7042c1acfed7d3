"""What is measured: the rows of the table, as data.

A row is asked of each server in turn; `check` looks at right answers before
the timing, `measure` returns the numbers of one run.
"""

from dataclasses import dataclass, field

from . import client
from .content import KIB, MANIFEST_TYPE, MIB

ACCEPT = {"Accept": MANIFEST_TYPE}
RANGE_COUNT = 64
RANGE_BYTES = 64 * KIB


@dataclass(frozen=True)
class Row:
    """`scale` names the rate that is compared: `requests` per second or
    `bytes`; `per` the unit of CPU time: GiB or 10,000 requests."""

    key: str
    title: str
    connections: int
    scale: str = "requests"
    per: str = "10k"


@dataclass(frozen=True)
class Get(Row):
    """Repeats one request for the seconds of a run."""

    method: str = "GET"
    blob: str = ""
    reference: str = ""  # of the manifest: "tag" or "digest"
    ranges: tuple = ()

    def target(self, content):
        base = f"/v2/{content.repository}"
        if self.blob:
            return f"{base}/blobs/{content.blobs[self.blob].digest}"
        reference = (content.tag if self.reference == "tag"
                     else content.manifest_digest)
        return f"{base}/manifests/{reference}"

    def headers(self):
        out = {} if self.blob else dict(ACCEPT)
        if self.ranges:
            out["Range"] = "bytes=" + ",".join(
                f"{first}-{last}" for first, last in self.ranges)
        return out

    def check(self, server, content):
        """Asks once with a careful client; the length of the answer."""
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
            client.check_head(server.port, target, size, self.headers())
        else:
            client.check_get(server.port, target, digest, size,
                             self.headers())
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
        for name, value in self.headers().items():
            arguments += ["--header", f"{name}: {value}"]
        bench.load(server, self.connections,
                   [*arguments, "--seconds", str(bench.plan.warm_seconds)])
        return bench.timed(server, lambda: bench.load(
            server, self.connections,
            [*arguments, "--seconds", str(bench.plan.seconds)]))


@dataclass(frozen=True)
class Push(Row):
    """Pushes new blobs; each counts when its last answer came."""

    blob: str = ""
    style: str = "monolithic"
    count: int = 1
    chunk: int = 5 * MIB
    scale: str = "bytes"
    per: str = "GiB"
    floor: bool = field(default=False)  # compare with hash and write alone

    def refuses(self, server):
        """Why a server has no such row; None when it has."""
        if server.dav and self.style == "chunked":
            return "no chunked upload"
        return None

    def check(self, server, content):
        """Nothing before: the digests of all blobs are looked at after."""
        return 0

    def measure(self, bench, server):
        content = bench.content
        count = bench.plan.pushes(self.count)
        body = content.blobs[self.blob]
        style = "dav" if server.dav else self.style
        repository = "dav" if server.dav else "bench/push"
        pushed = []

        def new_blobs():
            # Each attempt pushes blobs that nobody has seen.
            plan, digests = content.plan(self.blob, count)
            pushed.extend(digests)
            return (plan,)

        run = bench.timed(server, lambda plan: bench.load(
            server, self.connections,
            ["push", "--style", style, "--repository", repository,
             "--body", str(body.path), "--plan", str(plan),
             "--chunk", str(self.chunk)]), new_blobs)
        if run["units"] != count:
            raise client.Wrong(f"{run['units']} of {count} blobs were pushed")
        base = "/dav" if server.dav else f"/v2/{repository}/blobs"
        for digest in pushed:
            client.check_head(server.port, f"{base}/{digest}", body.size)
        client.check_get(server.port, f"{base}/{pushed[-1]}", pushed[-1],
                         body.size)
        return run


@dataclass(frozen=True)
class Memory(Row):
    """Memory of all processes: at rest, or with connections open."""

    scale: str = "rss"
    per: str = ""

    def check(self, server, content):
        return 0


def _get(key, title, connections, **more):
    return Get(key, title, connections, **more)


def _ranges(blob_size):
    step = blob_size // RANGE_COUNT
    return tuple((i * step, i * step + RANGE_BYTES - 1)
                 for i in range(RANGE_COUNT))


def all_rows():
    """Every row of the table, in order."""
    whole = {"scale": "bytes", "per": "GiB"}
    rows = [
        Memory("rss-idle", "memory at rest, just started", 0),
        Memory("rss-1000", "memory, 1,000 open connections", 1000),
        _get("get-1k", "GET blob 1 KiB", 64, blob="1 KiB"),
        _get("get-100k", "GET blob 100 KiB", 64, blob="100 KiB"),
        _get("get-1m", "GET blob 1 MiB", 16, blob="1 MiB", **whole),
        _get("get-10m", "GET blob 10 MiB", 8, blob="10 MiB", **whole),
        _get("get-100m", "GET blob 100 MiB", 4, blob="100 MiB", **whole),
    ]
    rows += [_get(f"head-{key}", f"HEAD blob {name}", 64, method="HEAD",
                  blob=name)
             for key, name in (("1k", "1 KiB"), ("100k", "100 KiB"),
                               ("10m", "10 MiB"), ("100m", "100 MiB"))]
    rows += [
        _get(f"{method.lower()}-manifest-{reference}",
             f"{method} manifest by {reference}", 64, method=method,
             reference=reference)
        for method in ("GET", "HEAD") for reference in ("tag", "digest")]
    rows += [
        _get("range-1m", "GET 1 MiB range of 100 MiB", 16, blob="100 MiB",
             ranges=((50 * MIB + 1, 51 * MIB),), **whole),
        _get("ranges-64", "GET 64 ranges of 64 KiB in one request", 16,
             blob="100 MiB", ranges=_ranges(100 * MIB), **whole),
        Push("push-1m", "push 1 MiB × 100, 8 at a time", 8, blob="1 MiB",
             count=100),
        Push("push-100m", "push 100 MiB, POST + PUT", 1, blob="100 MiB",
             count=5, floor=True),
        Push("push-100m-chunked", "push 100 MiB in 5 MiB chunks", 1,
             blob="100 MiB", style="chunked", count=5, floor=True),
    ]
    return rows
