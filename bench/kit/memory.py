"""Rows about memory: RSS and PSS of all processes of a server, at rest and
while many clients are in the middle of something. Each but one begins with a
server that was just started: what one row left in a heap is not the next
one's."""

import time
from dataclasses import dataclass, field

from . import client, procstat
from .content import MIB
from .rows import REGISTRIES, Pushes, Row

# Body bytes a second of each slow reader: 100 MiB take more than a minute.
SLOW = MIB


class Peak:
    """The largest RSS and PSS that were seen."""

    def __init__(self, server):
        self.server = server
        self.rss = self.pss = 0

    def look(self):
        rss, pss = procstat.memory(self.server.processes())
        self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)

    def watch(self, seconds):
        end = time.monotonic() + seconds
        self.look()
        while time.monotonic() < end:
            time.sleep(0.05)
            self.look()

    def numbers(self, before=None):
        out = {"rss_bytes": self.rss, "pss_bytes": self.pss}
        if before:
            out["added_bytes"] = self.rss - before.rss
        return out


@dataclass(frozen=True)
class Memory(Row):
    """At rest; the kinds below say with what."""

    scale: str = "rss"
    per: str = ""

    def measure(self, bench, server):
        server.stop()
        server.start()
        time.sleep(bench.plan.settle_seconds)
        before = Peak(server)
        before.look()
        return self.under_load(bench, server, before)

    def under_load(self, bench, server, before):
        return before.numbers()


@dataclass(frozen=True)
class AtRestAfter(Memory):
    """At rest, of a server as the rows before have left it."""

    def measure(self, bench, server):
        time.sleep(bench.plan.settle_seconds)
        now = Peak(server)
        now.look()
        return now.numbers()


@dataclass(frozen=True)
class OpenConnections(Memory):
    """Each connection had one answer and stays open."""

    def under_load(self, bench, server, before):
        peak = Peak(server)
        target = f"/v2/{bench.content.repository}/blobs/" + \
            bench.content.blobs["1 KiB"].digest
        with bench.held(server, self.connections,
                        ["hold", "--target", target]) as held:
            held.line()
            time.sleep(bench.plan.settle_seconds)
            peak.look()
        return peak.numbers(before)


@dataclass(frozen=True)
class SlowPulls(Memory):
    """All connections read a large blob slowly: the largest memory while
    every one of them is in the middle of it."""

    blob: str = "100 MiB"

    def under_load(self, bench, server, before):
        peak = Peak(server)
        target = f"/v2/{bench.content.repository}/blobs/" + \
            bench.content.blobs[self.blob].digest
        with bench.held(server, self.connections,
                        ["hold", "--target", target, "--rate",
                         str(SLOW)]) as held:
            held.line(peak.look)
            peak.watch(2 * bench.plan.settle_seconds)
            end = held.release()
        if end["under_way"] != self.connections:
            raise client.Wrong(f"{end['under_way']} of {self.connections} "
                               "pulls were under way at the end")
        return peak.numbers(before)


@dataclass(frozen=True)
class Uploads(Memory):
    """All connections push at once, as fast as they can; each keeps its last
    bytes back until memory was looked at, so that none is through before.
    The largest memory from the first byte on."""

    blob: str = "10 MiB"
    hold_back: int = MIB // 4
    servers: tuple = REGISTRIES
    writes: bool = field(default=True)

    def under_load(self, bench, server, before):
        count = bench.plan.pushes(self.connections)
        pushes = Pushes(bench, server, self.blob)
        plan = pushes.new_blobs(count)
        peak = Peak(server)
        with bench.held(server, count,
                        [*pushes.arguments(plan), "--hold-back",
                         str(self.hold_back)]) as held:
            held.line(peak.look)
            peak.watch(bench.plan.settle_seconds)
            end = held.release()
        if end["units"] != count:
            raise client.Wrong(f"{end['units']} of {count} blobs were pushed")
        pushes.check()
        pushes.forget()
        return peak.numbers(before)
