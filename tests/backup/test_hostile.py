"""A backup that somebody changed, by accident or not: verify says so, restore
refuses it before anything is in the root."""

import json
import os
import random
import shutil

import pytest

from harness import oci
from harness.backups import (
    blob, copy_of, create, ctl, data, empty, newest, sql, verify, verify_root,
    write_manifest)
from harness.server import Registry

pytestmark = pytest.mark.ours


class Small:
    """A root with a few things in it, and a backup of it."""

    def __init__(self, folder):
        with Registry(root=folder / "data", keep_root=True) as server:
            repository = oci.Repository(server, "small/app")
            self.image = oci.make_image([os.urandom(3000) for _ in range(3)])
            repository.push(self.image, "v1")
            self.root = server.root
        self.backups = folder / "backups"
        create(self.backups, self.root)
        self.layer = oci.digest(self.image.blobs[1])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    one = Small(tmp_path_factory.mktemp("small"))
    yield one
    verify_root(one.root)


class Copy:
    """Its own copy of the backup, to be changed."""

    def __init__(self, small, folder):
        self.root = small.root
        self.image = small.image
        self.layer = small.layer
        self.folder = copy_of(small.backups, folder / "backups")
        self.backup = newest(self.folder)
        self.outside = folder / "outside"
        self.outside.mkdir()

    def list(self, change):
        """Changes the lines of the list of blobs, and signs it."""
        path = self.backup / "blobs"
        lines = change(path.read_text().splitlines())
        path.write_text("".join(line + "\n" for line in lines))
        write_manifest(self.backup, lambda manifest: manifest.update(
            blobs=len(lines)))


@pytest.fixture
def copy(small, tmp_path):
    return Copy(small, tmp_path)


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "root"
    path.mkdir()
    return path


def refused(copy, root, *says):
    """Restore refuses it, with these words, and nothing is left behind."""
    _, error = ctl("backup", "restore", copy.folder, root=root, status=3)
    for words in says:
        assert words in error, error
    assert empty(root), sorted(root.rglob("*"))
    assert empty(copy.outside)


@pytest.mark.parametrize("path", (
    "../../outside/x", "/etc/x", "keys/../../x", "keys/token/../x.key", "keys",
    "keys/token/a/b.key", "docker/registry/v2/x", "manifest.json", "",
    "keys/token/.key", "blobs/", "db/longshore.sqlite"))
def test_paths_that_no_backup_has(copy, root, path):
    manifest = json.loads((copy.backup / "manifest.json").read_text())
    manifest["files"].append({"path": path, "size": 0, "sha256": "0" * 64})
    (copy.backup / "manifest.json").write_text(json.dumps(manifest, indent=1)
                                               + "\n")
    refused(copy, root, "which no backup has")
    found = verify(copy.folder, status=1)
    assert "which no backup has" in found["damage"][0]


def changed(text):
    """The manifest, changed without knowing how it is checked."""
    def change(copy):
        path = copy.backup / "manifest.json"
        old, new = text
        body = path.read_text()
        assert old in body
        path.write_text(body.replace(old, new, 1))
    return change


def signed(change):
    return lambda copy: write_manifest(copy.backup, change)


MANIFESTS = {
    "a number": changed(('"missing": 0', '"missing": 1')),
    "white space": changed(('"missing": 0', '"missing":  0')),
    "twice": changed(('"missing": 0', '"missing": 0,\n "missing": 0')),
    "a member more": signed(lambda it: it.update(more=1)),
    "a member less": signed(lambda it: it.pop("missing")),
    "no files": signed(lambda it: it.update(files=[])),
    "files of another kind": signed(lambda it: it.update(files="x")),
    "a file of another kind": signed(lambda it: it.update(files=[1])),
    "negative": signed(lambda it: it.update(blob_bytes=-1)),
    "more than there is": signed(lambda it: it.update(blob_bytes=2 ** 63)),
    "other bytes in all": signed(lambda it: it.update(blob_bytes=5)),
    "order": signed(lambda it: it["files"].reverse()),
    "the same file": signed(lambda it: it["files"].insert(
        0, it["files"][0])),
    "another name": signed(lambda it: it.update(name="20200101T000000Z")),
    "a later version": signed(lambda it: it.update(version=2)),
    "another format": signed(lambda it: it.update(format="x")),
    "no document": lambda copy: (copy.backup / "manifest.json").write_bytes(
        b"\xff" * 100),
    "deep": lambda copy: (copy.backup / "manifest.json").write_text(
        "[" * 100_000),
    "huge": lambda copy: (copy.backup / "manifest.json").write_text(
        " " * (2 << 20)),
    "a link": lambda copy: link(copy, copy.backup / "manifest.json"),
}


