"""nginx under callgrind: instructions of one request, by function.

The same machine code on the same input executes the same instructions on any
machine and under any load, so a count can be compared where a time cannot.

What belongs to the requests is told apart by marks: callgrind writes a part
of its profile whenever nginx is about to say 404, and `/mark` is the only
location that does. A part with nothing but a mark is taken off again.
"""

import re
import socket
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field

from harness.process import end, start
from harness.server import NGINX

from . import client
from .content import KIB, MANIFEST_TYPE, Content, digest_of
from .servers import Ours, StaticNginx

MARK = "location = /mark { return 404; }"
MARKING = "ngx_http_special_response_handler"
# One process, so that the profile is that of the requests' process.
SINGLE = "master_process off;"
HANDLER = "longshore::content_handler("
MODULE = "ngx_http_registry_module.so"
WARM = 30

# The only place of these numbers: instructions as counted with Debian 12's
# compiler and nginx. Write down the new ones when the code got better.
COUNTED = {
    "blob_get": 8380,
    "blob_get_own": 2700,
    "manifest_get": 6030,
    "manifest_get_own": 2480,
    "blob_granted": 11270,
    "manifest_granted": 8890,
}
ROOM = 1.15


def above(counts):
    """What is above its limit; sentences."""
    return [f"{name}: {counts[name]} instructions, "
            f"at most {round(usual * ROOM)} are wanted"
            for name, usual in COUNTED.items() if counts[name] > usual * ROOM]


class Small(Content):
    """One blob of 1 KiB and a manifest of the usual size."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.blobs = {"1 KiB": self._make("1 KiB", KIB)}
        self.manifest = self._make_manifest()
        self.manifest_digest = digest_of(self.manifest)

    @property
    def targets(self):
        """What is asked for: (name, target, digest, size)."""
        base, blob = f"/v2/{self.repository}", self.blobs["1 KiB"]
        return (("blob_get", f"{base}/blobs/{blob.digest}", blob.digest,
                 blob.size),
                ("manifest_get", f"{base}/manifests/{self.tag}",
                 self.manifest_digest, len(self.manifest)))


# The profile


@dataclass
class Profile:
    """Instructions by (object, function), and of calls from one to another,
    with all that these called in turn."""

    own: Counter = field(default_factory=Counter)
    calls: Counter = field(default_factory=Counter)

    def total(self):
        return sum(self.own.values())

    def inside(self, library):
        """Of all functions of a library, without what they call."""
        return sum(cost for (owner, _), cost in self.own.items()
                   if owner.endswith(library))

    def inclusive(self, prefix):
        """Of the functions whose name begins so, with all they call."""
        return sum(cost for (_, name), cost in self.own.items()
                   if name.startswith(prefix)) + sum(
            cost for ((_, name), _), cost in self.calls.items()
            if name.startswith(prefix))

    def called_by(self, prefix):
        """What those functions call: Counter by (object, function)."""
        out = Counter()
        for ((_, name), callee), cost in self.calls.items():
            if name.startswith(prefix):
                out[callee] += cost
        return out

    def per(self, count, mark):
        """One of `count` requests, when this holds one mark as well."""
        def share(with_mark, of_mark):
            return Counter({key: (cost - of_mark.get(key, 0)) / count
                            for key, cost in with_mark.items()
                            if cost > of_mark.get(key, 0)})
        return Profile(share(self.own, mark.own),
                       share(self.calls, mark.calls))


# Names are written once, "(7) name", and then "(7)".
_NAME = re.compile(r"^(c?(?:ob|fn|fi|fe|fl))=\((\d+)\)(?: (.*))?$")
_COST = re.compile(r"^(?:[+-]?\d+|\*) \d+$")


def read(text):
    """The Profile in one part of callgrind's output."""
    profile, names = Profile(), {}
    at = {"ob": "", "fn": ""}
    callee, is_call = {}, False
    for line in text.splitlines():
        named = _NAME.match(line)
        if named:
            key, number, name = named.groups()
            kind = key[-2:] if key[-2:] in ("ob", "fn") else "file"
            if name is not None:
                names[kind, number] = name
            place = callee if key.startswith("c") else at
            if kind != "file":
                place[kind] = names[kind, number]
        elif line.startswith("calls="):
            is_call = True
        elif _COST.match(line):
            cost, here = int(line.split()[1]), (at["ob"], at["fn"])
            if is_call:
                to = callee.get("ob", at["ob"]), callee["fn"]
                profile.calls[here, to] += cost
                callee, is_call = {}, False
            else:
                profile.own[here] += cost
    return profile


