"""What must hold on a disk after a power loss, looked at without any of the
programs: tables of the database, files of the store.

`Expected` follows the marks; `Checker` compares. What registryd repairs when
it starts is known here by its own notes (disk_intents, stale_scopes): link
files of an intent and documents of a stale scope may be anything."""

import hashlib
import os
import sqlite3
import struct
from pathlib import Path

STATE = struct.Struct("<4sBBQQ64s128s16s")
SLOT = 4096
KINDS = {"_layers": 0, "revisions": 1, "tags": 2}


class Expected:
    """What was acknowledged at one moment, and what was on its way."""

    def __init__(self):
        self.held = {}  # key -> value
        self.begun = {}  # number -> effects

    def see(self, mark):
        if "begin" in mark:
            self.begun[mark["begin"]] = [
                (tuple(key), value) for key, value in mark["effects"]]
        elif "end" in mark:
            self.held.update(self.begun.pop(mark["end"]))

    def allowed(self):
        """key -> what it may be: the acknowledged value, or one on its way."""
        out = {key: {value} for key, value in self.held.items()}
        for effects in self.begun.values():
            for key, value in effects:
                out.setdefault(key, {"gone"}).add(value)
        return out


class Tables:
    """The database, read once."""

    def __init__(self, path):
        # One that only reads leaves the log as it is when it ends.
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        rows = database.execute
        check = rows("PRAGMA quick_check").fetchall()
        self.broken = [] if check == [("ok",)] else check
        self.links = {(name, digest): size for name, digest, size in rows(
            "SELECT n.name, b.digest, b.size_bytes FROM name_blobs l"
            " JOIN names n ON n.id = l.name_id"
            " JOIN blobs b ON b.id = l.blob_id")}
        self.manifests = {(name, digest): size for name, digest, size in rows(
            "SELECT n.name, b.digest, b.size_bytes FROM manifests m"
            " JOIN names n ON n.id = m.name_id"
            " JOIN blobs b ON b.id = m.blob_id")}
        self.references = rows(
            "SELECT n.name, m.digest, t.digest, r.kind"
            " FROM manifest_references r JOIN names n ON n.id = r.name_id"
            " JOIN blobs m ON m.id = r.manifest_id"
            " JOIN blobs t ON t.id = r.target_id").fetchall()
        self.tags = {(name, tag): digest for name, tag, digest in rows(
            "SELECT n.name, t.tag, b.digest FROM tags t"
            " JOIN names n ON n.id = t.name_id"
            " JOIN blobs b ON b.id = t.blob_id")}
        self.intents = set(rows(
            "SELECT kind, name, reference FROM disk_intents"))
        self.files = {(key, digest): size for key, digest, size in rows(
            "SELECT r.key, b.digest, b.size_bytes FROM files f"
            " JOIN repositories r ON r.id = f.repository_id"
            " JOIN blobs b ON b.id = f.blob_id")}
        self.documents = rows(
            "SELECT digest, size_bytes, path FROM documents d WHERE NOT EXISTS"
            " (SELECT 1 FROM stale_scopes s WHERE s.scope = d.scope"
            "  AND s.repository_id = d.repository_id)").fetchall()
        self.sealed = [text for text, in rows(
            "SELECT sealed FROM signing_keys WHERE sealed <> ''")]
        database.close()


