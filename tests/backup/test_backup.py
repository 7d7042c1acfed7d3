"""registryctl backup: what was acknowledged before it began comes back, byte
for byte, into an empty root. Each test ends with registryctl verify."""

import fcntl
import json
import os
import random
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import requests

from harness import debs, npm, oci
from harness.backups import (
    BLOCK, Mine, Restored, age, begin, blob, create, ctl, data, empty,
    kill_at, newest, peak_kib, stop_at, verify, verify_root, whole)
from harness.private import Private
from harness.process import wait_until
from harness.server import DAEMON, Registry

pytestmark = pytest.mark.ours
MEMORY_KIB = 40 << 10
LARGE_MIB = 128


@pytest.fixture
def root(tmp_path):
    """An empty one."""
    path = tmp_path / "root"
    path.mkdir()
    return path


class Load:
    """Pushes of several formats that stay, others that go, and a collector
    without grace. `kept`: what was acknowledged and stays."""

    def __init__(self, server):
        self.server = server
        self.token = server.tokens["writer"]
        self.login = {"Authorization": f"Bearer {self.token}"}
        self.files = server.repository("generic")
        self.npm = server.repository("npm")
        self.debian = server.repository("debian")
        self.kept = {"image": [], "file": [], "npm": [], "deb": []}
        self.errors = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.guarded, args=(work,))
                        for work in (self.images, self.packages, self.churn,
                                     self.collect)]

    def guarded(self, work):
        try:
            number = 0
            while not self.stop.is_set():
                work(number)
                number += 1
        except Exception as error:
            self.errors.append(error)

    def images(self, number):
        repository = Mine(self.server, f"load/kept{number % 3}", self.token)
        image = oci.make_image([os.urandom(2000), b"shared"],
                               config=json.dumps([number]).encode())
        repository.push(image, f"v{number}")
        self.kept["image"].append((repository.name, f"v{number}", image))

    def packages(self, number):
        body = os.urandom(random.randrange(1, 5000))
        path = f"tool/{number}/a.bin"
        put = requests.put(f"{self.files}/{path}", data=body,
                           headers=self.login, timeout=60)
        assert put.status_code == 201, put.text
        self.kept["file"].append((path, body))
        if number % 4 == 0:
            tarball = npm.make_tarball({"name": "lib", "version":
                                        f"1.0.{number}"})
            sent = requests.put(
                f"{self.npm}/lib", headers=self.login, timeout=60,
                json=npm.publish_body("lib", f"1.0.{number}", tarball))
            assert sent.status_code == 201, sent.text
            self.kept["npm"].append((f"1.0.{number}", tarball))
            deb = debs.small_deb(f"deb{number}")
            sent = requests.put(f"{self.debian}/pool/stable/main/upload",
                                data=deb, headers=self.login, timeout=60)
            assert sent.status_code == 201, sent.text
            self.kept["deb"].append((f"deb{number}", deb))

    def churn(self, number):
        repository = Mine(self.server, "load/churn", self.token)
        image = oci.make_image([os.urandom(1000)],
                               config=json.dumps(["churn", number]).encode())
        repository.push(image, "gone")
        assert repository.delete_manifest(image.digest).status == 202
        age(self.server.root, image.digest, *map(oci.digest, image.blobs))

    def collect(self, _):
        self.server.ctl("gc", "run", "--deep")

    def acknowledged(self):
        return {kind: list(items) for kind, items in self.kept.items()}

    def enough(self, least):
        return self.errors or all(
            len(items) >= least for items in self.kept.values())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors


def url_on(server, url):
    """The same place of another server."""
    return server.url + "/" + url.split("/", 3)[3]


def same_images(server, token, kept):
    for name, tag, image in kept:
        repository = Mine(server, name, token)
        for reference in (tag, image.digest):
            assert repository.get_manifest(reference).body == image.manifest
        for layer in image.blobs:
            assert repository.get_blob(oci.digest(layer)).body == layer


def same_packages(load, server, kept, tmp_path, key):
    def get(base, path):
        got = requests.get(f"{url_on(server, base)}/{path}", timeout=60,
                           headers=load.login)
        assert got.status_code == 200, (path, got.text)
        return got.content
    for path, body in kept["file"]:
        assert get(load.files, path) == body
    versions = json.loads(get(load.npm, "lib"))["versions"]
    for version, tarball in kept["npm"]:
        assert versions[version]["dist"]["integrity"] == npm.integrity(tarball)
        assert get(load.npm, f"lib/-/lib-{version}.tgz") == tarball
    # apt believes the key that signed before the backup, no other.
    assert get(load.debian, "key.asc") == key
    apt = debs.Apt(tmp_path / "apt", url_on(server, load.debian), key,
                   login=("writer", server.tokens["writer"]))
    apt.update()
    for name, _ in kept["deb"]:
        assert apt.versions(name) == {"1.0"}
    name, body = kept["deb"][0]
    apt.get("download", name, cwd=tmp_path)
    assert next(tmp_path.glob(f"{name}_*.deb")).read_bytes() == body