# The servers


def command(folder):
    return ["valgrind", "--tool=callgrind", "-q", "--vgdb=no",
            "--dump-line=no", f"--dump-before={MARKING}",
            f"--callgrind-out-file={folder}/part", NGINX]


class OursProfiled(Ours):
    """Filled by a plain nginx, asked under callgrind."""

    headers = ""

    def __init__(self, root):
        super().__init__(root, workers=1)
        self.main_directives = SINGLE
        self.locations = MARK

    def begin(self, content):
        self.start()
        self.fill(content)
        self.stop_nginx()
        self.nginx = start(
            [*command(self.dir), "-p", self.dir, "-c", self.conf, "-e",
             self.error_log], self.dir / "nginx.log")


class GuardedProfiled(OursProfiled):
    """Where nothing is served without a grant. registryd gives it to
    everybody, as its own `auth` is off."""

    headers = f"Authorization: Basic {'YWxpY2U6' * 8}\r\n"

    def __init__(self, root):
        super().__init__(root)
        self.location_directives = "registry_auth on;"


class StaticProfiled(StaticNginx):
    headers = ""

    def __init__(self, root):
        super().__init__(root, workers=1)

    def settings(self):
        text = super().settings().replace("daemon off;",
                                          f"daemon off;\n{SINGLE}")
        return text.replace("server {", f"server {{\n    {MARK}")

    def begin(self, content):
        self.start()
        self.fill(content)
        self.stop()
        conf = self.dir / "nginx.conf"
        conf.write_text(self.settings())
        self.nginx = start([*command(self.dir), "-p", self.dir, "-c", conf,
                            "-e", self.error_log], self.dir / "nginx.log")


class Connection:
    """One keep-alive connection that sends the same bytes on any machine."""

    def __init__(self, port, headers=""):
        self.headers = headers
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, target, status=200):
        """The body's length."""
        self.socket.sendall(
            f"GET {target} HTTP/1.1\r\nHost: registry.example\r\n"
            f"User-Agent: bench\r\nAccept: {MANIFEST_TYPE}\r\n"
            f"{self.headers}\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        client.want(int(head.split()[1]), status, f"GET {target}")
        length = int(re.search(rb"(?i)\ncontent-length: *(\d+)", head)[1])
        size = len(body)
        while size < length:
            size += len(self._more())
        return size

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise client.Wrong("the connection was closed")
        return data

    def close(self):
        self.socket.close()


def profiles(server, content, requests):
    """{name of the target: Profile of one request} of a server that is not
    yet started; it is ended again."""
    try:
        server.begin(content)
        _await(server, content)
        # A link that was seen in the second of the last drop (the start is
        # one) is looked at again.
        time.sleep(2)
        connection = Connection(server.port, server.headers)
        try:
            for _, target, _, _ in content.targets:
                for _ in range(WARM):
                    connection.get(target)
            connection.get("/mark", 404)
            for _, target, _, size in content.targets:
                for _ in range(requests):
                    if connection.get(target) != size:
                        raise client.Wrong(f"GET {target}: wrong length")
                connection.get("/mark", 404)
            connection.get("/mark", 404)
        finally:
            connection.close()
        end(server.nginx, seconds=60)
        parts = [read((server.dir / f"part.{number}").read_text())
                 for number in range(2, len(content.targets) + 3)]
        return {name: part.per(requests, parts[-1])
                for (name, _, _, _), part in zip(content.targets, parts)}
    finally:
        server.stop()
        server.close(check=False)


def _await(server, content):
    """Until every answer is right: the daemon must have been asked once."""
    until = time.monotonic() + 60
    while True:
        try:
            for _, target, digest, size in content.targets:
                client.check_get(server.port, target, digest, size)
            # What was known before the daemon was met is forgotten then, and
            # links are looked at anew until the second after.
            time.sleep(1.2)
            return
        except client.Wrong as error:
            if server.nginx.poll() is not None or time.monotonic() > until:
                raise client.Wrong(f"{error}\n{server.logs()}") from error
            time.sleep(0.1)


def version():
    """callgrind's version, None where there is none."""
    try:
        return subprocess.run(["valgrind", "--version"], check=True, text=True,
                              capture_output=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
