"""memcheck: how a program is run under it, and what it said of our code."""

import re

from . import clients

# The module is unloaded before memcheck looks for leaks, and its frames name
# source files only where they are asked to; without the two its blocks could
# not be told from nginx's own.
OPTIONS = ("-q --error-exitcode=0 --trace-children=no "
           "--child-silent-after-fork=no --leak-check=full "
           "--show-leak-kinds=definite --keep-debuginfo=yes "
           "--fullpath-after= --num-callers=40")

OURS = re.compile(r"/(ngx_module|common)/\w+\.[ch]pp:\d+\)"
                  r"|/ngx_http_registry_module\.so\)")


def wrap(program, folder):
    """A script in `folder` that runs `program` under memcheck."""
    clients.need("valgrind")
    script = folder / "under-valgrind"
    script.write_text(
        f"#!/bin/sh\nexec valgrind {OPTIONS} "
        f"--log-file={folder}/valgrind.%p.txt {program} \"$@\"\n")
    script.chmod(0o755)
    return script


def findings(folder):
    """Blocks of all reports in `folder` with a frame of our code."""
    return [block for path in sorted(folder.glob("valgrind.*.txt"))
            for block in re.split(
                r"\n==\d+== \n", path.read_text(errors="replace"))
            if OURS.search(block)]