@pytest.mark.parametrize("how", MANIFESTS)
def test_manifests(copy, root, how):
    MANIFESTS[how](copy)
    refused(copy, root)
    if how != "other bytes in all":
        assert verify(copy.folder, status=1)["damage"]


def link(copy, path):
    """The same in another place, and a link to it."""
    there = copy.folder / "elsewhere"
    path.rename(there)
    path.symlink_to(there)


def test_links_are_not_followed(copy, root, tmp_path):
    for path in (copy.backup / "longshore.sqlite", copy.backup / "blobs",
                 copy.backup / "keys", copy.backup):
        link(copy, path)
        ctl("backup", "restore", copy.folder, root=root, status=3)
        assert empty(root)
        path.unlink()
        (copy.folder / "elsewhere").rename(path)
    for path in (blob(copy.folder, copy.layer),
                 blob(copy.folder, copy.layer).parent,
                 blob(copy.folder, copy.layer).parent.parent):
        link(copy, path)
        found = verify(copy.folder, status=1)["damage"]
        assert any(copy.layer in one for one in found)
        target = tmp_path / f"root{path.name[:4]}"
        target.mkdir()
        _, error = ctl("backup", "restore", copy.folder, root=target, status=3)
        assert not data(target, copy.layer).exists()
        path.unlink()
        (copy.folder / "elsewhere").rename(path)
    ctl("backup", "restore", copy.folder, root=root)
    verify_root(root)


@pytest.mark.parametrize("name", ("passwd", "keys/other", "keys/token/x",
                                  "longshore.sqlite-wal"))
def test_files_that_the_manifest_does_not_name(copy, root, name):
    path = copy.backup / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    refused(copy, root, f"{name} is not named by the manifest")
    found = verify(copy.folder, status=1)["damage"]
    assert f"{name} is not named by the manifest" in found[0]


def first_made(lines):
    digest = "sha256:" + "0" * 64
    return [f"{digest} 1", *lines]


LISTS = {
    "one more": (first_made, "not named by its database"),
    "one less": (lambda lines: lines[1:], "which its database names"),
    "none": (lambda lines: [], "which its database names"),
    "another size": (lambda lines: [lines[0] + "0", *lines[1:]],
                     "another size"),
    "a huge size": (lambda lines: [lines[0].split()[0] + " 9" + "9" * 17],
                    "another size"),
    "a size that is none": (lambda lines: [lines[0].split()[0] + " 1" + "0"
                                           * 30], "a line that is none"),
    "negative": (lambda lines: [lines[0].split()[0] + " -1"],
                 "a line that is none"),
    "a zero before": (lambda lines: [lines[0].replace(" ", " 0")],
                      "a line that is none"),
    "a path": (lambda lines: ["sha256:../../../../../../etc/passwd 5"],
               "a line that is none"),
    "another order": (lambda lines: lines[::-1], "which its database names"),
    "twice": (lambda lines: [lines[0], *lines], "out of order"),
    "a long line": (lambda lines: ["x" * 200_000], "a line that is none"),
    "upper case": (lambda lines: [lines[0].upper()], "a line that is none"),
}


@pytest.mark.parametrize("how", LISTS)
def test_lists_of_blobs(copy, root, how):
    change, says = LISTS[how]
    copy.list(change)
    refused(copy, root, says)


