"""What clients and operators do, each as an Operation of harness.endings."""

import json
import os
import subprocess
import time

from . import http, npm, oci
from .endings import CTL, DAY, NOTHING, WHOLE, Lost, Operation
from .private import add_repository
from .process import wait_until


def offset_in(location):
    return int(location.rsplit("offset=", 1)[1])


# Blobs

class Push(Operation):
    """A session, its bytes in one PUT."""
    referred = False

    def do(self):
        begun = self.call(self.repo.start_upload, 202)
        self.finish(begun.headers["Location"], self.body)

    def finish(self, location, data):
        self.call(lambda: self.repo.finish(location, oci.digest(self.body),
                                           data), 201)

    def look(self):
        return self.blob()


class PushAtOnce(Push):
    """A POST with the bytes."""

    def do(self):
        self.call(lambda: self.repo.call(
            "POST", f"/blobs/uploads/?digest={oci.digest(self.body)}",
            {"Content-Type": "application/octet-stream"}, self.body), 201)


class PushAgain(Push):
    """A blob that the repository has."""

    def prepare(self):
        self.repo.push_blob(self.body)

    def look(self):
        assert self.blob() == WHOLE
        return WHOLE


class PushInPieces(Push):
    """PATCHes; who lost an answer asks where to go on."""
    location, taken = None, 0

    def do(self):
        at = self.begin()
        for end in (1000, 2000):
            if at < end:
                part = self.body[at:end]
                answer = self.call(lambda part=part, at=at: self.repo.patch(
                    self.location, part, at), 202)
                self.location = answer.headers["Location"]
                self.taken = at = end
                assert offset_in(self.location) == end
        self.finish(self.location, self.body[at:])
        self.location = None

    def begin(self):
        if self.location is not None:
            known = self.call(lambda: self.repo.upload_status(self.location),
                              204, 404)
            if known.status == 204:
                self.location = known.headers["Location"]
                at = offset_in(self.location)
                # What a 202 has promised is there.
                assert self.taken <= at <= len(self.body), (self.taken, at)
                return at
            # Only a PUT may have ended it.
            assert self.taken == 2000
        begun = self.call(self.repo.start_upload, 202)
        self.location, self.taken = begun.headers["Location"], 0
        return 0


class PushTooLong(PushInPieces):
    """A PATCH with more bytes than it says is cut off again."""

    def do(self):
        at = self.begin()
        if at == 0:
            answer = self.call(lambda: self.repo.patch(
                self.location, self.body[:100], 0), 202)
            self.location, self.taken = answer.headers["Location"], 100
        self.call(self.send_too_much, 416)
        known = self.call(lambda: self.repo.upload_status(self.location), 204)
        at = offset_in(known.headers["Location"])
        assert at >= self.taken
        self.finish(known.headers["Location"], self.body[at:])
        self.location = None

    def send_too_much(self):
        # In chunks, so that nobody knows beforehand.
        return self.repo.call(
            "PATCH", oci.target(self.location),
            {"Content-Type": "application/octet-stream",
             "Content-Range": f"{self.taken}-{self.taken + 9}"},
            pieces=[self.body[self.taken:self.taken + 20]])


class PushWrong(Operation):
    """A PUT whose bytes have another digest."""
    referred = False

    def do(self):
        begun = self.call(self.repo.start_upload, 202)
        wrong = oci.digest(self.body + b"x")
        self.call(lambda: self.repo.finish(begun.headers["Location"], wrong,
                                           self.body), 400)

    def look(self):
        assert self.blob() == NOTHING
        assert self.blob(self.body + b"x") == NOTHING
        return WHOLE


class PushWithoutDaemon(Push):
    """The PUT comes again that was done while the daemon was gone."""

    def prepare(self):
        self.location = self.repo.start_upload().headers["Location"]
        self.server.stop_daemon()
        answer = self.repo.finish(self.location, oci.digest(self.body),
                                  self.body)
        assert answer.status == 503, answer
        self.server.start_daemon()
        wait_until(self.life.works, what="the daemon is back")

    def do(self):
        answer = self.call(lambda: self.repo.finish(
            self.location, oci.digest(self.body), self.body), 201, 404)
        # Done, but nobody was told.
        assert answer.status == 201 or self.lost and self.blob() == WHOLE