def accounts_work(server, tokens):
    def me(token):
        return requests.get(
            f"{server.url}/api/v1/me", timeout=60,
            headers={"Authorization": f"Bearer {token}"}).status_code
    assert me(tokens["reader"]) == 200
    assert me(tokens["reader"] + "x") == 401
    reader = Mine(server, "load/kept0", tokens["reader"])
    assert reader.tags().status == 200
    assert reader.start_upload().status in (401, 403)
    assert Mine(server, "load/kept0",
                tokens["stranger"]).tags().status in (401, 403, 404)
    login = requests.get(f"{server.url}/api/v1/me", timeout=60,
                         auth=("reader", Private.password("reader")))
    assert login.status_code == 200


def test_under_load(root, tmp_path):
    backups = tmp_path / "backups"
    with Private() as server:
        load = Load(server)
        with load:
            wait_until(lambda: load.enough(3), what="some of everything")
            key = requests.get(f"{load.debian}/key.asc", headers=load.login,
                               timeout=60).content
            kept = load.acknowledged()
            first = create(backups, server.root)
            more = load.acknowledged()
            second = create(backups, server.root)
        assert first["missing"] == second["missing"] == 0
        assert first["copied"] == first["blobs"] > 0
        assert 0 < second["copied"] < second["blobs"]
        assert len(more["image"]) > len(kept["image"])
        verify_root(server.root)
    assert verify(backups)["clean"]
    ctl("backup", "restore", backups, first["name"], root=root)
    verify_root(root)
    with Restored(root=root) as restored:
        restored.tokens = server.tokens
        same_images(restored, load.token, kept["image"])
        accounts_work(restored, server.tokens)
        same_packages(load, restored, kept, tmp_path, key)
        # It goes on from there.
        Mine(restored, "load/after", load.token).push(
            oci.make_image([b"after"]), "v1")
        sent = requests.put(
            f"{url_on(restored, load.debian)}/pool/stable/main/upload",
            data=debs.small_deb("after"), headers=load.login, timeout=60)
        assert sent.status_code == 201, sent.text
        report = restored.ctl("gc", "run", "--deep")
        assert report["state"] == "done"
        verify_root(root)
    again = tmp_path / "again"
    again.mkdir()
    ctl("backup", "restore", backups, root=again)  # the newest
    with Restored(root=again) as restored:
        same_images(restored, load.token, more["image"])
        verify_root(again)


@pytest.fixture(scope="module")
def large():
    """A server with a blob that takes a while to copy, and one that comes
    after it."""
    with Registry() as server:
        repository = oci.Repository(server, "large/app")
        body = BLOCK * LARGE_MIB
        digest = repository.push_blob(body)
        after = os.urandom(100)
        while oci.digest(after) < digest:
            after = os.urandom(100)
        image = oci.make_image([body, after])
        repository.push(image, "v1")
        server.large = digest
        server.small = oci.digest(after)
        server.repository = repository
        yield server
        verify_root(server.root)


def copying(backups):
    return lambda: any((backups / "incoming").glob("*"))


def test_a_blob_stays_until_it_is_copied(large, root, tmp_path):
    """Deleted, without grace and collected while a backup has its snapshot
    and not yet the bytes."""
    backups = tmp_path / "backups"
    body = os.urandom(200)
    while oci.digest(body) < large.large:
        body = os.urandom(200)
    image = oci.make_image([body])
    large.repository.push(image, "doomed")
    digest = oci.digest(body)
    making = begin("backup", "create", backups, root=large.root)
    stop_at(making, copying(backups))
    assert not blob(backups, digest).exists()
    assert large.repository.delete_manifest(image.digest).status == 202
    age(large.root, image.digest, digest)
    report, _ = ctl("gc", "run", root=large.root)
    assert report["state"] == "done" and report["blobs"] == 0
    assert report["kept"] >= 1
    assert data(large.root, digest).exists()
    os.kill(making.pid, signal.SIGCONT)
    out, error = making.communicate(timeout=120)
    assert making.returncode == 0, (out, error)
    assert blob(backups, digest).read_bytes() == body
    # The lease has ended with the process.
    report, _ = ctl("gc", "run", root=large.root)
    assert report["blobs"] >= 1 and not data(large.root, digest).exists()
    ctl("backup", "restore", backups, root=root)
    verify_root(root)
    with Registry(root=root) as restored:
        there = oci.Repository(restored, large.repository.name)
        assert there.get_manifest("doomed").body == image.manifest
        assert there.get_blob(digest).body == body


