"""Very many packages of a repository: rows as publishes leave them, without
their documents and bytes."""

import json
import random
import sqlite3
import time
from dataclasses import dataclass

# Files of a repository that are made into an index together.
BUCKET = 512
WORDS = ("library tools for the of network graphical interface command line "
         "development files documentation common data server client python "
         "database protocol parser fast simple modular engine").split()


@dataclass
class Row:
    """A package with one version and one file."""
    name: str
    version: str
    path: str
    role: str
    data: str  # of the file
    package_data: str = "{}"
    version_data: str = "{}"
    summary: str = ""
    tag: str = ""


def text(rng, words):
    return " ".join(rng.choice(WORDS) for _ in range(words))


def deb(rng, number):
    """What registryd remembers of a .deb, as large as Debian's are."""
    name = f"pkg{number:06d}-{rng.choice(WORDS)}"
    version = f"1.{number % 97}-1"
    paths = "".join(
        f"usr/share/{name}/{rng.choice(WORDS)}/{rng.getrandbits(32):x}\n"
        for _ in range(rng.randrange(5, 30)))
    short = text(rng, 7)
    md5 = f"{rng.getrandbits(128):032x}"
    stanza = (
        f"Package: {name}\nVersion: {version}\n"
        f"Architecture: amd64\nMaintainer: {text(rng, 3)} "
        f"<{rng.choice(WORDS)}@example.org>\n"
        f"Installed-Size: {rng.randrange(10_000)}\n"
        f"Depends: {', '.join(rng.choice(WORDS) for _ in range(8))}\n"
        f"Section: utils\nPriority: optional\n"
        f"Homepage: https://example.org/{name}\n"
        f"Description: {short}\nDescription-md5: {md5}\n")
    facts = {"in": [["stable", "main"]], "architecture": "amd64",
             "stanza": stanza, "description": short + "\n" + text(rng, 60),
             "description_md5": md5, "section": "utils", "contents": paths}
    return Row(name, version, f"pool/p/{name}/{name}_{version}_amd64.deb",
               "deb", json.dumps(facts), summary=short)


def rpm(rng, number):
    """The same of an .rpm, as large as Fedora's are."""
    name = f"pkg{number:06d}-{rng.choice(WORDS)}"
    version = f"1.{number % 97}"
    files = [f"d/usr/share/{name}", f"f/usr/bin/{name}"]
    files += [f"f/usr/share/{name}/{rng.choice(WORDS)}/"
              f"{rng.getrandbits(32):x}" for _ in range(rng.randrange(5, 30))]
    own = ["EQ", "0", version, "1"]
    facts = {
        "name": name, "epoch": "0", "version": version, "release": "1",
        "arch": "x86_64", "summary": text(rng, 7),
        "description": text(rng, 60), "packager": "", "vendor": "Test",
        "url": f"https://example.org/{name}", "license": "MIT",
        "group": "Unspecified", "build_host": "build.example.org",
        "source_rpm": f"{name}-{version}-1.src.rpm",
        "build_time": 1_700_000_000 + number,
        "installed_size": rng.randrange(10_000_000),
        "archive_size": rng.randrange(10_000_000),
        "header_start": 4504, "header_end": rng.randrange(8000, 40_000),
        "provides": [[name, *own], [f"{name}(x86-64)", *own]],
        "requires": [[f"lib{rng.choice(WORDS)}.so.{n}()(64bit)"]
                     for n in range(8)],
        "conflicts": [], "obsoletes": [], "suggests": [], "enhances": [],
        "recommends": [], "supplements": [], "files": files,
        "changes": [[f"Test <t@example.org> - {version}-{n}",
                     1_700_000_000 + n * 86_400, "- " + text(rng, 9)]
                    for n in range(5)]}
    return Row(name, f"{version}-1", f"Packages/{name}-{version}-1.x86_64.rpm",
               "x86_64", json.dumps(facts), summary=facts["summary"])


