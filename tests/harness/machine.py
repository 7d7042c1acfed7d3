"""The machine as it is, to be changed as one likes: namespaces of a test's
own whose root is an overlay. Programs install into it, read its /etc, and
nothing of that reaches the machine; all ends with the test."""

import os
import shutil
import subprocess
from pathlib import Path

from . import clients, terminal
from .process import PATIENCE, children
from .server import BUILD, TREE

HOME = "/srv/somebody"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# $1: a folder for what is written, $2…: folders that stay the machine's own.
_HOLD = """
set -e
mount -t tmpfs -o mode=755 none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o \
"lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
root=$1/root
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for folder; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
done
echo ready
exec cat
"""


class Machine:
    """`shared` are folders that are the same inside and outside."""

    def __init__(self, folder, *shared):
        # What is mounted below / is not in an overlay of it.
        ours = [path for path in (TREE, BUILD, clients.cache())
                if path.exists() and path.stat().st_dev != os.stat("/").st_dev]
        self.top = Path(folder).resolve()
        self.top.mkdir(parents=True)
        # It ends with its standard input: with the test, however that ends.
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--propagation",
             "private", "bash", "-c", _HOLD, "machine", self.top, *shared, *ours],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT)
        said = self.process.stdout.readline()
        # Who cannot have it has proved nothing: an error, never a skip.
        assert said == "ready\n", f"no namespaces with an overlay of /: {said}"
        self.pid, = children(self.process.pid)
        self.env = {"HOME": HOME, "PATH": PATH, "LC_ALL": "C.UTF-8",
                    "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}
        self.path(HOME).mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)

    def path(self, inside):
        """Where the test finds what is at `inside`."""
        return Path(f"/proc/{self.pid}/root{self.top}/root{inside}")

    def _words(self, command, cwd):
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--",
                "chroot", str(self.top / "root"), "env", "-C", cwd,
                *(["bash", "-o", "pipefail", "-c", command]
                  if isinstance(command, str) else map(str, command))]

    def __call__(self, *command, cwd=HOME, check=True, given="", seconds=300):
        """Runs words, or one text as the shell's; the finished process."""
        words = command[0] if len(command) == 1 else command
        done = subprocess.run(
            self._words(words, cwd), env=self.env, input=given, text=True,
            capture_output=True, timeout=seconds, check=False)
        assert not check or done.returncode == 0, (
            f"{words}\nexit code {done.returncode}\n{done.stdout}"
            f"{done.stderr}")
        return done

    def answer(self, command, answers, cwd=HOME):
        """The same on a terminal, where `answers` are typed: pairs of what
        is waited for and what is typed then."""
        code, said = terminal.answer(self._words(command, cwd), answers,
                                     env=self.env)
        assert code == 0, f"{command}\nexit code {code}\n{said}"
        return said

    def write(self, inside, text):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def take(self, path, inside):
        """Copies a file or folder of the test's into it."""
        to = self.path(inside)
        to.parent.mkdir(parents=True, exist_ok=True)
        if Path(path).is_dir():
            shutil.copytree(path, to, dirs_exist_ok=True)
        else:
            shutil.copy(path, to)

    def files(self, *folders):
        """{path: (bytes or target of the link, mode)} of all files below."""
        found = {}
        for folder in folders:
            top = self.path(folder)
            for place, _, names in os.walk(top):
                for name in names:
                    path = Path(place) / name
                    inside = folder + str(path)[len(str(top)):]
                    if path.is_symlink():
                        found[inside] = (os.readlink(path), 0)
                    elif path.is_file():
                        found[inside] = (path.read_bytes(),
                                         path.stat().st_mode & 0o7777)
        return found

    def trust(self, certificate):
        """Takes an authority into what the machine's programs trust."""
        text = Path(certificate).read_text()
        with open(self.path("/etc/ssl/certs/ca-certificates.crt"), "a",
                  encoding="ascii") as file:
            file.write(text)
        inside = "/usr/local/share/test-authority.pem"
        self.write(inside, text)
        name = self("openssl", "x509", "-noout", "-hash", "-in",
                    inside).stdout.strip()
        self("ln", "-s", inside, f"/etc/ssl/certs/{name}.0")
        self.env["NODE_EXTRA_CA_CERTS"] = inside


