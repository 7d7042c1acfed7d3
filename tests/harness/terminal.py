"""A program on a terminal, and somebody who types."""

import fcntl
import os
import pty
import select
import subprocess
import termios
import time


def answer(words, answers, env, cwd=None, seconds=120):
    """Runs `words`; of each pair in `answers` the second is typed once the
    first was said. Exit code, and all that was said."""
    master, slave = pty.openpty()
    with subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(
                0, termios.TIOCSCTTY, 0)) as running:
        os.close(slave)
        said, seen, end = "", 0, time.monotonic() + seconds
        waiting = list(answers)
        while time.monotonic() < end:
            ready = select.select([master], [], [], 0.1)[0]
            try:
                piece = os.read(master, 4096) if ready else None
            except OSError:
                break
            if piece == b"":
                break
            said += (piece or b"").decode(errors="replace")
            if waiting and waiting[0][0] in said[seen:]:
                seen = len(said)
                os.write(master, waiting.pop(0)[1].encode() + b"\r")
        running.kill() if time.monotonic() >= end else running.wait()
    os.close(master)
    return running.returncode, said
