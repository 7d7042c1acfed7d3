"""What the audit log costs: the same requests of two registries, one of whose
registryd adds no row, in turns. See bench/audit."""

import http.client
import importlib.machinery
import importlib.util
import json
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from harness import http as wire
from harness import oci, server
from harness.authorized import Authorized, bearer

from . import procstat

TREE = Path(__file__).resolve().parents[2]
REPOSITORY = "team/audited"
# The function that adds a row, and the same that adds none.
FILE = "daemon/db/audit.cpp"
ADDS = "    LS_TRY(before, audit_head(t));\n    AuditRow row{"
ADDS_NONE = "    return AuditPoint{};\n" + ADDS
CONNECTIONS = 8
WARM_SECONDS = 0.3


class Failed(Exception):
    """What could not be built or measured, and why."""


@dataclass
class Change:
    """What the builder of mutants needs to know."""

    file: str
    old: str
    new: str


def without_log(build, folder):
    """A registryd beside the finished one that writes no audit log."""
    path = TREE / "tests/mutants/run"
    loader = importlib.machinery.SourceFileLoader("mutants_run", str(path))
    spec = importlib.util.spec_from_loader("mutants_run", loader)
    builder = importlib.util.module_from_spec(spec)
    loader.exec_module(builder)
    change = Change(FILE, ADDS, ADDS_NONE)
    try:
        made = builder.Build(build, folder / "build")
        made.link("registryd", made.compile(change, builder.apply(change)))
    except builder.Broken as error:
        raise Failed(str(error)) from error
    return folder / "build" / "registryd"


class Measured(Authorized):
    """With accounts, by a registryd of its own; `root` pushes by a token."""

    def __init__(self, program):
        super().__init__(workers=1, http_directives="keepalive_requests "
                         "1000000;")
        self.program = program
        self.daemon_config += 'log_level = "error"\n'
        self.pushed = self.made = 0

    def start_daemon(self):
        usual, server.DAEMON = server.DAEMON, self.program
        try:
            super().start_daemon()
        finally:
            server.DAEMON = usual

    def make_accounts(self):
        self.ctl("setup", "root", "--password-stdin",
                 given=self.password("root"))
        self.login = bearer(self.new_token("root", "--actions", "*"))
        self.made += self.rows()

    def fill(self):
        self.image = oci.make_index([], annotations={"x": "audited"})
        self.push(0)

    def push(self, number):
        answer = wire.request(
            self, "PUT", f"/v2/{REPOSITORY}/manifests/t{number}",
            {**self.login, "Content-Type": oci.INDEX}, self.image.manifest)
        if answer.status != 201:
            raise Failed(f"PUT of a manifest: {answer.status}")

    def rows(self):
        """Rows of the log, without those that registryctl wrote before."""
        return self.ctl("audit", "head")["id"] - self.made


def push_for(one, seconds):
    """How many tags were pushed in the time, over some connections."""
    headers = {**one.login, "Content-Type": oci.INDEX}
    end = time.monotonic() + seconds
    counts, failures = [0] * CONNECTIONS, []

    def work(place):
        connection = http.client.HTTPConnection("127.0.0.1", one.port,
                                                timeout=60)
        try:
            while time.monotonic() < end:
                connection.request(
                    "PUT", f"/v2/{REPOSITORY}/manifests/"
                    f"t{place}-{one.pushed}-{counts[place]}",
                    one.image.manifest, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 201:
                    raise Failed(f"PUT of a manifest: {answer.status}")
                counts[place] += 1
        except (OSError, http.client.HTTPException, Failed) as error:
            failures.append(error)
        finally:
            connection.close()
    threads = [threading.Thread(target=work, args=(place,))
               for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.pushed += 1
    if failures:
        raise Failed(str(failures[0]))
    return sum(counts)


def refuse_for(one, seconds):
    """How many requests without a credential were answered 401."""
    done = subprocess.run(
        [server.BUILD / "bench_load", "get", "--port", str(one.port),
         "--target", f"/v2/{REPOSITORY}/manifests/t0", "--status", "401",
         "--connections", str(CONNECTIONS), "--seconds", str(seconds)],
        capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise Failed(f"bench_load: {done.stdout}{done.stderr}") from None
    if found["error"]:
        raise Failed(found["error"])
    return found["units"]


KINDS = {"manifest pushed": push_for, "refused, 401": refuse_for}


def run(kind, one, seconds):
    """Requests a second, and microseconds of registryd's CPU for each."""
    KINDS[kind](one, WARM_SECONDS)
    cpu, begun = procstat.cpu_s(one.daemon_pid), time.monotonic()
    count = KINDS[kind](one, seconds)
    took = time.monotonic() - begun
    cpu = procstat.cpu_s(one.daemon_pid) - cpu
    if not count:
        raise Failed(f"{kind}: nothing was answered")
    return {"per_s": count / took, "cpu_us": cpu * 1e6 / count}


def measure(logged, silent, rounds, seconds):
    """{kind: {"on": runs, "off": runs}}; the other one first each round."""
    found = {kind: {"on": [], "off": []} for kind in KINDS}
    for number in range(rounds):
        pair = [("on", logged), ("off", silent)]
        for kind in KINDS:
            for name, one in pair if number % 2 == 0 else pair[::-1]:
                found[kind][name].append(run(kind, one, seconds))
    return found


def _median(runs, figure):
    return statistics.median(run[figure] for run in runs)


def _ratio(on, off, figure):
    """Of the rounds' ratios the median, the least and the largest."""
    ratios = sorted(a[figure] / b[figure] for a, b in zip(on, off))
    return (f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to "
            f"{ratios[-1]:.2f})")


def table(document):
    """The table, in Markdown."""
    lines = ["| | requests/s, log on | off | on/off | registryd's CPU each, "
             "log on | off | on/off |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for kind, runs in document["runs"].items():
        on, off = runs["on"], runs["off"]
        lines.append(
            f"| {kind} | {_median(on, 'per_s'):,.0f} "
            f"| {_median(off, 'per_s'):,.0f} | {_ratio(on, off, 'per_s')} "
            f"| {_median(on, 'cpu_us'):.0f} µs "
            f"| {_median(off, 'cpu_us'):.0f} µs "
            f"| {_ratio(on, off, 'cpu_us')} |")
    lines.append(f"Median (least to largest) of {document['rounds']} rounds "
                 f"of {document['seconds']:g} s; {CONNECTIONS} connections; "
                 f"{document['rows']['on']:,} rows in the log that is on, "
                 f"{document['rows']['off']} in the other.")
    return "\n".join(lines)