class Cancel(Operation):
    """A session with bytes is ended."""
    referred = False

    def prepare(self):
        begun = self.repo.start_upload()
        answer = self.repo.patch(begun.headers["Location"], self.body, 0)
        assert answer.status == 202
        self.location = answer.headers["Location"]

    def do(self):
        answer = self.call(lambda: self.repo.cancel(self.location), 204, 404)
        assert answer.status == 204 or self.lost

    def look(self):
        answer = self.repo.upload_status(self.location)
        if answer.status == 404:
            return WHOLE
        assert answer.status == 204 and offset_in(
            answer.headers["Location"]) == len(self.body)
        return NOTHING


class Mount(Operation):
    """A blob of another repository."""
    referred = False

    def prepare(self):
        self.other = oci.Repository(self.server, f"{self.repo.name}/other")
        self.other.push_blob(self.body)

    def do(self):
        self.call(lambda: self.repo.start_upload(
            f"?mount={oci.digest(self.body)}&from={self.other.name}"), 201)

    def look(self):
        answer = self.other.get_blob(oci.digest(self.body))
        assert answer.body == self.body
        return self.blob()


class HeadOfOld(Operation):
    """A HEAD that is a lease of what is old."""
    referred = False

    def prepare(self):
        self.repo.push_blob(self.body)
        age(link(self.server, self.repo.name, oci.digest(self.body)))

    def do(self):
        name = oci.digest(self.body)
        self.call(lambda: self.repo.head_blob(name), 200)
        path = link(self.server, self.repo.name, name)
        assert time.time() - path.stat().st_mtime < DAY

    def look(self):
        assert self.blob() == WHOLE
        return WHOLE


class DeleteBlob(Operation):
    referred = False

    def prepare(self):
        self.repo.push_blob(self.body)

    def do(self):
        answer = self.call(lambda: self.repo.call(
            "DELETE", f"/blobs/{oci.digest(self.body)}"), 202, 404)
        assert answer.status == 202 or self.lost

    def look(self):
        return NOTHING if self.blob() == WHOLE else WHOLE


# Manifests

class PutManifest(Operation):
    """A manifest with two tags' worth of links: itself and a tag."""

    def prepare(self):
        self.image = oci.make_image([self.body])
        for body in self.image.blobs:
            self.repo.push_blob(body)

    def do(self):
        self.call(lambda: self.repo.put_manifest("new", self.image.manifest),
                  201)

    def look(self):
        tagged = self.repo.get_manifest("new")
        named = self.repo.get_manifest(self.image.digest)
        if tagged.status == 404:
            assert named.status == 404, "half of a push is visible"
            return NOTHING
        assert tagged.body == named.body == self.image.manifest, tagged
        for body in self.image.blobs:
            assert self.blob(body) == WHOLE
        return WHOLE


class PutAgain(PutManifest):
    """A manifest that is there."""

    def prepare(self):
        super().prepare()
        self.repo.push(self.image, "new")


class MoveTag(PutManifest):
    """A tag that names another image so far."""

    def prepare(self):
        super().prepare()
        self.old = oci.make_image([b"old" + self.body])
        self.repo.push(self.old, "new")

    def look(self):
        tagged = self.repo.get_manifest("new")
        assert self.repo.get_manifest(self.old.digest).body == \
            self.old.manifest
        if tagged.body == self.old.manifest:
            return NOTHING
        assert tagged.body == self.image.manifest, tagged
        return WHOLE


class DeleteTag(PutAgain):

    def do(self):
        answer = self.call(lambda: self.repo.delete_manifest("new"), 202, 404)
        assert answer.status == 202 or self.lost

    def look(self):
        named = self.repo.get_manifest(self.image.digest)
        assert named.body == self.image.manifest
        tagged = self.repo.get_manifest("new")
        if tagged.status == 404:
            return WHOLE
        assert tagged.body == self.image.manifest
        return NOTHING


class DeleteManifest(PutAgain):

    def do(self):
        answer = self.call(lambda: self.repo.delete_manifest(
            self.image.digest), 202, 404)
        assert answer.status == 202 or self.lost

    def look(self):
        return NOTHING if super().look() == WHOLE else WHOLE


# Garbage

def digest_path(digest):
    algorithm, hexed = digest.split(":")
    return algorithm, hexed


