"""What a start of registryd finds (harness.endings.Life.end_at_start): done
by a client, then the daemon was killed."""

import hashlib
import os
import shutil
import time

from .endings import DAY, WHOLE, Operation
from .operations import PublishNpm, PutManifest, TagNpm
from .process import wait_until


class Found:
    def between(self):
        """While no daemon runs."""


class AfterPush(Found, PutManifest):
    """Links that are not durable yet."""


class AfterPublish(Found, PublishNpm):
    """Documents that are not durable yet."""

    def do(self):
        super().do()
        self.call(lambda: self.request("GET", "/ends"), 200)


class WithOldSession(Found, Operation):
    """A session that nobody went on with."""
    referred = False

    def do(self):
        self.location = self.repo.start_upload().headers["Location"]

    def between(self):
        folder = (self.server.root / "docker/registry/v2/repositories"
                  / self.repo.name / "_uploads")
        then = time.time() - 60 * DAY
        for path in [*folder.rglob("*"), folder]:
            os.utime(path, (then, then))

    def look(self):
        wait_until(lambda: self.repo.upload_status(
            self.location).status == 404, what="the session is gone")
        return WHOLE


class WithLeftovers(Found, TagNpm):
    """Documents of an earlier generation, to be removed."""

    def between(self):
        rows = self.life.sql("SELECT digest FROM document_leftovers")
        assert rows, "no document of before"
        self.life.sql("UPDATE document_leftovers SET at_ms = 1")
        self.old = [digest for digest, in rows]

    def look(self):
        wait_until(lambda: not any(
            document(self.server, digest).exists() for digest in self.old),
            what="old documents are removed")
        return super().look()


class WithUnknownDocument(Found, TagNpm):
    """A document whose rows were never committed."""

    def between(self):
        digest = "sha256:" + hashlib.sha256(self.body).hexdigest()
        self.unknown = document(self.server, digest)
        self.unknown.parent.mkdir(parents=True, exist_ok=True)
        self.unknown.write_bytes(self.body)

    def look(self):
        digest = "sha256:" + self.unknown.name
        wait_until(lambda: self.life.sql(
            "SELECT 1 FROM document_leftovers WHERE digest = ?", digest)
            or not self.unknown.exists(), what="it is to be removed")
        return super().look()


def document(server, digest):
    hexed = digest.split(":")[1]
    return server.root / "documents/sha256" / hexed[:2] / hexed


class WithoutTables(Found, PutManifest):
    """The database is gone; what is on the disk is taken over."""

    def between(self):
        # Links that were not made yet are made by a start beforehand.
        self.server.start_daemon()
        wait_until(self.life.works, what="the daemon is back")
        self.server.stop_daemon()
        shutil.rmtree(self.server.root / "db")

    def look(self):
        wait_until(lambda: self.life.sql(
            "SELECT 1 FROM meta WHERE key = 'takeover' AND"
            " value = 'complete'"), what="all is taken over")
        return super().look()


class WithoutKeys(Found, Operation):
    """No key yet that signs tokens."""

    def do(self):
        self.call(lambda: self.life.put(self.number, self.body), 201)

    def between(self):
        shutil.rmtree(self.server.root / "keys")

    def look(self):
        answer = self.life.get(self.number)
        assert answer.status == 200 and answer.body == self.body, answer
        # Whoever logs in gets a token that nginx knows.
        token = self.life.login()
        assert token.status == 200, token
        return WHOLE
