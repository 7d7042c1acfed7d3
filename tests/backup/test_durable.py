"""In which order create, restore, prune and a rebuild make things durable:
nothing has its name before its bytes, and what makes it count comes last."""

import os

import pytest

from harness import oci
from harness.backups import CTL, age, create, ctl, newest, verify_root
from harness.calls import of_command, where
from harness.server import Registry

pytestmark = pytest.mark.ours


def traced(folder, root, *words):
    return of_command(folder, CTL, "--root", root, *words)


@pytest.fixture(scope="module")
def source():
    with Registry() as server:
        repository = oci.Repository(server, "durable/app")
        repository.push(oci.make_image([os.urandom(100)]), "v1")
        # As once something was signed.
        (server.root / "keys").mkdir(exist_ok=True)
        (server.root / "keys/signing.key").write_text("0" * 64 + "\n")
        server.repository = repository
        yield server
        verify_root(server.root)


def test_create(source, tmp_path):
    backups = tmp_path / "backups"
    create(backups, source.root)
    source.repository.push(oci.make_image([os.urandom(100)], config=b"[1]"),
                           "v2")
    calls = traced(tmp_path, source.root, "backup", "create", backups)
    backup = newest(backups)
    made, = where(calls, "renameat", backup / "manifest.new",
                  backup / "manifest.json")
    renamed = [(number, paths) for number, (call, paths) in enumerate(calls)
               if call == "renameat" and "/blobs/" in paths[1]]
    assert len(renamed) == 3
    for number, (old, new) in renamed:
        synced, = where(calls, "fsync", old)
        shelf = os.path.dirname(new)
        kept = where(calls, "fsync", shelf)
        above = where(calls, "fsync", os.path.dirname(shelf))
        assert synced < number < min(kept) < min(above) < made
    for name in ("blobs", "missing", "manifest.new"):
        synced, = where(calls, "fsync", backup / name)
        assert synced < made
    database = where(calls, "syncfs", backups)  # SQLite's file
    key, = where(calls, "fsync", backup / "keys/signing.key")
    # After the database, which names nothing that a later key has sealed.
    assert database and database[0] < key < made
    for folder in (backups, backups / "backups", backups / "blobs",
                   backup / "keys", backup / "keys/token"):
        assert max(where(calls, "fsync", folder)) < made
    assert min(where(calls, "fsync", backup)) < made
    assert max(where(calls, "fsync", backup)) > made


def test_the_first_create(source, tmp_path):
    """The place of all backups, and that it is one, come before any of it."""
    backups = tmp_path / "backups"
    calls = traced(tmp_path, source.root, "backup", "create", backups)
    placed, = where(calls, "fsync", tmp_path)
    marked, = where(calls, "fsync", backups / "longshore-backups")
    named = where(calls, "fsync", backups)[0]
    blobs = [number for number, (call, paths) in enumerate(calls)
             if call == "renameat" and "/blobs/" in paths[1]]
    assert placed < marked < named < min(blobs)


def test_restore(source, tmp_path):
    backups = tmp_path / "backups"
    create(backups, source.root)
    root = tmp_path / "root"
    root.mkdir()
    calls = traced(tmp_path, root, "backup", "restore", backups)
    mark = root / "restore.unfinished"
    marked, = where(calls, "renameat", f"{mark}.new", mark)
    synced, = where(calls, "fsync", f"{mark}.new")
    at_top = where(calls, "fsync", root)
    files = [number for number, (call, paths) in enumerate(calls)
             if call == "renameat" and "/docker/" in paths[1]]
    whole = where(calls, "syncfs", root)
    named, = where(calls, "renameat", root / "db/restore/longshore.sqlite",
                   root / "db/longshore.sqlite")
    unmarked, = where(calls, "unlinkat", mark)
    assert synced < marked < min(at_top) < min(files)
    assert max(files) < max(one for one in whole if one < named)
    assert named < min(where(calls, "fsync", root / "db")) < unmarked
    assert unmarked < max(at_top)
    verify_root(root)


def test_prune(source, tmp_path):
    """A backup is none any more before its first blob goes."""
    backups = tmp_path / "backups"
    image = oci.make_image([os.urandom(100)], config=b"[2]")
    source.repository.push(image, "gone")
    create(backups, source.root)
    old = newest(backups)
    assert source.repository.delete_manifest(image.digest).status == 202
    age(source.root, image.digest)
    ctl("gc", "run", root=source.root)
    create(backups, source.root)
    calls = traced(tmp_path, source.root, "backup", "prune", backups, "--keep",
                   "1")
    unmade, = where(calls, "unlinkat", old / "manifest.json")
    assert unmade < min(where(calls, "fsync", old))
    blobs = [number for number, (call, paths) in enumerate(calls)
             if call == "unlinkat" and "/blobs/sha256/" in paths[0]]
    assert len(blobs) == 1  # the others have their repository still
    assert min(where(calls, "fsync", old)) < min(blobs)


def test_rebuild(source, tmp_path):
    """The new database is whole before it takes the place of the old one."""
    folder = source.root / "db"
    source.stop_daemon()
    try:
        calls = traced(tmp_path, source.root, "rebuild")
    finally:
        source.start_daemon()
    fresh = folder / "rebuild/longshore.sqlite"
    named, = where(calls, "rename", fresh, folder / "longshore.sqlite")
    assert where(calls, "fdatasync", fresh)[-1] < named
    assert named < where(calls, "fsync", folder)[-1]