def link(server, name, digest):
    algorithm, hexed = digest_path(digest)
    return (server.root / "docker/registry/v2/repositories" / name / "_layers"
            / algorithm / hexed / "link")


def data(server, digest):
    algorithm, hexed = digest_path(digest)
    return (server.root / "docker/registry/v2/blobs" / algorithm / hexed[:2]
            / hexed / "data")


def age(*paths):
    then = time.time() - 2 * DAY
    for path in paths:
        os.utime(path, (then, then))


def ask(server, *words):
    """`registryctl gc` asks registryd and waits until it is done."""
    with subprocess.Popen([CTL, "--root", server.root, "gc", *words],
                          stdout=subprocess.DEVNULL) as asking:
        while asking.poll() is None:
            time.sleep(0.01)
            if server.daemon.poll() is not None:
                asking.kill()  # it would wait for the next daemon
    if asking.returncode != 0:
        raise Lost(asking.returncode)


class Collect(Operation):
    """`gc run` takes a blob away from its repository."""
    referred = False
    words = ()

    def prepare(self):
        self.digest = self.repo.push_blob(self.body)
        age(self.link)

    def again(self):
        # A link that was made anew is leased for another day.
        if self.link.exists():
            age(self.link)

    @property
    def link(self):
        return link(self.server, self.repo.name, oci.digest(self.body))

    @property
    def data(self):
        return data(self.server, oci.digest(self.body))

    def do(self):
        ask(self.server, "run", *self.words)

    def look(self):
        return NOTHING if self.blob() == WHOLE else WHOLE


class CollectData(Collect):
    """`gc run` takes a blob from the disk that no repository has."""

    def prepare(self):
        super().prepare()
        super().do()
        assert self.blob() == NOTHING
        age(self.data)

    def again(self):
        if self.data.exists():
            age(self.data)

    def look(self):
        rows, = self.life.sql("SELECT count(*) FROM blobs WHERE digest = ?",
                              self.digest)
        # Of what is in the middle either may be left alone: no repository
        # has it, and the next run takes the rest.
        return NOTHING if rows[0] else WHOLE


class CollectUnknown(CollectData):
    """`gc run --deep` takes a file that no row knows."""
    words = ("--deep",)

    def prepare(self):
        self.digest = oci.digest(self.body)
        self.data.parent.mkdir(parents=True)
        self.data.write_bytes(self.body)
        age(self.data)

    def look(self):
        return NOTHING if self.data.exists() else WHOLE


class Undelete(PutManifest):
    """A deleted image comes back from the trash."""

    def prepare(self):
        super().prepare()
        self.repo.push(self.image, "new")
        names = [oci.digest(body) for body in self.image.blobs]
        self.repo.delete_manifest(self.image.digest)
        age(*(link(self.server, self.repo.name, name) for name in names))
        self.life.ctl("gc", "run")
        age(*(data(self.server, name)
              for name in (*names, self.image.digest)))
        self.life.ctl("gc", "run")
        assert not any(data(self.server, name).exists() for name in names)

    def do(self):
        ask(self.server, "undelete", self.repo.name, self.image.digest,
            "--tag", "new")


# Packages

class Package(Operation):
    format = "generic"

    def prepare(self):
        self.key = f"{self.format}-ends{self.number}"
        self.base = f"/{self.format}/{self.key}"
        add_repository(self.server, self.key, self.format)

    def request(self, method, path, body=b"", headers=()):
        return http.request(self.server, method, self.base + path,
                            dict(headers), body)

    def file(self, path, body):
        answer = self.request("GET", path)
        if answer.status == 404:
            return NOTHING
        assert answer.status == 200 and answer.body == body, answer
        return WHOLE


class PutFile(Package):
    """A file in one PUT."""

    def do(self):
        self.call(lambda: self.request("PUT", "/tool/1.0/file", self.body),
                  201, 200)

    def look(self):
        return self.file("/tool/1.0/file", self.body)


class PutFileInPieces(PutFile):
    """A file by a session."""
    location = None

    def do(self):
        if self.location is None:
            begun = self.call(lambda: self.request("POST", "/-/uploads/"), 202)
            where = oci.target(begun.headers["Location"])
            answer = self.call(lambda: http.request(
                self.server, "PATCH", where, {}, self.body), 202)
            self.location = oci.target(answer.headers["Location"])
        query = f"path=tool/1.0/file&digest={oci.digest(self.body)}"
        where = f"{self.location.split('?')[0]}?{query}"
        answer = self.call(lambda: http.request(self.server, "PUT", where),
                           201, 404)
        assert answer.status == 201 or self.lost and self.look() == WHOLE


