"""System calls of running threads that fail or take their time: strace makes
them, so the programs under test have no hooks for it."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

from . import clients
from .process import wait_until


def pool_threads(worker):
    """Threads of nginx's pool: neither the worker's first nor ZeroMQ's."""
    return [int(task.name) for task in Path(f"/proc/{worker}/task").iterdir()
            if int(task.name) != worker
            and (task / "comm").read_text().startswith("nginx")]


@contextmanager
def injected(worker, folder, call, what):
    """In the pool of an nginx worker every `call` gets `what`, as strace's
    -e inject knows it. The value tells whether that has happened and is
    over; the event loop goes on at its pace."""
    clients.need_right("CAP_SYS_PTRACE", "to trace a process")
    threads = wait_until(lambda: pool_threads(worker), what="pool threads")
    log = Path(folder) / "strace"
    command = [clients.need("strace"), "-o", log, "-e", f"trace={call}", "-e",
               f"inject={call}:{what}"]
    for thread in threads:
        command += ["-p", str(thread)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as spy:
        try:
            attached = 0
            while attached < len(threads):
                line = spy.stderr.readline()
                assert line and "not permitted" not in line, line
                attached += "attached" in line
            yield lambda: any(word in log.read_text()
                              for word in ("DELAYED", "INJECTED"))
        finally:
            spy.terminate()
            spy.stderr.read()
