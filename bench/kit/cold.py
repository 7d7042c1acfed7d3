"""Rows about a large catalog: manifests that nginx has to ask the daemon for,
and how long a start takes."""

import time
from dataclasses import dataclass

from . import client
from .content import MANIFEST_BYTES
from .rows import ACCEPT, REGISTRIES, Row

CHECKED = 20


@dataclass(frozen=True)
class ColdGet(Row):
    """GET of manifests by digest, another one each time; none of them may
    come from the memory of ours. In the same measurement, before it, the same
    with one manifest again and again."""

    place: str = "catalog"

    def check(self, bench, server):
        place = bench.place
        first = place.take(server, CHECKED)
        for number in range(first, first + CHECKED):
            target = place.targets[number % place.count]
            digest = target.rpartition("/")[2]
            client.check_get(server.port, target, bench.content.manifest_digest
                             if server.dav else digest, MANIFEST_BYTES, ACCEPT)
        return MANIFEST_BYTES

    def arguments(self, seconds, *which):
        header = [word for item in ACCEPT.items()
                  for word in ("--header", ": ".join(item))]
        return ["get", *which, "--status", "200", "--length",
                str(MANIFEST_BYTES), *header, "--seconds", str(seconds)]

    def measure(self, bench, server):
        place, plan = bench.place, bench.plan

        def cold(seconds):
            first = place.next.get(server.name, 0) % place.count
            run = bench.load(server, self.connections, self.arguments(
                seconds, "--targets", str(place.target_file), "--first",
                str(first)))
            # Those under way at the end were asked for as well.
            place.take(server, run["requests"] + self.connections)
            return run

        def warm(seconds):
            return bench.load(server, self.connections, self.arguments(
                seconds, "--target", place.warm_target))

        warm(plan.warm_seconds)
        warmed = bench.timed(server, lambda: warm(plan.seconds / 2))
        cold(plan.warm_seconds)
        before = server.memory_hits()
        run = bench.timed(server, lambda: cold(plan.seconds))
        hits = server.memory_hits() - before
        if hits:
            raise client.Wrong(f"{hits} of {run['requests']} answers came "
                               "from nginx's memory: they were not cold")
        run["warm_p50_us"] = warmed["p50_us"]
        run["added_us"] = run["p50_us"] - warmed["p50_us"]
        return run


@dataclass(frozen=True)
class Start(Row):
    """Seconds from the start of all processes to the first manifest that
    needs the daemon and its database."""

    scale: str = "seconds"
    per: str = ""
    place: str = "catalog"
    servers: tuple = REGISTRIES

    def measure(self, bench, server):
        place = bench.place
        target = place.targets[place.take(server, 1)]
        server.stop()
        begun = time.monotonic()
        server.start()
        client.check_get(server.port, target, target.rpartition("/")[2],
                         MANIFEST_BYTES, ACCEPT)
        return {"start_s": time.monotonic() - begun}
