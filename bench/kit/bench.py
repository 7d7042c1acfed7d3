"""Runs the rows: starts the servers, checks, measures alternately, keeps
every run with what it cost, and never turns a failure into a number."""

import ctypes
import hashlib
import json
import os
import select
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass

from . import client, procstat
from .content import GIB
from .places import reason
from .report import FOREIGN_CORES, is_disturbed

BLOCK = 256 * 1024
MAX_TRIES = 3
FLOOR = "floor"


@dataclass
class Plan:
    """How long and how often; `patience` is the time in seconds that the
    whole run may spend on waiting for a quiet machine and on repeating."""

    rounds: int = 3
    seconds: float = 2.0
    warm_seconds: float = 0.3
    settle_seconds: float = 0.5
    patience: float = 300.0
    push_share: float = 1.0
    large_bytes: int = GIB
    manifests: int = 100_000

    def pushes(self, count):
        return max(1, round(count * self.push_share))


class Bench:
    def __init__(self, plan, content, places, load, say):
        self.plan = plan
        self.content = content
        self.places = places
        self.binary = load
        self.say = say
        self.lengths = {}
        self.failed = {}   # (row key, server name) -> why
        self.skipped = {}  # (row key, server name) -> why
        self.runs = {}     # (row key, server name) -> list, one per round
        self.patience = plan.patience
        self.generators = []  # pids of those that run beside a measurement
        self.place = None  # where the rows of the moment are asked

    def flush(self):
        """Writes dirty pages of the data's file system, so that no push slows
        down what comes next."""
        descriptor = os.open(self.content.folder, os.O_RDONLY)
        try:
            ctypes.CDLL(None).syncfs(descriptor)
        finally:
            os.close(descriptor)

    # The rounds

    def run(self, rows):
        for number in range(self.plan.rounds):
            for place in self.places:
                mine = [row for row in rows if row.place == place.key]
                if mine:
                    self._round(place, mine, number)

    def _round(self, place, rows, number):
        which = f"round {number + 1} of {self.plan.rounds}, {place.key}"
        self.place = place
        if place.refused:
            self.skipped.update({
                (row.key, name): place.refused for row in rows
                for name in (*row.servers, *([FLOOR] if row.floor else []))})
            return
        self.say(f"{which}: filling and starting the servers")
        try:
            place.begin(self.content, self.say)
        except Exception as error:  # then nothing can be measured there
            self.say(f"  failed: {reason(error)}")
            for server in place.servers:
                place.down.setdefault(server.name, reason(error))
        self.flush()
        for row in rows:
            self.say(f"{which}: {row.title}")
            self._row(row, place.servers, number)
        place.end()

    def _row(self, row, servers, number):
        """Every server in turn, another one first in each round. What one
        has left for the kernel to write is written before the next one's
        turn; the floor comes right after ours."""
        servers = [one for one in servers if one.name in row.servers]
        first = number % len(servers) if servers else 0
        turns = [(one.name, one) for one in (*servers[first:],
                                             *servers[:first])]
        if row.floor:
            names = [name for name, _ in turns]
            behind = names.index("ours") + 1 if "ours" in names else 0
            turns.insert(behind, (FLOOR, None))
        for _, server in turns:
            if server:
                self._one(row, server, number)
            else:
                self._one_floor(row, number)
            if row.writes:
                self.flush()

    def _one(self, row, server, number):
        where, down = (row.key, server.name), self.place.down
        refuses = row.refuses(server)
        if refuses:
            self.skipped[where] = refuses
            return
        if server.name in down:
            self.failed.setdefault(where, down[server.name])
            return
        if where in self.failed:
            return
        try:
            if where not in self.lengths:
                self.lengths[where] = row.check(self, server)
            result = row.measure(self, server)
            result["round"] = number + 1
            self.runs.setdefault(where, []).append(result)
        except Exception as error:
            self.failed[where] = reason(error)
            self.say(f"  {server.name} failed: {self.failed[where]}")
            if not server.alive():
                down[server.name] = "the server ended: " + reason(error)

    # One measurement

    def command(self, server, connections, arguments):
        return [str(self.binary), arguments[0], "--port", str(server.port),
                "--connections", str(connections), *arguments[1:]]

    def load(self, server, connections, arguments):
        """One run of the generator; raises when an answer was wrong."""
        done = subprocess.run(self.command(server, connections, arguments),
                              capture_output=True, text=True,
                              timeout=120 + 10 * self.plan.seconds,
                              check=False)
        result = answer_of(done.stdout or done.stderr)
        if result["units"] == 0:
            raise client.Wrong("no request was answered in time")
        return result

    @contextmanager
    def held(self, server, connections, arguments):
        """A run of the generator that stops half-way; a Held."""
        with subprocess.Popen(
                self.command(server, connections, arguments),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True) as process:
            try:
                yield Held(process)
            finally:
                if not process.stdin.closed:
                    process.stdin.close()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()

    @contextmanager
    def beside(self, held):
        """What this generator takes of the machine is no disturbance."""
        self.generators.append(held.process.pid)
        try:
            yield
        finally:
            self.generators.remove(held.process.pid)

    def timed(self, server, work, prepare=lambda: ()):
        """Does `work` with the CPU time of the server around it; again when
        others took too much of the machine and patience is left. `prepare`
        makes the arguments of each attempt, untimed."""
        for _ in range(MAX_TRIES):
            given = prepare()
            self._await_quiet()
            begun = time.monotonic()
            run = self._timed_once(server, lambda: work(*given))
            if not is_disturbed(run) or self.patience <= 0:
                break
            self.patience -= time.monotonic() - begun
        return run

    def _timed_once(self, server, work):
        pids = server.processes()
        before, busy = procstat.cpu_of(pids), procstat.busy_s()
        kernel = procstat.kernel_s()
        written = procstat.written(pids)
        others = sum(procstat.cpu_of(self.generators).values())
        own, begun = time.process_time(), time.monotonic()
        run = work()
        wall = time.monotonic() - begun
        own = time.process_time() - own
        own += sum(procstat.cpu_of(self.generators).values()) - others
        if set(server.processes()) != set(pids):
            raise client.Wrong("processes of the server ended or were "
                               "started during the measurement")
        after = procstat.cpu_of(pids)
        if pids and written is not None:
            run["written_bytes"] = procstat.written(pids) - written
        run["cpu_s"] = sum(after[p] - before[p] for p in pids)
        kernel = max(0.0, procstat.kernel_s() - kernel)
        taken = procstat.busy_s() - busy
        foreign = taken - run["cpu_s"] - run["client_cpu_s"] - own - kernel
        run["kernel_cpu_s"] = round(kernel, 3)
        run["foreign_cores"] = round(max(0.0, foreign / wall), 3)
        return _with_costs(run)

    def _await_quiet(self):
        while self.patience > 0 and not self.generators:
            busy, begun = procstat.busy_s(), time.monotonic()
            time.sleep(0.1 if self.plan.settle_seconds else 0)
            wall = time.monotonic() - begun
            if procstat.busy_s() - busy <= FOREIGN_CORES * wall + 0.01:
                return
            self.patience -= wall

    # What the machine does without any server

    def _one_floor(self, row, number):
        where = row.key, FLOOR
        if where in self.failed:
            return
        try:
            result = self.timed(_Nobody(), lambda: self._hash_and_write(row))
            result["round"] = number + 1
            self.runs.setdefault(where, []).append(result)
        except OSError as error:
            self.failed[where] = reason(error)

    def _hash_and_write(self, row):
        """SHA-256 and write of the same blobs in one thread, each made
        durable as a server must: fsync, rename, fsync of the folder."""
        count = self.plan.pushes(row.count)
        body = self.content.body(row.blob)
        folder = self.place.folder / "floor"
        folder.mkdir(exist_ok=True)
        block = bytearray(BLOCK)
        view = memoryview(block)
        cpu, begun = time.process_time(), time.monotonic()
        for number in range(count):
            self._write_one(body.path, folder, f"blob-{number}", view)
        seconds = time.monotonic() - begun
        cpu = time.process_time() - cpu
        for path in folder.iterdir():
            path.unlink()
        size = count * body.size
        return {"units": count, "seconds": seconds, "body_in": 0,
                "body_out": size, "units_per_s": count / seconds,
                "mb_per_s": size / seconds / 1e6, "client_cpu_s": 0.0,
                "floor_cpu_s": cpu}

    @staticmethod
    def _write_one(source, folder, name, view):
        running = hashlib.sha256()
        with open(source, "rb", buffering=0) as reader, \
                open(folder / "new", "wb", buffering=0) as writer:
            while size := reader.readinto(view):
                running.update(view[:size])
                writer.write(view[:size])
            running.digest()
            os.fsync(writer.fileno())
        os.rename(folder / "new", folder / name)
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