class PublishNpm(Package):
    """A version: rows, a blob, documents."""
    format = "npm"

    def prepare(self):
        super().prepare()
        self.sent = npm.make_tarball({"name": "ends", "version": "1.0.0"},
                                     {"data": self.body})
        text = json.dumps(npm.publish_body(
            "ends", "1.0.0", self.sent,
            {"name": "ends", "version": "1.0.0"}))
        self.text = text.encode()

    def do(self):
        answer = self.call(lambda: self.request(
            "PUT", "/ends", self.text, {"Content-Type": "application/json"}),
            200, 201, 403)
        assert answer.status != 403 or self.lost and self.look() == WHOLE

    def look(self):
        answer = self.request("GET", "/ends")
        if answer.status == 404:
            return NOTHING
        document = answer.json()
        assert set(document["versions"]) == {"1.0.0"}
        assert self.file("/ends/-/ends-1.0.0.tgz", self.sent) == WHOLE
        return WHOLE


class InstallNpm(PublishNpm):
    """The first who reads a document has it made."""

    def prepare(self):
        super().prepare()
        super().do()

    def do(self):
        self.call(lambda: self.request("GET", "/ends"), 200)

    def look(self):
        assert super().look() == WHOLE
        return WHOLE


class TagNpm(PublishNpm):
    """A tag of a package is set, whose document is there."""

    def prepare(self):
        super().prepare()
        super().do()
        assert super().look() == WHOLE

    def do(self):
        self.call(lambda: self.request(
            "PUT", "/-/package/ends/dist-tags/beta", b'"1.0.0"',
            {"Content-Type": "application/json"}), 200, 201)

    def look(self):
        assert super().look() == WHOLE
        tags = self.request("GET", "/ends").json()["dist-tags"]
        told = self.request("GET", "/-/package/ends/dist-tags").json()
        assert tags == told, (tags, told)
        return WHOLE if tags.get("beta") == "1.0.0" else NOTHING


class PutLoose(Package):
    """A file of a repository that belongs to no package."""
    format = "rpm"

    def prepare(self):
        super().prepare()
        self.sent = b"<comps><!-- %d --></comps>" % self.number

    def do(self):
        self.call(lambda: self.request("PUT", "/repodata/comps.xml",
                                       self.sent), 201, 200)

    def look(self):
        return self.file("/repodata/comps.xml", self.sent)


class FirstSigningKey(Package):
    """The first key of the first repository that signs."""
    format = "rpm"
    lasting = False  # the next one takes it away

    def prepare(self):
        super().prepare()
        self.life.sql("DELETE FROM signing_keys")
        (self.server.root / "keys/signing.key").unlink(missing_ok=True)

    def do(self):
        while True:
            try:
                first = self.key_file()
                break
            except Lost:
                # To make a key may take longer than nginx waits.
                if self.server.daemon.poll() is not None:
                    raise
        assert b"BEGIN PGP PUBLIC KEY BLOCK" in first
        assert self.key_file() == first
        self.first = first

    def key_file(self):
        return self.call(lambda: self.request(
            "GET", "/repodata/repomd.xml.key"), 200).body

    def look(self):
        rows = self.life.sql(
            "SELECT count(*) FROM signing_keys WHERE state = 'active'"
            " AND repository_id = (SELECT id FROM repositories WHERE key = ?)",
            self.key)
        assert rows[0][0] in (0, 1)
        return WHOLE if rows[0][0] else NOTHING


class Drop(Operation):
    """What another process changed is told to nginx."""

    def do(self):
        self.life.sql("INSERT INTO drops (key) VALUES ('ends')")

    def look(self):
        wait_until(lambda: not self.life.sql("SELECT id FROM drops"),
                   what="drops are told")
        return WHOLE


class RefusedLogin(Operation):
    """The audit log gets to know of it a moment later."""

    def do(self):
        self.call(lambda: http.request(
            self.server, "GET", "/api/v1/me",
            {"Authorization": "Basic bm9ib2R5Om5vdGhpbmc="}), 401)

    def look(self):
        return WHOLE