def npm(rng, number):
    """The same of a package of npm."""
    name = f"pkg{number:06d}-{rng.choice(WORDS)}"
    version = f"1.{number % 97}.0"
    manifest = {"name": name, "version": version, "license": "MIT",
                "description": text(rng, 7), "main": "index.js",
                "dependencies": {rng.choice(WORDS): "^1.0.0"
                                 for _ in range(8)}}
    few = json.dumps({"name": name, "version": version,
                      "dependencies": manifest["dependencies"]},
                     separators=(",", ":"))
    whole = json.dumps({"_id": f"{name}@{version}", **manifest},
                       separators=(",", ":"))
    facts = {"fileCount": 1, "integrity": "sha512-" + "A" * 86 + "==",
             "shasum": f"{rng.getrandbits(160):040x}", "unpackedSize": 40}
    about = {"date": "2026-01-01T00:00:00.000Z", "links": {},
             "version": version}
    return Row(name, version, f"{name}/-/{name}-{version}.tgz", "tarball",
               json.dumps(facts), json.dumps(about),
               f"[{len(few)},{few},{whole}]", manifest["description"],
               "latest")


def fill(server, base, count, row=deb):
    """`count` of them in the repository of `base`."""
    rng = random.Random(count)
    database = sqlite3.connect(server.root / "db" / "longshore.sqlite",
                               timeout=60)
    with database:
        _fill(database, base.rsplit("/", 1)[1],
              (row(rng, number) for number in range(count)), count, rng)
    database.close()


def _fill(database, key, rows, count, rng):
    now = int(time.time() * 1000)
    repository = database.execute(
        "SELECT id FROM repositories WHERE key = ?", (key,)).fetchone()[0]
    # The last bucket of files is half full, whatever their number.
    shift = BUCKET - (count + BUCKET // 2) % BUCKET
    first = max(database.execute(
        f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0]
        for table in ("packages", "versions", "blobs"))
    last = database.execute(
        "SELECT coalesce(max(id), 0) FROM files").fetchone()[0]
    shift += (last + BUCKET - 1) // BUCKET * BUCKET
    buckets = set()
    for number, row in enumerate(rows):
        ident = first + number
        file = number + shift
        add_row(database, repository, ident, file, row, now,
                f"{rng.getrandbits(256):064x}")
        buckets.add(file // BUCKET)
    database.executemany(
        "INSERT INTO file_buckets VALUES (?, ?, 1)",
        [(repository, bucket) for bucket in buckets])


def add_row(database, repository, ident, file, row, now, digest):
    database.execute(
        "INSERT INTO packages (id, repository_id, key, name, revision, data,"
        " summary, keywords, created_at_ms, updated_at_ms, downloads, latest)"
        " VALUES (?, ?, ?, ?, 1, ?, ?, '', ?, ?, 0, ?)",
        (ident, repository, row.name, row.name, row.package_data, row.summary,
         now, now, row.version))
    database.execute(
        "INSERT INTO package_search (rowid, name, summary, keywords, place)"
        " VALUES (?, ?, ?, '', ?)",
        (ident, row.name, row.summary, f"r{repository}"))
    database.execute(
        "INSERT INTO versions VALUES (?, ?, ?, ?, ?, 'active', '', ?, '', ?)",
        (ident, ident, row.version, row.version, row.version,
         row.version_data, now))
    database.execute("INSERT INTO blobs VALUES (?, ?, 1000)",
                     (ident, "sha256:" + digest))
    database.execute(
        "INSERT INTO blob_digests VALUES (?, ?, ?, '', '')",
        (ident, digest[:32], digest[:40]))
    database.execute(
        "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, 'x', ?, ?, 0)",
        (file, repository, ident, row.path, ident, row.role, row.data, now))
    if row.tag:
        database.execute("INSERT INTO package_tags VALUES (?, ?, ?)",
                         (ident, row.tag, ident))