def waits_for_a_lock(process):
    assert process.poll() is None, process.communicate()
    return any("->" in line and f" {process.pid} " in line
               for line in Path("/proc/locks").read_text().splitlines())


def test_it_waits_before_its_snapshot(tmp_path):
    """While the collector has the root for itself nothing is named yet that
    it may take."""
    backups = tmp_path / "backups"
    with Registry() as server:
        repository = oci.Repository(server, "waits/app")
        root = os.open(server.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(root, fcntl.LOCK_EX)
            making = begin("backup", "create", backups, root=server.root)
            wait_until(lambda: waits_for_a_lock(making), what="it waits")
            digest = repository.push_blob(b"before the snapshot")
        finally:
            os.close(root)
        out, error = making.communicate(timeout=120)
        assert making.returncode == 0, (out, error)
        assert blob(backups, digest).exists()


def test_memory_and_ends_in_the_middle(large, root, tmp_path):
    """kill -9 of create and restore, then both to their end in little
    memory."""
    backups = tmp_path / "backups"
    assert kill_at(begin("backup", "create", backups, root=large.root),
                   copying(backups))
    assert whole(backups) == []
    ctl("backup", "restore", backups, root=root, status=1)
    assert peak_kib("backup", "create", backups,
                    root=large.root) < MEMORY_KIB
    assert len(whole(backups)) == 1
    assert not (backups / "incoming").exists()
    assert len(list((backups / "backups").iterdir())) == 1

    mark = root / "restore.unfinished"
    assert kill_at(begin("backup", "restore", backups, root=root),
                   lambda: any(root.glob("spool/r*")))
    assert mark.exists() and not (root / "db/longshore.sqlite").exists()
    refused = subprocess.run(
        ["timeout", "30", DAEMON, "--root", root, "--listen",
         f"ipc://{tmp_path}/s"], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert "a restore into" in refused.stderr, refused.stderr
    assert "run it again" in refused.stderr
    # Half of another backup.
    create(backups, large.root)
    _, error = ctl("backup", "restore", backups, root=root, status=3)
    assert "half of another backup" in error
    name = whole(backups)[0]
    assert peak_kib("backup", "restore", backups, name,
                    root=root) < MEMORY_KIB
    assert not mark.exists()
    verify_root(root)
    # It ended between the database's name and the end of the mark, and the
    # power took bytes that were not durable yet.
    identity = (newest(backups).parent / name / "manifest.json").read_bytes()
    mark.write_text(f"{name} {oci.digest(identity)[7:]}\n")
    small = data(root, large.small)
    body = small.read_bytes()
    small.write_bytes(bytes(len(body)))
    ctl("backup", "restore", backups, name, root=root)
    assert not mark.exists() and small.read_bytes() == body
    verify_root(root)
    with open(data(root, large.large), "rb") as file:
        assert all(file.read(len(BLOCK)) == BLOCK for _ in range(LARGE_MIB))
        assert file.read(1) == b""


def test_a_killed_backup_ends_its_lease(large, tmp_path):
    backups = tmp_path / "backups"
    digest = large.repository.push_blob(os.urandom(300))
    making = begin("backup", "create", backups, root=large.root)
    stop_at(making, copying(backups))
    age(large.root, digest)
    report, _ = ctl("gc", "run", root=large.root)
    assert data(large.root, digest).exists() and report["kept"] >= 1
    making.kill()
    making.communicate()
    ctl("gc", "run", root=large.root)
    assert not data(large.root, digest).exists()


def test_only_what_is_new_is_copied(tmp_path, root):
    backups = tmp_path / "backups"
    with Registry() as server:
        repository = oci.Repository(server, "new/app")
        repository.push(oci.make_image([os.urandom(5000)]), "v1")
        first = create(backups, server.root)
        before = {path: path.stat() for path in backups.glob("blobs/*/*/*")}
        assert len(before) == first["copied"] == first["blobs"] == 3
        assert sum(one.st_size for one in before.values()) == (
            first["copied_bytes"])
        image = oci.make_image([os.urandom(777)])
        repository.push(image, "v2")
        server.stop_daemon()  # without one it works as well
        second = create(backups, server.root)
        assert second["copied_bytes"] == sum(
            len(one) for one in [image.manifest, *image.blobs]
            if blob(backups, oci.digest(one)) not in before)
        assert second["copied"] == 3
        assert second["blobs"] == first["blobs"] + second["copied"]
        for path, stat in before.items():
            now = path.stat()
            assert (now.st_ino, now.st_mtime_ns) == (stat.st_ino,
                                                     stat.st_mtime_ns)
            assert now.st_nlink == 1
        third = create(backups, server.root)
        assert third["copied"] == third["copied_bytes"] == 0
        assert whole(backups) == sorted(whole(backups))
        assert len(whole(backups)) == 3
        server.start_daemon()
        wait_until(server.daemon_answers, what="daemon is back")
    ctl("backup", "restore", backups, root=root)
    verify_root(root)


def test_old_ones_go_with_what_only_they_have(tmp_path, root):
    backups = tmp_path / "backups"
    with Registry() as server:
        repository = oci.Repository(server, "old/app")
        old = oci.make_image([os.urandom(5000)], config=b'["old"]')
        repository.push(old, "v1")
        shared = oci.make_image([os.urandom(10)], config=b'["shared"]')
        repository.push(shared, "v2")
        create(backups, server.root)
        assert repository.delete_manifest(old.digest).status == 202
        age(server.root, old.digest, *map(oci.digest, old.blobs))
        ctl("gc", "run", root=server.root)
        assert not data(server.root, old.digest).exists()
        create(backups, server.root)
        create(backups, server.root)
    names = whole(backups)
    assert ctl("backup", "prune", backups, "--keep", "3")[0]["blobs"] == 0
    ctl("backup", "prune", backups, "--keep", "0", status=2)
    # What cannot be read whole may name anything.
    listed = newest(backups) / "blobs"
    good = listed.read_bytes()
    listed.write_bytes(good[:-1])
    ctl("backup", "prune", backups, "--keep", "1", status=3)
    assert whole(backups) == names
    assert blob(backups, old.digest).exists()
    listed.write_bytes(good)
    half = backups / "backups/20200101T000000Z"
    half.mkdir()
    (half / "longshore.sqlite").write_bytes(b"half")
    report, _ = ctl("backup", "prune", backups, "--keep", "1")
    assert report["removed"] == names[:2] and not half.exists()
    assert report["blobs"] == 3
    assert report["bytes"] == sum(map(len, [old.manifest, *old.blobs]))
    assert whole(backups) == names[2:]
    for one in [old.manifest, *old.blobs]:
        assert not blob(backups, oci.digest(one)).exists()
    assert verify(backups)["clean"]
    ctl("backup", "restore", backups, root=root)
    verify_root(root)


def test_a_damaged_source_is_told_and_not_kept(tmp_path, root):
    backups = tmp_path / "backups"
    with Registry() as server:
        repository = oci.Repository(server, "sick/app")
        image = oci.make_image([b"flipped" * 99, b"cut" * 99, b"gone" * 99,
                                b"well" * 99])
        repository.push(image, "v1")
        sick = [oci.digest(one) for one in image.blobs[1:4]]
        flipped, cut, gone = (data(server.root, one) for one in sick)
        was = [path.read_bytes() for path in (flipped, cut, gone)]
        flipped.write_bytes(b"F" + was[0][1:])
        cut.write_bytes(was[1][:-1])
        gone.unlink()
        said, error = ctl("backup", "create", backups, root=server.root,
                          status=1)
        assert said["missing"] == 3
        assert all(one in error for one in sick)
        assert not any(blob(backups, one).exists() for one in sick)
        found = verify(backups, status=1)["damage"]
        assert len(found) == 3
        report, error = ctl("backup", "restore", backups, root=root, status=1)
        assert report["damaged"] == 3 and all(one in error for one in sick)
        assert data(root, oci.digest(image.blobs[4])).exists()
        # Whole again, and so is the next backup.
        for path, body in zip((flipped, cut, gone), was):
            path.write_bytes(body)
        assert create(backups, server.root)["copied"] == 3
        verify(backups, whole(backups)[-1])
        verify_root(server.root)


def test_where_it_may_not_be(tmp_path, root):
    with Registry() as server:
        oci.Repository(server, "a").push_blob(b"a")
        ctl("backup", "create", server.root / "db", root=server.root, status=2)
        other = tmp_path / "other"
        other.mkdir()
        (other / "letter").write_text("not ours")
        ctl("backup", "create", other, root=server.root, status=3)
        assert [path.name for path in other.iterdir()] == ["letter"]
        none = tmp_path / "none"
        ctl("backup", "verify", none, status=3)
        ctl("backup", "prune", none, "--keep", "1", status=3)
        assert not none.exists()
        backups = tmp_path / "backups"
        create(backups, server.root)
        (newest(backups) / "manifest.json").unlink()
        ctl("backup", "verify", backups, status=1)  # none is not a clean one
        assert create(backups, server.root)["copied"] == 0
        modes = {path.stat().st_mode & 0o077 for path in backups.rglob("*")}
        assert modes == {0}
        (root / "letter").write_text("somebody else's")
        _, error = ctl("backup", "restore", backups, root=root, status=3)
        assert "is not empty" in error
        (root / "letter").unlink()
        ctl("backup", "restore", backups, root=root)
        assert (root / "db/longshore.sqlite").stat().st_mode & 0o777 == 0o640
        assert not empty(root)
        verify_root(root)
        verify_root(server.root)
