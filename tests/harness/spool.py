"""What lies in a server's spool: nothing, once a request is over."""

from .process import wait_until


def names(server):
    return sorted(path.name for path in (server.root / "spool").iterdir())


def wait_empty(server):
    """nginx removes what nobody took after it has answered."""
    wait_until(lambda: not names(server), what="the spool is empty")
