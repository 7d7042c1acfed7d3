"""One round of everything that clients do, with bytes of its own, while
something fails; and what must hold afterwards."""

import json
import os
import subprocess
import time
from pathlib import Path

from . import http, npm, oci
from .private import add_repository
from .process import wait_until
from .server import BUILD

JSON = {"Content-Type": "application/json"}
PACKAGES = (("rounds", "generic"), ("roundsn", "npm"))


def prepare(server):
    """The repositories that a round uses, and one without a fault."""
    for key, format in PACKAGES:
        add_repository(server, key, format)
    warm = Round(server, "nth/warm", "warm").run()
    assert all(warm.done(what) for what in warm.answers), warm.answers
    return warm


class Round:
    """The requests of one run, with bytes of its own. Not `exact`: an answer
    of 5xx says nothing of what was done, as one that was lost."""

    def __init__(self, server, name, salt, before=None, exact=True):
        self.server = server
        self.exact = exact
        # A version that is there is never published twice.
        self.version = "1.0.1" if before and (
            before.done("npm") or not exact) else "1.0.0"
        self.salt = salt
        self.repo = oci.Repository(server, name)
        self.other = oci.Repository(server, name + "/mounted")
        self.layer = salt.encode() + b"l" * 150_000
        self.small = salt.encode() + b"s"
        self.image = oci.make_image((self.layer, self.small))
        self.config = self.image.blobs[0]
        self.generic = f"/generic/rounds/tool-{salt}/1/file.bin"
        self.in_pieces = f"tool-{salt}/2/pieces.bin"
        self.npm = f"nth-{salt}"
        self.answers = {}
        self.sessions = []
        self.package_sessions = []

    def ask(self, what, call, *arguments):
        """Keeps the answer; None if there was none."""
        try:
            answer = call(*arguments)
        except (OSError, http.Closed):
            answer = None
        self.answers[what] = answer
        return answer

    def done(self, what):
        answer = self.answers.get(what)
        if what == "mount":  # 202: the bytes are to be sent
            return answer is not None and answer.status == 201
        return answer is not None and answer.status < 300

    def http(self, method, path, headers=(), body=b""):
        return http.request(self.server, method, path, headers, body)

    def begin(self, what):
        answer = self.ask(what, self.repo.start_upload)
        if not self.done(what):
            return None
        self.sessions.append(answer.headers["Location"])
        return answer.headers["Location"]

    def chunked(self):
        location = self.begin("chunked post")
        for first in (0, 70_000, 140_000):
            if location is None:
                return
            piece = self.layer[first:first + 70_000]
            answer = self.ask(f"patch {first}", self.repo.patch, location,
                              piece, first)
            if not self.done(f"patch {first}"):
                return
            location = answer.headers["Location"]
        self.ask("layer", self.repo.finish, location, oci.digest(self.layer))

    def upload(self):
        self.chunked()
        location = self.begin("config post")
        if location:
            self.ask("config", self.repo.finish, location,
                     oci.digest(self.config), self.config)
        self.ask("small", self.repo.call, "POST", "/blobs/uploads/?digest="
                 + oci.digest(self.small), {}, self.small)
        self.ask("manifest", self.repo.put_manifest, "v1",
                 self.image.manifest, self.image.media_type)
        self.ask("second tag", self.repo.put_manifest, "v2",
                 self.image.manifest, self.image.media_type)
        answer = self.ask(
            "mount", self.other.start_upload,
            f"?mount={oci.digest(self.small)}&from={self.repo.name}")
        if answer is not None and answer.status == 202:
            self.sessions.append(answer.headers["Location"])

    def packages(self):
        self.ask("generic", self.http, "PUT", self.generic, {}, self.layer)
        self.pieces()
        self.ask("npm", self.http, "PUT", f"/npm/roundsn/{self.npm}", JSON,
                 json.dumps(npm.publish_body(self.npm, self.version)).encode())

    def pieces(self):
        """A file of a package, in a session."""
        answer = self.ask("session post", self.http, "POST",
                          "/generic/rounds/-/uploads/")
        if not self.done("session post"):
            return
        location = oci.target(answer.headers["Location"]).split("?")[0]
        self.package_sessions.append(location)
        half = len(self.layer) // 2
        for first, piece in ((0, self.layer[:half]), (half,
                                                      self.layer[half:])):
            self.ask(f"session patch {first}", self.http, "PATCH",
                     location, {"Content-Range":
                                f"{first}-{first + len(piece) - 1}"}, piece)
            if not self.done(f"session patch {first}"):
                return
        self.ask("pieces", self.http, "PUT",
                 f"{location}?path={self.in_pieces}")

    def read(self):
        for name, what, wanted in self.readable():
            answer = self.ask(f"get {name}", self.http, "GET", what)
            if answer is None:
                continue
            if answer.status == 200:
                assert wanted is None or answer.body == wanted, name
                assert self.may_be_there(name), (name, self.answers[name])
            else:
                assert answer.status in (404, 500, 503), (name, answer)

    def may_be_there(self, name):
        """A blob that nothing names yet may be, too, when only its link file
        could not be made: its bytes are verified. A mount then becomes an
        upload (202)."""
        answer = self.answers.get(name)
        return answer is None or answer.status < 300 or (
            answer.status >= 500 and (not self.exact or name in (
                "layer", "config", "small", "mount")))

    def readable(self):
        """(what wrote it, its target, its bytes)"""
        base = self.repo.base
        for name in ("layer", "config", "small"):
            data = getattr(self, name)
            yield name, f"{base}/blobs/{oci.digest(data)}", data
        yield "manifest", f"{base}/manifests/v1", self.image.manifest
        yield "second tag", f"{base}/manifests/v2", self.image.manifest
        yield "generic", self.generic, self.layer
        yield "pieces", f"/generic/rounds/{self.in_pieces}", self.layer
        yield "npm", f"/npm/roundsn/{self.npm}", None
        yield ("mount", f"{self.other.base}/blobs/{oci.digest(self.small)}",
               self.small)

    def delete(self):
        self.ask("delete tag", self.repo.delete_manifest, "v2")
        self.ask("delete file", self.http, "DELETE", self.generic)

    def run(self):
        self.upload()
        self.packages()
        self.read()
        self.ask("tags", self.repo.tags)
        self.delete()
        return self

    def check(self, statuses=(400, 404, 416, 500, 503), room=True):
        """Every error is one of the format's own; what was answered holds.
        Without `room` an index of what was just published, which is a file
        too, may have to wait."""
        for what, answer in self.answers.items():
            if answer is None or answer.status < 300:
                continue
            assert answer.status in statuses, (
                what, answer.status, answer.body)
            assert "html" not in answer.headers["Content-Type"], what
            document = answer.json()
            assert document.get("errors") or document.get("error"), (
                what, document)
            if answer.status == 503:
                assert "Retry-After" in answer.headers, what
        gone = {"second tag": "delete tag", "generic": "delete file"}
        for name, target, wanted in self.readable():
            answer = self.http("GET", target)
            if name in gone and self.done(gone[name]):
                assert answer.status == 404, (name, answer.status)
            elif self.done(name) and not (
                    name in gone and gone[name] in self.answers):
                if name == "npm" and not room and answer.status == 503:
                    continue
                assert answer.status == 200, (name, answer.status,
                                              answer.body)
                assert wanted is None or answer.body == wanted, name
        if self.done("tags") and (self.exact or self.done("manifest")):
            assert ("v1" in self.answers["tags"].json()["tags"]) == (
                self.done("manifest"))

    def cancel(self):
        for location in self.sessions:
            assert self.repo.cancel(location).status in (204, 404)
        for location in self.package_sessions:
            assert self.http("DELETE", location).status in (204, 404)


