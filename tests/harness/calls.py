"""System calls by which things become durable, in the order in which strace
saw them: a list of (call, paths)."""

import os
import re
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

from . import clients
from .process import wait_until

CALLS = "fsync,fdatasync,syncfs,rename,renameat,unlinkat"
WHOLE = re.compile(r"^\d+ +(\w+)\((.*)\) += 0$")
BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
ENDED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>.*= 0$")
NAMED = re.compile(r"\d+<([^>]*)>(?:, \"([^\"]*)\")?|\"([^\"]*)\"")


def tracer(log):
    clients.need_right("CAP_SYS_PTRACE", "to trace a process")
    return [clients.need("strace"), "-f", "-y", "-qq", "-o", log, "-e",
            f"trace={CALLS}"]


def read(log):
    """Those that succeeded; of two threads the one that ended first."""
    found, begun = [], {}
    for line in Path(log).read_text().splitlines():
        if call := BEGUN.match(line):
            begun[call.group(1)] = call.groups()[1:]
            continue
        if ended := ENDED.match(line):
            name, text = begun.pop(ended.group(1))
        elif call := WHOLE.match(line):
            name, text = call.groups()
        else:
            continue
        found.append((name, [os.path.join(*filter(None, parts))
                             for parts in NAMED.findall(text)]))
    return found


def of_command(folder, *command):
    log = folder / "calls"
    done = subprocess.run([*tracer(log), *command], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return read(log)


@contextmanager
def of_process(folder, pid):
    """What the process does meanwhile; filled in at the end."""
    log, found = folder / "calls", []
    strace = subprocess.Popen([*tracer(log), "-p", str(pid)])
    threads = Path(f"/proc/{pid}/task")
    wait_until(lambda: all(
        f"TracerPid:\t{strace.pid}\n" in (one / "status").read_text()
        for one in threads.iterdir()), what="all threads are traced")
    try:
        yield found
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait(timeout=30)
    found += read(log)


def where(calls, call, *paths):
    """Places of these calls in their order; there are some."""
    wanted = [str(path) for path in paths]
    places = [number for number, (name, found) in enumerate(calls)
              if name == call and found[-len(wanted):] == wanted]
    assert places, f"no {call} of {wanted}"
    return places