class _Nobody:
    """Stands where a server would; its work is done in this process."""

    @staticmethod
    def processes():
        return []


class Held:
    """A generator that waits half-way until it is released."""

    def __init__(self, process):
        self.process = process

    def line(self, meanwhile=lambda: None, seconds=60):
        """Its next line; `meanwhile` is called again and again until it
        comes."""
        end = time.monotonic() + seconds
        while not select.select([self.process.stdout], [], [], 0.02)[0]:
            meanwhile()
            if time.monotonic() > end:
                raise client.Wrong(f"bench_load: silent for {seconds} s")
        return answer_of(self.process.stdout.readline())

    def release(self):
        """Lets it come to its end; its last line."""
        self.process.stdin.close()
        return self.line()


def answer_of(line):
    """What bench_load printed; raises when it could not do its work."""
    try:
        result = json.loads(line)
    except ValueError:
        raise client.Wrong(f"bench_load: {line.strip()}") from None
    if result["error"]:
        raise client.Wrong(result["error"])
    return result


def _with_costs(run):
    if "floor_cpu_s" in run:
        run["cpu_s"] = run.pop("floor_cpu_s")
    moved = run["body_out"] or run["body_in"]
    run["cpu_per_gib"] = (run["cpu_s"] * procstat.GIB / moved if moved
                          else None)
    run["cpu_per_10k"] = run["cpu_s"] * 1e4 / run["units"]
    run["mb_per_s"] = moved / run["seconds"] / 1e6
    # Too few answers have no 99th percentile.
    if run["units"] < 100:
        run["p99_us"] = None
    return run