class Checker:
    """`root` lies on the disk in question; `streams` are the bytes that were
    sent to each upload."""

    def __init__(self, root, streams):
        self.root, self.streams = Path(root), streams
        self.base = self.root / "docker/registry/v2"

    def check(self, allowed):
        """All that is wrong, as texts."""
        self.wrong, self.seen = [], {}
        try:
            self.tables = Tables(self.root / "db/longshore.sqlite")
        except sqlite3.Error as error:
            return [f"the database cannot be read: {error}"]
        for line in self.tables.broken:
            self.wrong.append(f"the database is broken: {line}")
        self._acknowledged(allowed)
        self._content()
        self._link_files()
        self._documents()
        return self.wrong

    def _must(self, good, *what):
        if not good:
            self.wrong.append(" ".join(map(str, what)))

    # What was acknowledged, and nothing else

    def _acknowledged(self, allowed):
        tables = self.tables
        for key, values in allowed.items():
            if "any" in values:
                continue
            if key[0] == "upload":
                self._upload(key[1], values)
            elif key[0] != "key":
                self._must(self._state(key) in values, *key, "is",
                           self._state(key), "and not", sorted(values))
        for kind, table in (("manifest", tables.manifests),
                            ("tag", tables.tags), ("blob", tables.links)):
            for name, reference in table:
                self._must((kind, name, reference) in allowed, kind, name,
                           reference, "was never asked for")

    def _state(self, key):
        kind, name, reference = key
        tables = self.tables
        if kind == "tag":
            return tables.tags.get((name, reference), "gone")
        table = {"blob": tables.links, "manifest": tables.manifests,
                 "file": tables.files}[kind]
        return "there" if (name, reference) in table else "gone"

    def _upload(self, folder, values):
        """As the module finds it when somebody goes on with it."""
        numbers = [value for value in values if value != "gone"]
        least = 0 if "gone" in values else min(numbers)
        path = self.root / folder
        data = _bytes(path / "data") or b""
        alive = (path / "startedat").exists()
        record = _bytes(path / "state")
        # A damaged record stood for bytes that were synced before it; without
        # any there is no telling.
        offset = len(data) if record else 0
        state = newest_state(record or b"")
        if state is not None and state <= offset:
            offset = state
        self._must(offset >= least and (alive or not least), "upload", folder,
                   "has", offset, "bytes and not", least,
                   "" if alive else "(dead)")
        self._must(not alive or self.streams[folder].startswith(
            data[:offset]), "upload", folder, "has other bytes")

    # Nothing half, nothing wrong

    def _content(self):
        tables = self.tables
        for what, table in (("blob", tables.links), ("file", tables.files),
                            ("manifest", tables.manifests)):
            for (name, digest), size in table.items():
                self._blob(f"{what} {name}", digest, size)
        for name, manifest, target, kind in tables.references:
            table = tables.manifests if kind == 2 else tables.links
            self._must((name, target) in table, "manifest", name, manifest,
                       "refers to", target, "which is not there")

    def _blob(self, what, digest, size):
        if digest not in self.seen:
            algorithm, hexed = digest.split(":")
            data = _bytes(self.base / "blobs" / algorithm / hexed[:2] / hexed
                          / "data")
            self.seen[digest] = (None if data is None else (
                len(data), hashlib.new(algorithm, data).hexdigest() == hexed))
        self._must(self.seen[digest] == (size, True), what, digest,
                   "has no bytes" if self.seen[digest] is None
                   else f"has wrong bytes {self.seen[digest]}, {size} wanted")

    def _link_files(self):
        tables = self.tables
        wanted = {(0, *key): key[1] for key in tables.links}
        wanted |= {(1, *key): key[1] for key in tables.manifests}
        wanted |= {(2, *key): digest for key, digest in tables.tags.items()}
        found = dict(self._walk())
        for key in wanted.keys() | found.keys():
            if key not in tables.intents:
                self._must(wanted.get(key) == found.get(key), "link", key,
                           "is", found.get(key), "on disk and",
                           wanted.get(key), "in the database")

    def _walk(self):
        """((kind, name, reference), text) of the link files."""
        top = self.base / "repositories"
        for folder, _, files in os.walk(top):
            if "link" not in files:
                continue
            parts = folder[len(str(top)) + 1:].split("/")
            text = (_bytes(Path(folder) / "link") or b"").decode(
                errors="replace")
            if "_layers" in parts:
                at = parts.index("_layers")
                yield (0, "/".join(parts[:at]), ":".join(parts[-2:])), text
            elif "revisions" in parts:
                at = parts.index("_manifests")
                yield (1, "/".join(parts[:at]), ":".join(parts[-2:])), text
            elif parts[-1] == "current":
                at = parts.index("_manifests")
                yield (2, "/".join(parts[:at]), parts[-2]), text

    def _documents(self):
        for digest, size, path in self.tables.documents:
            hexed = digest.split(":")[1]
            data = _bytes(self.root / "documents/sha256" / hexed[:2] / hexed)
            self._must(data is not None and len(data) == size and
                       hashlib.sha256(data).hexdigest() == hexed, "document",
                       path, digest, "is not whole")
        if self.tables.sealed:
            text = (_bytes(self.root / "keys/signing.key") or b"").decode()
            self._must(len(text) > 40 and text.endswith("\n"),
                       "the key of the signing keys is not whole")


def _bytes(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def newest_state(file):
    """The offset of the newest whole record; docs/storage-layout.md."""
    records = []
    for place in (0, SLOT):
        record = file[place:place + STATE.size]
        if len(record) < STATE.size:
            continue
        magic, version, _, generation, offset, _, _, check = STATE.unpack(
            record)
        right = hashlib.sha256(record[:-16]).hexdigest()[:16].encode()
        if magic == b"LSUP" and version == 2 and check == right:
            records.append((generation, offset))
    return max(records)[1] if records else None