def left_over(server, swept=False):
    """Files that are of no use to anybody. What only a sweep removes, a
    session that is over but whose folder could not be cleared, and the note
    of a PUT that failed, by which the same PUT can succeed, is left out
    before it."""
    sessions = server.root / "docker/registry/v2/repositories"
    files = [path for folder in ("spool", "trash")
             for path in (server.root / folder).rglob("*")]
    files += [path for path in [*(server.root / "uploads").rglob("*"),
                                *sessions.rglob("_uploads/*/*")]
              if swept or (path.parent / "startedat").exists()]
    names = [str(path.relative_to(server.root)) for path in files
             if path.is_file()]
    # What was collected stays there for its time.
    return [name for name in names if not name.startswith("trash/blobs/")]


def descriptors(server):
    """How many each process holds, without nginx's cache of open files."""
    return {pid: sum("/blobs/" not in name and "/documents/" not in name
                     for name in names(pid))
            for pid in [server.daemon_pid, *server.worker_pids()]}


def names(pid):
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield os.readlink(fd)
        except FileNotFoundError:  # closed meanwhile
            pass


def verify(server):
    done = subprocess.run(
        [BUILD / "registryctl", "--root", server.root, "--json", "verify"],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["differences"] == []


def sweep(server):
    """What a fault kept from being removed goes by its age."""
    then = time.time() - 8 * 86_400
    for name in left_over(server, True):
        for path in (server.root / name, (server.root / name).parent):
            os.utime(path, (then, then))
    server.restart_daemon()
    wait_until(lambda: not left_over(server, True), 15,
               what=f"swept: {left_over(server, True)}")