DATABASES = {
    "a table more": ["CREATE TABLE more (x)"],
    "a view": ["CREATE VIEW more AS SELECT 1"],
    "a trigger": ["CREATE TRIGGER more AFTER INSERT ON tags BEGIN"
                  " DELETE FROM principals; END"],
    "an index": ["CREATE INDEX more ON tags (tag)"],
    "a table less": ["DROP TABLE drops"],
    "another table": ["ALTER TABLE drops ADD COLUMN more"],
    "a trigger less": ["DROP TRIGGER audit_delete"],
    "another text": ["UPDATE sqlite_schema SET sql = replace(sql,"
                     " 'key TEXT', 'key ANY') WHERE name = 'drops'"],
    "a later version": ["PRAGMA user_version = 9999"],
    "no version": ["PRAGMA user_version = 0"],
    "a name that leads out": ["UPDATE names SET name = '../../../outside'"],
    "a tag that leads out": ["UPDATE tags SET tag = '../../../../../x'"],
    "a digest that is none": ["UPDATE blobs SET digest = 'sha256:../../x'"
                              " WHERE id = 1"],
    "an unknown blob": ["UPDATE blobs SET digest = 'sha256:' || substr("
                        "'0123456789abcdef0123456789abcdef0123456789abcdef"
                        "0123456789abcdef', 1, 64) WHERE id = 1"],
}


@pytest.mark.parametrize("how", DATABASES)
def test_databases(copy, root, how):
    sql(copy.backup, *DATABASES[how])
    refused(copy, root)


def test_a_database_that_is_none(copy, root):
    path = copy.backup / "longshore.sqlite"
    body = path.read_bytes()
    for other in (b"", body[:5000], body[:4096] + b"\xff" * 8192
                  + body[12288:], os.urandom(20_000)):
        path.write_bytes(other)
        write_manifest(copy.backup)
        refused(copy, root)
        assert verify(copy.folder, status=1)["damage"]


def test_every_flipped_bit_is_found(copy):
    """One at a time, anywhere in a backup."""
    chance = random.Random(1)
    files = [path for path in copy.folder.rglob("*")
             if path.is_file() and path.stat().st_size]
    assert any("blobs/sha256" in str(path) for path in files)
    for path in files + chance.choices(files, k=15):
        body = bytearray(path.read_bytes())
        at = chance.randrange(len(body))
        body[at] ^= 1 << chance.randrange(8)
        was = path.read_bytes()
        path.write_bytes(body)
        mark = path.name == "longshore-backups"
        _, error = ctl("backup", "verify", copy.folder,
                       status=3 if mark else 1)
        path.write_bytes(was)
    assert verify(copy.folder)["clean"]


def spoil(path, how):
    body = path.read_bytes()
    path.unlink()
    if how == "flipped":
        path.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    elif how == "cut":
        path.write_bytes(body[:-1])


@pytest.mark.parametrize("how", ("flipped", "cut", "gone"))
def test_a_damaged_blob(copy, root, how):
    path = blob(copy.folder, copy.layer)
    body = path.read_bytes()
    spoil(path, how)
    found = verify(copy.folder, status=1)["damage"]
    assert len(found) == 1 and found[0].startswith(copy.layer)
    _, error = ctl("backup", "restore", copy.folder, root=root, status=3)
    assert copy.layer in error
    assert not data(root, copy.layer).exists()
    # Half a restore, unless it was seen before.
    assert empty(root) == (how == "cut")
    assert not (root / "db/longshore.sqlite").exists()
    # All but that one.
    report, error = ctl("backup", "restore", copy.folder, "--skip-damaged",
                        root=root, status=1)
    assert report["damaged"] == 1 and copy.layer in error
    missing = ctl("verify", root=root, status=1)[0]["differences"]
    assert {one["reference"] for one in missing} == {copy.layer}
    # With a good one in its place it is whole.
    again = root.parent / "again"
    again.mkdir()
    path.write_bytes(body)
    ctl("backup", "restore", copy.folder, root=again)
    verify_root(again)
    shutil.rmtree(root)
    # The next backup copies it again, but for one that has the right size.
    spoil(path, how)
    copied = create(copy.folder, copy.root)["copied"]
    assert copied == (how != "flipped")
    assert (path.read_bytes() == body) == bool(copied)
