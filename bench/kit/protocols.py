"""HTTP/1.1 against HTTP/2, in the clear and over TLS: how bench/protocols
measures, and the table of what it found. The client is h2load."""

import os
import re
import statistics
import subprocess
from pathlib import Path

from .content import GIB, KIB, MIB

BLOBS = {"100 MiB": 100 * MIB, "1 MiB": MIB, "1 KiB": KIB}
# (title, TLS, h2load's words): HTTP/2 with one stream at a time on each
# connection, and with all clients' requests as streams of one connection.
WAYS = (
    ("HTTP/1.1", False, ["--h1", "-c", "4"]),
    ("HTTP/1.1, TLS", True, ["--h1", "-c", "4"]),
    ("HTTP/2, TLS", True, ["-c", "4", "-m", "1"]),
    ("HTTP/2, TLS, one connection", True, ["-c", "1", "-m", "4"]),
)
WARM_SECONDS = 0.3


class Failed(Exception):
    """What h2load said."""


def cpu_seconds(server):
    ticks = 0
    for pid in [server.daemon_pid, *server.worker_pids()]:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
        ticks += sum(int(field) for field in fields.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def load(server, words, path, seconds):
    """Bytes per second and CPU seconds of the server per GiB, by h2load's own
    clock: what its start and its end take is not the server's."""
    before = cpu_seconds(server)
    done = subprocess.run(
        ["h2load", *words, "-D", f"{seconds * 1000:.0f}ms",
         server.url + path], capture_output=True, text=True, check=False)
    cpu = cpu_seconds(server) - before
    took, size = figures(done.stdout) or (0, 0)
    if done.returncode or not took:
        raise Failed(f"{path}\n{done.stdout}{done.stderr}")
    return {"bytes_per_s": size / took, "cpu_per_gib": cpu * GIB / size}


def figures(said):
    """(seconds, bytes of bodies) of h2load's report; None if a request had
    another answer than 2xx, or none had one."""
    bad = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", said)
    took = re.search(r"^finished in ([\d.]+)(us|ms|s|m)?,", said, re.M)
    codes = re.search(r"^status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", said,
                      re.M)
    size = re.search(r"\((\d+)\) data", said)
    if not (bad and took and codes and size and int(codes[1]) and
            set(bad.groups()) == {"0"}):
        return None
    unit = {"us": 1e-6, "ms": 1e-3, "m": 60}.get(took[2], 1)
    return float(took[1]) * unit, int(size[1])


def measure(clear, secret, paths, rounds, seconds):
    """Every blob in every way, another way first in each round; `paths` is
    {(server, blob): path}. {blob: {way: list of runs}}"""
    found = {name: {title: [] for title, _, _ in WAYS} for name in BLOBS}
    for number in range(rounds):
        first = number % len(WAYS)
        for name in BLOBS:
            for title, tls, words in WAYS[first:] + WAYS[:first]:
                server = secret if tls else clear
                path = paths[server, name]
                load(server, words, path, WARM_SECONDS)
                found[name][title].append(load(server, words, path, seconds))
    return found


def table(document):
    """The table, in Markdown."""
    ways = [title for title, _, _ in WAYS]
    lines = ["| GET | " + " | ".join(ways) + " |",
             "| --- |" + " --- |" * len(ways)]
    lines += [f"| {name} | " + " | ".join(
        _cell(BLOBS[name], document["runs"][name][title])
        for title in ways) + " |" for name in BLOBS]
    lines.append(f"Median of {document['rounds']} rounds; 4 requests at a "
                 f"time; {document['ktls_requests']} of "
                 f"{document['tls_requests']} requests over TLS used kTLS.")
    return "\n".join(lines)


def _cell(size, runs):
    rates = [run["bytes_per_s"] for run in runs]
    speed = statistics.median(rates)
    cpu = statistics.median(run["cpu_per_gib"] for run in runs)
    amount = (f"{speed / size:,.0f}/s" if size < MIB
              else f"{speed / 1e9:.2f} GB/s")
    spread = (max(rates) - min(rates)) / speed / 2
    return f"{amount} ±{spread:.0%}, {cpu:.2f} s/GiB"
