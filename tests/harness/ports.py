"""TCP ports for the servers of the tests, and whose a port is.

Ports of the kernel's own choice are the ones that outgoing connections take
too, so a server could lose its port to a client between choice and bind. Ours
come from below that range, and each test process has a share of its own.
"""

import errno
import itertools
import os
import re
import socket
from pathlib import Path

FIRST, LAST = 20000, 32000  # the kernel's own choice begins at 32768
SHARE = 250
HOST = "127.0.0.1"


class Share:
    """The ports of one test process.

    A name in the abstract namespace, bound while the process lives, keeps
    every other test run of the same network away from them.
    """

    def __init__(self):
        count = (LAST - FIRST) // SHARE
        worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", ""))
        begin = int(worker or 0)
        for number in range(begin, begin + count):
            self.claim = socket.socket(socket.AF_UNIX)
            try:
                self.claim.bind(f"\0longshore-test-ports-{number % count}")
            except OSError as error:
                self.claim.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            first = FIRST + number % count * SHARE
            self.ports = itertools.cycle(range(first, first + SHARE))
            return
        raise AssertionError("every share of the ports is taken")

    def free(self):
        """The next port that nobody listens on."""
        for port in itertools.islice(self.ports, SHARE):
            with socket.socket() as sock:
                # As servers do: connections that ended are in nobody's way.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    sock.bind((HOST, port))
                    sock.listen()
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                    continue
                return port
        raise AssertionError("every port of this process is taken")


_shares = {}


def free_port():
    """A TCP port of 127.0.0.1 that no other test gets."""
    pid = os.getpid()  # a fork is a process of its own
    if pid not in _shares:
        _shares[pid] = Share()
    return _shares[pid].free()


def _sockets(port):
    """(state, inode) of the TCP sockets of a local port; nobody's is 0."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[3], int(fields[9])


def listens(pid, port):
    """True if the process holds a socket that listens on the port."""
    wanted = {f"socket:[{inode}]" for state, inode in _sockets(port)
              if state == "0A"}
    return bool(wanted & set(_descriptors(pid)))


def connections(port):
    """How many connections a server on the port has not closed."""
    return sum(state != "0A" and inode != 0
               for state, inode in _sockets(port))


def _descriptors(pid):
    """What the descriptors of a process are; none when it has ended."""
    try:
        links = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for link in links:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{link}")
        except OSError:
            continue
