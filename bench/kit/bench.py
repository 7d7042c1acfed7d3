"""Runs the rows: starts the servers, checks, measures alternately, keeps
every run with what it cost, and never turns a failure into a number."""

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass

from . import client, procstat
from .report import FOREIGN_CORES, is_disturbed
from .rows import Memory, Push

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

    def pushes(self, count):
        return max(1, round(count * self.push_share))


class Bench:
    def __init__(self, plan, content, servers, load, say):
        self.plan = plan
        self.content = content
        self.servers = servers
        self.binary = load
        self.say = say
        self.lengths = {}
        self.down = {}     # server name -> why it is out, from then on
        self.started = {server.name: [] for server in servers}
        self.failed = {}   # (row key, server name) -> why
        self.skipped = {}  # (row key, server name) -> why
        self.runs = {}     # (row key, server name) -> list, one per round
        self.patience = plan.patience

    # Life of the servers

    def renew(self):
        """Empties, fills and starts every server anew, so that all rounds
        begin alike and what was pushed does not pile up."""
        for server in self.servers:
            if server.name in self.down:
                continue
            try:
                server.stop()
                shutil.rmtree(server.root)
                server.root.mkdir()
                server.start()
                server.fill(self.content)
                server.stop()
                self.started[server.name].append(server.launch())
            except Exception as error:  # whatever it is, it is this server's
                self.down[server.name] = _reason(error)
                self.say(f"  {server.name} failed: {_reason(error)}")
        self.flush()

    def stop(self):
        for server in self.servers:
            server.stop()

    def flush(self):
        """Writes dirty pages of the data's file system, so that the last
        push does not slow down the next row."""
        descriptor = os.open(self.content.folder, os.O_RDONLY)
        try:
            ctypes.CDLL(None).syncfs(descriptor)
        finally:
            os.close(descriptor)

    # The rounds

    def run(self, rows):
        for number in range(self.plan.rounds):
            self.say(f"round {number + 1} of {self.plan.rounds}: "
                     "filling and starting the servers")
            self.renew()
            for row in rows:
                self.say(f"round {number + 1} of {self.plan.rounds}: "
                         f"{row.title}")
                for server in self.servers:
                    self._one(row, server, number)
                if isinstance(row, Push) and row.floor:
                    self._one_floor(row, number)
                if isinstance(row, Push):
                    self.flush()

    def _one(self, row, server, number):
        where = row.key, server.name
        refuses = getattr(row, "refuses", lambda _: None)(server)
        if refuses:
            self.skipped[where] = refuses
            return
        if server.name in self.down:
            self.failed.setdefault(where, self.down[server.name])
            return
        if where in self.failed:
            return
        try:
            if where not in self.lengths:
                self.lengths[where] = row.check(server, self.content)
            result = (self._memory(row, server) if isinstance(row, Memory)
                      else row.measure(self, server))
            result["round"] = number + 1
            self.runs.setdefault(where, []).append(result)
        except Exception as error:
            self.failed[where] = _reason(error)
            self.say(f"  {server.name} failed: {self.failed[where]}")
            if not server.alive():
                self.down[server.name] = "the server ended: " + _reason(error)

    # One measurement

    def load(self, server, connections, arguments):
        """One run of the generator; raises when an answer was wrong."""
        command = [str(self.binary), arguments[0], "--port",
                   str(server.port), "--connections", str(connections),
                   *arguments[1:]]
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=120 + 10 * self.plan.seconds,
                              check=False)
        if not done.stdout:
            raise client.Wrong(f"bench_load: {done.stderr.strip()}")
        result = json.loads(done.stdout)
        if result["error"]:
            raise client.Wrong(result["error"])
        if result["units"] == 0:
            raise client.Wrong("no request was answered in time")
        return result

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
        own, begun = time.process_time(), time.monotonic()
        run = work()
        wall = time.monotonic() - begun
        own = time.process_time() - own
        if set(server.processes()) != set(pids):
            raise client.Wrong("processes of the server ended or were "
                               "started during the measurement")
        after = procstat.cpu_of(pids)
        run["cpu_s"] = sum(after[p] - before[p] for p in pids)
        taken = procstat.busy_s() - busy
        foreign = taken - run["cpu_s"] - run["client_cpu_s"] - own
        run["foreign_cores"] = round(max(0.0, foreign / wall), 3)
        return _with_costs(run)

    def _await_quiet(self):
        while self.patience > 0:
            busy, begun = procstat.busy_s(), time.monotonic()
            time.sleep(0.1 if self.plan.settle_seconds else 0)
            wall = time.monotonic() - begun
            if procstat.busy_s() - busy <= FOREIGN_CORES * wall + 0.01:
                return
            self.patience -= wall

    def _memory(self, row, server):
        if row.connections == 0:
            time.sleep(self.plan.settle_seconds)
            return _memory_of(server)
        target = f"/v2/{self.content.repository}/blobs/" + \
            self.content.blobs["1 KiB"].digest
        command = [str(self.binary), "hold", "--port", str(server.port),
                   "--connections", str(row.connections), "--target", target]
        with subprocess.Popen(command, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as held:
            try:
                answer = held.stdout.readline()
                if not answer:
                    raise client.Wrong("bench_load hold said nothing")
                error = json.loads(answer)["error"]
                if error:
                    raise client.Wrong(error)
                time.sleep(self.plan.settle_seconds)
                return _memory_of(server)
            finally:
                held.stdin.close()
                held.wait(30)

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
            self.failed[where] = _reason(error)

    def _hash_and_write(self, row):
        """SHA-256 and write of the same blobs in one thread, each made
        durable as a server must: fsync, rename, fsync of the folder."""
        count = self.plan.pushes(row.count)
        body = self.content.blobs[row.blob]
        folder = self.content.folder / "floor"
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


def _memory_of(server):
    rss, pss = procstat.memory(server.processes())
    return {"rss_bytes": rss, "pss_bytes": pss}


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


def _reason(error):
    """What went wrong in a line; of a log behind it, the last line too."""
    lines = (str(error).strip() or repr(error)).splitlines()
    return ": ".join(dict.fromkeys((lines[0], lines[-1])))[:400]
