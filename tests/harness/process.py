"""Small process helpers: waiting, ending what a test started."""

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1

# Seconds until a test gives a condition up. What is waited for takes
# milliseconds; this is for machines that stop a process now and then.
PATIENCE = 60.0


def start(command, log, env=None):
    """Starts a server, its output appended to `log`; the Popen.

    It gets SIGTERM when the test process dies, however that comes about.
    """
    with open(log, "ab") as out:
        return subprocess.Popen(
            [os.fspath(word) for word in command], stdout=out, stderr=out,
            stdin=subprocess.DEVNULL, env=env, preexec_fn=lambda:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM))


def threads_stopped(pid):
    """True if SIGSTOP has reached every thread of a process."""
    return all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
               for task in Path(f"/proc/{pid}/task").iterdir())


def wait_until(check, seconds=PATIENCE, pause=0.02, what="condition"):
    """Calls `check` until it is true; returns its value or fails."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not reached within {seconds:g} s")
        time.sleep(pause)


def within(seconds, measure, rounds=6):
    """Calls `measure` until it returns no more than `seconds`; fails if it
    never does. A machine that stops a process now and then makes some rounds
    late, a fault of the product all of them. What must hold in every round
    is for `measure` to assert."""
    took = []
    while len(took) < rounds:
        took.append(measure())
        if took[-1] <= seconds:
            return took[-1]
    raise AssertionError(f"never within {seconds} s: {took}")


def alive(pid):
    """True while `pid` runs (a zombie does not run).

    One whose first thread is a zombie while others still end holds its
    sockets, so it counts as running.
    """
    try:
        with open(f"/proc/{pid}/stat") as stat:
            ended = stat.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not ended or len(_tasks(pid)) > 1


def title(pid):
    """The command line, as nginx rewrites it; empty when it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid):
    """Pids of the running direct children of `pid`."""
    out = []
    for task in _tasks(pid):
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                out += [int(word) for word in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sorted(child for child in out if alive(child))


def _tasks(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []


def end(process, sig=signal.SIGTERM, seconds=PATIENCE):
    """Ends a Popen with `sig`, with SIGKILL if it stays; the exit code."""
    if process is None:
        return None
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(sig)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)
    return process.returncode


def run(*command, check=True, seconds=120, text=True, **keywords):
    """Runs a command; on failure the error holds all that it printed."""
    words = [os.fspath(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=text,
                          timeout=seconds, **keywords)
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(words)}\nexit code {done.returncode}\n{done.stdout}")
    return done
